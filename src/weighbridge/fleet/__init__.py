"""Many users at once: arrivals, continuous batching step by step, what it costs and what it needs."""
