"""The settings that a request means for TensorRT-LLM: backend, formats, layout and sizes.

Defaults from NVIDIA/TensorRT-LLM, ``tensorrt_llm/llmapi/llm_args.py`` (1.2 and 1.3): batches of
2,048, 8,192 tokens a step, blocks of 32 tokens, 0.9 of what is free for the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.engine import Question
from weighbridge.engine.layout import Layout, settle_layout
from weighbridge.engine.sharding import check_layout
from weighbridge.engine.storage import ELEMENT, compute_dtype, settle_storage
from weighbridge.errors import EngineError, RequestError
from weighbridge.formats.cache import CacheFormat, find_cache_format
from weighbridge.formats.table import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.model.facts import Model

Version = tuple[int, int, int]

NEWEST: Version = (1, 3, 0)
OLDEST: Version = (0, 9, 0)
# The PyTorch backend is the one that trtllm-serve and LLM() take (1.0, September 2025).
PYTORCH: Version = (1, 0, 0)
# Blocks of 32 tokens instead of 64 (0.12 documents 64; logs of 0.19 show 32).
BLOCKS_OF_32: Version = (0, 18, 0)
# Windows are read off layer_types, and each width has its own pool (read in 1.3).
WINDOWS: Version = (1, 3, 0)

BATCH, STEP, FRACTION = 2048, 8192, 0.9
# trtllm-build took batches of 256 before 0.13.
OLD_BATCH, BATCH_OF_2048 = 256, (0, 13, 0)
BACKENDS = {"pytorch": "pytorch", "tensorrt": "tensorrt", "trt": "tensorrt",
            "_autodeploy": "pytorch"}  # fmt: skip
LARGEST_GRAPH = 128
VENDORS = ("NVIDIA", "custom")


class Setup(NamedTuple):
    """A question with everything that TensorRT-LLM would decide from it.

    ``mixers`` and ``feed`` say over which ranks attention and feed-forwards are cut; ``data`` is
    the number of ranks with caches of their own under data parallel attention.
    """

    question: Question
    model: Model
    storage: StorageFormat
    as_stored: bool
    compute: str
    cache: CacheFormat
    layout: Layout
    mixers: Layout
    feed: Layout
    replicas: int
    data: int
    backend: str
    block: int
    batch: int
    step: int
    length: int
    fraction: float
    graphs: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def version(self) -> Version:
        """The version of TensorRT-LLM."""
        return self.question.engine.version

    @property
    def element(self) -> int:
        """Bytes per element of activations."""
        return ELEMENT[self.compute]

    @property
    def own(self) -> Any:
        """The options that TensorRT-LLM alone has."""
        return self.question.deployment.own

    @property
    def windows_apart(self) -> bool:
        """Whether layers of each window have a pool of their own."""
        return self.backend == "pytorch" and self.version >= WINDOWS

    @property
    def settings(self) -> dict[str, str]:
        """The decisions, which every answer spells out."""
        return {
            "engine": str(self.question.engine),
            "backend": self.backend,
            "weights": self.storage.name,
            "activations": self.compute,
            "kv_cache_dtype": self.cache.name,
            "tensor_parallel_size": str(self.feed.tensor),
            "pipeline_parallel_size": str(self.layout.pipeline),
            "data_parallel_size": str(self.replicas * self.data),
            "gpu_memory_utilization": f"{self.fraction:.4g}",
            "max_num_seqs": str(self.batch),
            "max_num_batched_tokens": str(self.step),
            "max_model_len": str(self.length),
            "tokens_per_block": str(self.block),
            "cuda_graph_max_batch_size": str(max(self.graphs, default=0)),
        }


def set_up(question: Question) -> Setup:
    """Resolve every default; raises RequestError where options exclude each other."""
    model, deployment, version = question.model, question.deployment, question.engine.version
    _check(question)
    notes: list[str] = []
    storage, as_stored = settle_storage(model, deployment.weights, notes)
    storage = storage.for_model(model)
    compute = compute_dtype(model, storage)
    layout, mixers, feed, data = _layouts(question, notes)
    own, backend = deployment.own, _backend(question)
    batch = deployment.max_num_seqs or (BATCH if version >= BATCH_OF_2048 else OLD_BATCH)
    fraction = deployment.gpu_memory_utilization
    if fraction is not None and not 0 < fraction <= 1:
        raise RequestError(
            f"free_gpu_memory_fraction {fraction:g} must lie above 0 and at most at 1; "
            "TensorRT-LLM's own is 0.9"
        )
    return Setup(
        question=question,
        model=model,
        storage=storage,
        as_stored=as_stored,
        compute=compute,
        cache=_cache_format(question, compute),
        layout=layout,
        mixers=mixers,
        feed=feed,
        replicas=layout.data,
        data=data,
        backend=backend,
        block=own.get("tokens_per_block") or (32 if version >= BLOCKS_OF_32 else 64),
        batch=batch,
        step=deployment.max_num_batched_tokens or STEP,
        length=_length(question),
        fraction=FRACTION if fraction is None else fraction,
        graphs=_graphs(own.get("cuda_graph_max_batch_size"), batch) if backend == "pytorch" else (),
        notes=tuple(notes),
    )


def _check(question: Question) -> None:
    """What TensorRT-LLM cannot run at all."""
    model, version = question.model, question.engine.version
    if version < OLDEST:
        raise EngineError(
            f"{question.engine} is older than what is modelled; the oldest is "
            f"tensorrt-llm=={'.'.join(map(str, OLDEST))}"
        )
    if not model.generates:
        raise RequestError(f"{model.id} does not generate, and TensorRT-LLM's cache is modelled "
                           "for those that do; use --engine transformers")  # fmt: skip
    other = next((card for card in question.cards if card.vendor not in VENDORS), None)
    if other is not None:
        raise RequestError(
            f"TensorRT-LLM runs on NVIDIA cards, and {other.name} is {other.vendor}'s; use "
            "--engine sglang or vllm"
        )


def _backend(question: Question) -> str:
    named = question.deployment.own.get("backend")
    if named is None:
        return "pytorch" if question.engine.version >= PYTORCH else "tensorrt"
    if str(named).lower() not in BACKENDS:
        raise RequestError(
            f"backend {str(named)[:40]!r} is not one of pytorch, tensorrt or _autodeploy"
        )
    return BACKENDS[str(named).lower()]


def _layouts(question: Question, notes: list[str]) -> tuple[Layout, Layout, Layout, int]:
    """The ranks as a whole, those of attention, those of feed-forwards, and DP attention's."""
    deployment, model = question.deployment, question.model
    settled = settle_layout(deployment, question.cards)
    layout = settled.layout
    notes.extend(settled.notes)
    expert = deployment.own.get("moe_expert_parallel_size") or 0
    shared = deployment.own.get("moe_tensor_parallel_size") or 0
    if (expert or shared) and max(expert, 1) * max(shared, 1) not in {1, layout.tensor}:
        raise RequestError(
            f"moe_expert_parallel_size {max(expert, 1)} × moe_tensor_parallel_size "
            f"{max(shared, 1)} must make the {layout.tensor} tensor ranks"
        )
    whole = layout.expert or (expert == layout.tensor and expert > 1)
    feed = Layout(layout.tensor, layout.pipeline, 1, 1, whole)
    inside = bool(deployment.own.get("enable_attention_dp")) and layout.tensor > 1
    mixers = Layout(1, layout.pipeline, 1, 1, whole) if inside else feed
    check_layout(model, mixers)
    return layout, mixers, feed, layout.tensor if inside else 1


