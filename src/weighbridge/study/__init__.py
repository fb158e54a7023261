"""Studies: many requests from one file, evaluated by groups, resumable, to one table."""
