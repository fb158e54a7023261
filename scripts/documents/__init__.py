"""The documents that are made from the program: `python -m scripts.documents` writes them.

Each page is a function without arguments that gives Markdown. With ``--check`` nothing is written
and the exit code is 1 where a page is not what the program says today.
"""