def _cache_format(question: Question, compute: str) -> CacheFormat:
    wanted = question.deployment.kv_cache_dtype
    if wanted == "auto":
        return find_cache_format("fp16" if compute == "fp16" else "bf16")
    found = find_cache_format(wanted)
    if "tensorrt-llm" not in found.engines:
        raise RequestError(
            f"TensorRT-LLM keeps no cache in {found.name}; use --kv-cache-dtype bf16, fp8 or nvfp4"
        )
    return found


def _length(question: Question) -> int:
    """``max_seq_len``: what was asked for, else all positions of the model."""
    named = question.deployment.max_model_len or question.model.max_positions
    if named is not None:
        return named
    context = question.tokens.context
    return int(context.max()) if hasattr(context, "max") else int(context)


def _graphs(asked: int | None, batch: int) -> tuple[int, ...]:
    """Batches that are captured (llm_args.py, CudaGraphConfig._generate_cuda_graph_batch_sizes)."""
    most = min(asked or LARGEST_GRAPH, batch)
    small = [1, 2, 4, *range(8, LARGEST_GRAPH + 1, 8)]
    doubled = [2**power for power in range(8, 31)]
    return tuple(size for size in (*small, *doubled) if size <= most)


def first_card(question: Question) -> Card | None:
    """The card of the first rank."""
    return question.cards[0] if question.cards else None
