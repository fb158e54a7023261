"""A name → exact facts of a model."""
