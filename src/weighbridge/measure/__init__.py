"""What was measured: logs of engines, and the store of observations."""
