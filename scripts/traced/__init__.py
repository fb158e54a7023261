"""Published GPU runs as traces: the parts of the report on training."""
