"""Ways of mixing tokens, one file each.

A mixer states its trainable tensors, what it appends per token (``cache``), what it keeps per
sequence (``state``) and how many elements are alive while it works. To add a kind, write one
file that satisfies :class:`weighbridge.model.facts.Mixer` and use it from a family.
"""
