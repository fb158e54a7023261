"""Fuzz targets for everything that reads what others wrote; `scripts/fuzz` runs them.

Each ``fuzz_*.py`` has one function, ``one(data)``, that hands the bytes to the readers. Whatever
they are, only :class:`weighbridge.errors.InputError` may come out, and nothing may hang.
``corpus/<target>`` holds what is worth keeping; the tests replay it.
"""
