"""Named constants of memory fitted on measured rows, held out by family, and written to a file."""
