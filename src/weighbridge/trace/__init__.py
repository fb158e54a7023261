"""The real model code run without weights and without a GPU: what lives when, byte by byte.

The parent's side (``question``, ``run``, ``result``, ``compare``) needs the standard library only;
everything that imports torch runs in a child process (``child``). Extra: ``weighbridge[trace]``.
"""
