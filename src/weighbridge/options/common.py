"""Options that mean the same in several engines, and those of the workload."""

from __future__ import annotations

from weighbridge.options import Option

ATTENTION = ("auto", "eager", "sdpa", "flash_attention_2")
CACHES = ("dynamic", "static", "offloaded")

DEPLOYMENT = (
    Option("on", "card or machine: rtx-4090, 2xH100, H100:2, 24GiB", "CARD"),
    Option("engine", "engine, with its version: transformers, vllm==0.32.0, llama.cpp, …",
           "NAME[==VERSION]"),
    Option("weights", "format of the weights: bf16, fp8, int8, nf4, nf4-dq, …", "FORMAT",
           ("--dtype",)),
    Option("kv_cache_dtype", "type of the KV cache: auto, bf16, fp8, q8_0, …", "TYPE"),
    Option("attn_implementation", "attention kernel: eager, sdpa, flash_attention_2", "NAME",
           choices=ATTENTION),
    Option("cache_implementation", "how the cache grows: dynamic, static, offloaded", "NAME",
           choices=CACHES),
    Option("max_model_len", "tokens a sequence holds, prompt and output together", "TOKENS",
           ("--context",), kind="count", auto=True),
    Option("max_num_seqs", "sequences that the engine admits at once", "N", kind="count"),
    Option("max_num_batched_tokens", "tokens of one step of the scheduler", "TOKENS",
           kind="count"),
    Option("gpu_memory_utilization", "share of a device that the engine plans with", "SHARE",
           kind="number"),
    Option("kv_cache_memory", "bytes for the cache on each device, instead of what is left",
           "SIZE", kind="size"),
    Option("tensor_parallel_size", "devices that share each layer", "N", ("--tp",),
           kind="count"),
    Option("pipeline_parallel_size", "stages that the layers are cut into", "N", ("--pp",),
           kind="count"),
    Option("data_parallel_size", "replicas of the engine's ranks", "N", ("--dp",), kind="count"),
    Option("decode_context_parallel_size", "ranks over which a sequence's cache is cut", "N",
           ("--dcp",), kind="count"),
    Option("enable_expert_parallel", "spread whole experts over the ranks", "", ("--ep",),
           kind="flag"),
    Option("calibration", "constants of your own machine (weigh calibrate), or none", "FILE"),
)  # fmt: skip
WORKLOAD = (
    Option("input_tokens", "tokens of the prompt", "TOKENS", ("--isl",), kind="count"),
    Option("output_tokens", "tokens to generate", "TOKENS", ("--osl",), kind="count"),
    Option("concurrency", "sequences at once", "N", ("--batch", "--users"), kind="count"),
)
PARALLEL = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "decode_context_parallel_size",
    "enable_expert_parallel",
)
SERVING = (
    "on",
    "engine",
    "weights",
    "kv_cache_dtype",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "kv_cache_memory",
    "calibration",
)
