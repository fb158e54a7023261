"""Traffic and arithmetic → time. So far the floor: what no engine can be faster than."""
