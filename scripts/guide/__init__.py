"""The guide in four languages: its figures, outputs and pictures come from running the program."""
