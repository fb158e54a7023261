"""Many users at once: arrivals, batching step by step, what it costs and needs."""
