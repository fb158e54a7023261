"""Plan, load, generate: the model in little memory on this machine, and what it really took.

``here`` looks at the machine, ``choose`` picks format and placement by plans alone, ``source``
says where the weights come from and what they cost, ``child`` does it in a process of its own,
``session`` puts these together, ``script`` writes the same as a program. Extra:
``weighbridge[run]``.
"""
