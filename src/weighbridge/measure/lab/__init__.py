"""What runs the real thing: everything here that imports torch runs in a child process.

The parent's side (``process``) needs the standard library only. Extra: ``weighbridge[run]``.
"""
