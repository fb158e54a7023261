"""Engines of which constants of time are known, so that a plan of another need not read them."""

from __future__ import annotations

KIN = {"ollama": "llama.cpp"}
FITTED = (
    "vllm",
    "sglang",
    "tensorrt-llm",
    "exllamav2",
    "gpt-fast",
    "llama.cpp",
    "ollama",
    "mistral.rs",
    "mlc-llm",
    "mlx",
)
