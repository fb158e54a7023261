"""Options of ``weigh train``: how a model is trained, one row each."""

from __future__ import annotations

from weighbridge.options import Option

METHODS = ("full", "lora", "qlora")
OBJECTIVES = ("sft", "dpo", "orpo", "kto", "reward", "ppo", "grpo")
BATCHING = ("equal", "packed", "padded")
KERNELS = ("torch", "liger", "megatron")
LOSSES = ("auto", "hf", "hf-4", "chunked", "compiled", "liger", "cut",
          "megatron")  # fmt: skip
SHARDINGS = ("none", "ddp", "zero1", "zero2", "zero3", "fsdp", "fsdp2", "megatron")
OFFLOADS = ("none", "optimizer", "all", "nvme")
SCHEDULES = ("1f1b", "interleaved", "gpipe")
SOLVES = ("micro-batch", "seq-len", "cards", "method")
TARGETS = ("training-arguments", "trl", "accelerate", "deepspeed", "torchtune", "axolotl",
           "llama-factory")  # fmt: skip

METHOD = (
    Option("method", "what is trained: full, lora, qlora", "NAME", choices=METHODS),
    Option("objective", "what for: sft, dpo, orpo, kto, reward, ppo, grpo", "NAME",
           choices=OBJECTIVES),
    Option("optimizer", "adamw, adamw-8bit, paged-adamw-8bit, adafactor, lion, muon, galore, …",
           "NAME", ("--optim",)),
    Option("optimizer_rank", "rank of GaLore's and APOLLO's projections", "N", kind="count"),
    Option("precision", "bf16, fp32, amp-bf16, amp-fp16, fsdp-mixed, deepspeed-bf16, megatron-bf16",
           "NAME"),
    Option("lora_rank", "rank of the adapters", "N", ("-r",), kind="count"),
    Option("lora_targets", "all-linear, attention, mlp, qv, or names with commas", "LIST"),
    Option("lora_dropout", "dropout before the adapters", "SHARE", kind="number"),
    Option("adapter_dtype", "fp32 (PEFT's default on 16-bit models) or bf16", "TYPE",
           choices=("fp32", "bf16")),
    Option("dora", "DoRA: learn magnitudes too", "", kind="flag"),
    Option("quantization", "format of a frozen base: nf4, nf4-dq, int8, …", "FORMAT"),
    Option("kbit_upcast", "prepare_model_for_kbit_training: embeddings, head, norms in fp32", "",
           kind="flag"),
    Option("quantize_experts", "the routed experts are packed too, as Axolotl's "
           "quantize_moe_experts does; bitsandbytes in Transformers packs nn.Linear alone", "",
           kind="flag"),
)  # fmt: skip
WORK = (
    Option("micro_batch", "sequences of one forward on one device", "N",
           ("--per-device-train-batch-size",), kind="count"),
    Option("seq_len", "tokens of a sequence", "TOKENS", ("--max-length",), kind="count"),
    Option("grad_accumulation", "micro-batches of one step", "N",
           ("--gradient-accumulation-steps",), kind="count"),
    Option("batching", "equal lengths, packed, or padded with a mask", "NAME", choices=BATCHING),
    Option("dataset_tokens", "tokens to train on, all epochs together", "TOKENS", kind="count",
           most=10**15),
    Option("price_per_hour", "dollars an hour for one device", "USD", kind="number"),
)  # fmt: skip
MEMORY = (
    Option("checkpointing", "recomputation: none, selective, full, every-N, offloaded", "NAME",
           ("--gradient-checkpointing",)),
    Option("attn_implementation", "attention kernel: eager, sdpa, flash_attention_2", "NAME",
           choices=("eager", "sdpa", "flash_attention_2")),
    Option("kernels", "norms and activations: torch, liger, megatron", "NAME", choices=KERNELS),
    Option("loss", "how logits become a loss: auto, hf, hf-4, chunked, liger, cut, …", "NAME",
           choices=LOSSES),
    Option("keep_outputs", "the loop holds the model's outputs during backward, as a plain loop "
           "does; Trainer does not", "", kind="flag"),
    Option("expandable_segments", "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True", "",
           kind="flag"),
)  # fmt: skip
PARALLELISM = (
    Option("on", "card or machine: rtx-4090, 2xH100, H100:2, 24GiB", "CARD"),
    Option("sharding", "none, ddp, zero1, zero2, zero3, fsdp, fsdp2, megatron", "NAME",
           choices=SHARDINGS),
    Option("offload", "to host memory: none, optimizer, all; or nvme", "NAME", choices=OFFLOADS),
    Option("data_parallel_size", "ranks that see different data", "N", ("--dp",), kind="count"),
    Option("tensor_parallel_size", "ranks that share each layer", "N", ("--tp",), kind="count"),
    Option("sequence_parallel", "cut norms and residuals along the sequence too", "",
           kind="flag"),
    Option("pipeline_parallel_size", "stages that the layers are cut into", "N", ("--pp",),
           kind="count"),
    Option("pipeline_schedule", "1f1b, interleaved or gpipe", "NAME", choices=SCHEDULES),
    Option("virtual_stages", "chunks of layers per stage, for interleaved", "N", kind="count"),
    Option("context_parallel_size", "ranks over which a sequence is cut", "N", ("--cp",),
           kind="count"),
    Option("expert_parallel_size", "ranks over which whole experts are spread", "N", ("--ep",),
           kind="count"),
    Option("expert_tensor_parallel_size", "ranks that share each expert", "N", ("--etp",),
           kind="count"),
)  # fmt: skip
TRAINING = (*METHOD, *WORK, *MEMORY, *PARALLELISM)
GROUPS = (("method", METHOD), ("work", WORK), ("memory", MEMORY), ("parallelism", PARALLELISM))
