"""Placement: what of a model lies on which GPU, in host memory or on disk, for the least time.

``host`` and ``clock`` say what a step costs where, ``chain`` finds the least, and one file for each
engine (``transformers``, ``llama_cpp``, ``vllm``) says what its options can express; what is found
is planned again with the engine's own rules until it fits.
"""
