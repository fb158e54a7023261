"""Options of llama.cpp beside the common ones (common/arg.cpp).

``max_model_len`` is ``-c`` divided by the slots where they do not share it, ``max_num_seqs`` is
``-np``, ``max_num_batched_tokens`` is ``-b``.
"""

from __future__ import annotations

from weighbridge.options import Option

TAKES = frozenset(
    {
        "on",
        "engine",
        "weights",
        "kv_cache_dtype",
        "max_model_len",
        "max_num_seqs",
        "calibration",
        "max_num_batched_tokens",
    }
)
OPTIONS = (
    Option("ctx_size", "tokens of the whole cache, all slots together", "TOKENS", ("-c",),
           kind="count"),
    Option("n_gpu_layers", "layers on the GPU: a number, auto or all", "N",
           ("-ngl", "--gpu-layers")),
    Option("ubatch_size", "tokens of one pass", "TOKENS", ("-ub",), kind="count"),
    Option("flash_attn", "on, off or auto", "NAME", ("-fa",), choices=("on", "off", "auto")),
    Option("cache_type_k", "type of cached keys", "TYPE", ("-ctk",)),
    Option("cache_type_v", "type of cached values", "TYPE", ("-ctv",)),
    Option("kv_unified", "one cache for all slots", kind="flag"),
    Option("swa_full", "keep every token of sliding layers", kind="flag"),
    Option("tensor_split", "shares of the devices: 3,1", "LIST", ("-ts",)),
    Option("split_mode", "none, layer, row or tensor", "NAME", ("-sm",),
           choices=("none", "layer", "row", "tensor")),
    Option("main_gpu", "device of what is not split", "N", ("-mg",), kind="count"),
    Option("override_tensor", "pattern=buffer type, with commas", "LIST", ("-ot",)),
    Option("cpu_moe", "experts of every layer in host memory", "", ("-cmoe",), kind="flag"),
    Option("n_cpu_moe", "layers whose experts stay in host memory", "N", ("-ncmoe",),
           kind="count"),
    Option("no_kv_offload", "the cache in host memory", "", ("-nkvo",), kind="flag"),
    Option("no_mmap", "read the file instead of mapping it", kind="flag"),
    Option("mmproj", "file of the vision projector", "FILE", ("-mm",)),
    Option("model_draft", "file of the draft model", "FILE", ("-md",)),
    Option("draft_max", "tokens drafted a step", "N", kind="count"),
    Option("program", "llama-server, llama-cli or library", "NAME",
           choices=("llama-server", "llama-cli", "library")),
    Option("fit", "shrink what was not set until it fits: on or off", "NAME",
           choices=("on", "off")),
    Option("fit_target", "MiB left free on each device by --fit", "MIB", kind="count"),
)  # fmt: skip
