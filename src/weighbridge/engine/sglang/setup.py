"""The settings that a request means for SGLang: formats, layout, sizes and the fraction."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from weighbridge.engine import Question
from weighbridge.engine.layout import Layout, settle_layout
from weighbridge.engine.sglang import versions
from weighbridge.engine.sglang.fraction import (
    Reserve,
    Sizes,
    decode_sizes,
    default_sizes,
    for_images,
    mem_fraction_static,
    prefill_sizes,
)
from weighbridge.engine.sharding import check_layout
from weighbridge.engine.storage import ELEMENT, compute_dtype, settle_storage
from weighbridge.errors import EngineError, RequestError
from weighbridge.formats.cache import CacheFormat, find_cache_format
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.hardware.card import Card
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.mixers.compressed import CompressedAttention
from weighbridge.model.mixers.kimi_delta import KimiDeltaAttention
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.sparse import SparseLatentAttention
from weighbridge.units import MIB

ALGORITHMS = ("EAGLE", "EAGLE3", "NEXTN", "MTP", "STANDALONE", "NGRAM")
FOREIGN = ("Apple", "AWS", "Google")
DRAFT_TOKENS = {"EAGLE": 4, "EAGLE3": 4, "STANDALONE": 4, "NGRAM": 8}


class Speculation(NamedTuple):
    """The algorithm, the layers of its draft with a cache, and the tokens verified at once."""

    algorithm: str
    layers: int
    tokens: int


class Setup(NamedTuple):
    """A question with everything that SGLang would decide from it.

    ``mixers`` and ``feed`` say over which ranks attention and feed-forwards are cut; ``replicas``
    counts whole copies of the engine, ``data`` the ranks of data parallel attention.
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
    sizes: Sizes
    graphs: tuple[int, ...]
    prefill_graphs: tuple[int, ...]
    fraction: float
    page: int
    state_bytes: int
    kernel: str
    speculation: Speculation | None
    notes: tuple[str, ...]

    @property
    def version(self) -> versions.Version:
        """The version of SGLang."""
        return self.question.engine.version

    @property
    def element(self) -> int:
        """Bytes per element of activations."""
        return ELEMENT[self.compute]

    @property
    def own(self) -> Any:
        """The options that SGLang alone has."""
        return self.question.deployment.own

    @property
    def cards(self) -> tuple[Card, ...]:
        """The cards of the ranks in order; empty where none was named."""
        return self.question.cards[: self.layout.ranks]

    @property
    def chunk(self) -> int:
        """Tokens of one prefill pass of one rank: the chunk is shared by data parallel ranks."""
        return max(self.sizes.chunk // self.data, 1)

    @property
    def settings(self) -> dict[str, str]:
        """The decisions, which every answer spells out."""
        draft = self.speculation
        return {
            "engine": str(self.question.engine),
            "weights": self.storage.name,
            "activations": self.compute,
            "kv_cache_dtype": self.cache.name,
            "tensor_parallel_size": str(self.feed.tensor),
            "pipeline_parallel_size": str(self.layout.pipeline),
            "data_parallel_size": str(self.replicas * self.data),
            "gpu_memory_utilization": f"{self.fraction:.4g}",
            "max_num_batched_tokens": str(self.chunk),
            "cuda_graph_max_bs": str(max(self.graphs, default=0)),
            "prefill_graphs": str(len(self.prefill_graphs)),
            "page_size": str(self.page),
            "attention_backend": self.kernel,
            **({"speculative": f"{draft.algorithm}, {draft.tokens} tokens"} if draft else {}),
        }


def set_up(question: Question) -> Setup:
    """Resolve every default; raises RequestError where options exclude each other."""
    model, deployment, version = question.model, question.deployment, question.engine.version
    if version < versions.OLDEST:
        raise EngineError(
            f"{question.engine} is older than what is modelled; the oldest is "
            f"sglang=={versions.text(versions.OLDEST)}"
        )
    if not model.generates:
        raise RequestError(f"{model.id} does not generate, and SGLang's pool is modelled for those "
                           "that do; use --engine transformers")  # fmt: skip
    other = next((card for card in question.cards if card.vendor in FOREIGN), None)
    if other is not None:
        raise RequestError(f"SGLang's memory is not modelled on {other.name} of {other.vendor}; it "
                           "is on NVIDIA, AMD and Intel cards")  # fmt: skip
    notes: list[str] = []
    storage, as_stored, compute = _formats(question, notes)
    layout, mixers, feed, data = _layouts(question, notes)
    card = question.cards[0] if question.cards else None
    kernel = _kernel(model, card, version)
    speculation = _speculation(question)
    sizes, graphs, prefill = _graphs(question, layout, data, speculation)
    fraction = deployment.gpu_memory_utilization
    if fraction is None:
        fraction = _fraction(question, layout, data, sizes, graphs, prefill, speculation)
    elif not 0 < fraction < 1:
        raise RequestError(
            f"mem_fraction_static {fraction:g} must lie between 0 and 1; SGLang's own is about 0.85"
        )
    page = question.deployment.own.get("page_size") or _page(model, card, kernel)
    return Setup(
        question=question,
        model=model,
        storage=storage,
        as_stored=as_stored,
        compute=compute,
        cache=_cache_format(question, compute, card),
        layout=layout,
        mixers=mixers,
        feed=feed,
        replicas=layout.data,
        data=data,
        sizes=sizes,
        graphs=graphs,
        prefill_graphs=prefill,
        fraction=fraction,
        page=page,
        state_bytes=_state_bytes(question),
        kernel=kernel,
        speculation=speculation,
        notes=tuple(notes),
    )


def _formats(question: Question, notes: list[str]) -> tuple[StorageFormat, bool, str]:
    """fp32 checkpoints are run in fp16 (configs/model_config.py, _get_and_verify_dtype)."""
    model, wanted = question.model, question.deployment.own.get("quantization")
    if wanted is None or question.deployment.weights != "auto":
        wanted = question.deployment.weights
    storage, as_stored = settle_storage(model, wanted, notes)
    if storage.name == "fp32" and wanted == "auto":
        notes.append("fp32 weights are cast to fp16 on loading, as SGLang does")
        storage, as_stored = find_format("fp16"), False
    storage = storage.for_model(model)
    return storage, as_stored, compute_dtype(model, storage)


def _layouts(question: Question, notes: list[str]) -> tuple[Layout, Layout, Layout, int]:
    """The ranks as a whole, those of attention, those of feed-forwards, and DP attention's."""
    deployment, model = question.deployment, question.model
    data = deployment.data_parallel_size or 1
    inside = bool(deployment.own.get("enable_dp_attention"))
    if inside and data == 1:
        raise RequestError(
            "enable_dp_attention needs data_parallel_size of 2 or more, up to the tensor ranks"
        )
    asked = deployment._replace(data_parallel_size=None) if inside else deployment
    settled = settle_layout(asked, question.cards)
    layout = settled.layout
    notes.extend(settled.notes)
    expert = layout.expert
    feed = Layout(layout.tensor, layout.pipeline, 1, 1, expert)
    mixers = feed
    if inside:
        if layout.tensor % data:
            raise RequestError(
                f"data parallel attention cuts the {layout.tensor} tensor ranks into equal parts, "
                f"and data_parallel_size {data} does not divide them"
            )
        mixers = Layout(layout.tensor // data, layout.pipeline, 1, 1, expert)
    check_layout(model, mixers)
    return layout, mixers, feed, data if inside else 1


def memory_mib(card: Card | None) -> float | None:
    """The card's memory in MiB as nvidia-smi or rocm-smi states it."""
    if card is None:
        return None
    return (card.driver_total_bytes or card.marketed_memory) / MIB


def latent(model: Model) -> bool:
    """Whether SGLang takes its latent attention backends and pools."""
    return any(isinstance(layer.mixer, LatentAttention) for layer in model.layers)


def sparse(model: Model) -> bool:
    """Whether the model has DeepSeek's sparse attention."""
    return any(isinstance(layer.mixer, SparseLatentAttention) for layer in model.layers)


def recurrent(model: Model) -> bool:
    """Whether some layers keep a state instead of keys and values."""
    return any(layer.mixer.state for layer in model.layers)


def _kernel(model: Model, card: Card | None, version: versions.Version) -> str:
    """The attention backend by compute capability (server_args.py, attention defaults)."""
    if card is None:
        return "unknown"
    if card.vendor == "AMD":
        return "aiter"
    capability = card.compute_capability or ""
    if sparse(model):
        return "dsa"
    if capability.startswith("10."):
        return "trtllm_mla" if latent(model) else "trtllm_mha"
    if capability.startswith("9."):
        return "fa3" if version >= (0, 4, 6) else "flashinfer"
    return "flashinfer"


def _page(model: Model, card: Card | None, kernel: str) -> int:
    """Tokens of a page: 64 for the sparse backends and TRT-LLM's, else 1."""
    if sparse(model):
        return 1 if card is not None and card.vendor == "AMD" else 64
    if any(isinstance(layer.mixer, CompressedAttention) for layer in model.layers):
        return 256
    return 64 if kernel.startswith("trtllm") else 1


def _cache_format(question: Question, compute: str, card: Card | None) -> CacheFormat:
    """bf16 unless named; DeepSeek's sparse attention takes fp8 on Blackwell."""
    wanted = question.deployment.kv_cache_dtype
    if wanted == "auto":
        blackwell = card is not None and (card.compute_capability or "").startswith("10.")
        fp8 = sparse(question.model) and blackwell
        return find_cache_format("fp8" if fp8 else "fp16" if compute == "fp16" else "bf16")
    found = find_cache_format(wanted)
    if "sglang" not in found.engines:
        raise RequestError(
            f"SGLang keeps no cache in {found.name}; use --kv-cache-dtype bf16, fp8_e4m3, fp8_e5m2 "
            "or fp4_e2m1"
        )
    return found


def _state_bytes(question: Question) -> int:
    wanted = question.deployment.own.get("mamba_ssm_dtype") or "float32"
    sizes = {"float32": 4, "fp32": 4, "bfloat16": 2, "bf16": 2, "float16": 2, "fp16": 2}
    if wanted not in sizes:
        raise RequestError(f"mamba_ssm_dtype {str(wanted)[:40]!r} is not float32 or bfloat16")
    return sizes[wanted]


def _speculation(question: Question) -> Speculation | None:
    own = question.deployment.own
    named = own.get("speculative_algorithm")
    if named is None:
        return None
    algorithm = str(named).upper()
    if algorithm not in ALGORITHMS:
        raise RequestError(
            f"speculative_algorithm {str(named)[:40]!r} is not one of {', '.join(ALGORITHMS)}"
        )
    algorithm = "EAGLE" if algorithm in {"NEXTN", "MTP"} else algorithm
    steps = own.get("speculative_num_steps")
    tokens = own.get("speculative_num_draft_tokens") or (
        steps + 1 if steps else DRAFT_TOKENS[algorithm]
    )
    return Speculation(algorithm, 0 if algorithm == "NGRAM" else 1, tokens)


def _graphs(
    question: Question, layout: Layout, data: int, speculation: Speculation | None
) -> tuple[Sizes, tuple[int, ...], tuple[int, ...]]:
    own, version = question.deployment.own, question.engine.version
    card = question.cards[0] if question.cards else None
    sizes = default_sizes(version, memory_mib(card), layout.tensor)
    sizes = Sizes(
        own.get("chunked_prefill_size") or sizes.chunk, own.get("cuda_graph_max_bs") or sizes.max_bs
    )
    if own.get("disable_cuda_graph"):
        return sizes, (), ()
    graphs = decode_sizes(version, sizes.max_bs, speculative=speculation is not None)
    if not _prefill_graphs(question, layout, data, card):
        return sizes, graphs, ()
    largest = 2048 if latent(question.model) else sizes.chunk
    return sizes, graphs, prefill_sizes(largest)


def _prefill_graphs(question: Question, layout: Layout, data: int, card: Card | None) -> bool:
    """Whether prefill is captured (cuda_graph_hook.py, the rules of incompatibility)."""
    version, model = question.engine.version, question.model
    if version < versions.PREFILL_GRAPHS or layout.pipeline > 1 or model.towers:
        return False
    if card is not None and card.vendor == "AMD":
        return False
    if version < versions.PREFILL_SEGMENTS:
        return data == 1 and not question.deployment.own.get("cpu_offload_gb")
    kinds = (KimiDeltaAttention, CompressedAttention)
    return not any(isinstance(layer.mixer, kinds) for layer in model.layers)


def _fraction(
    question: Question,
    layout: Layout,
    data: int,
    sizes: Sizes,
    graphs: tuple[int, ...],
    prefill: tuple[int, ...],
    speculation: Speculation | None,
) -> float:
    card = question.cards[0] if question.cards else None
    fraction = mem_fraction_static(
        Reserve(
            version=question.engine.version,
            memory=memory_mib(card),
            ranks=layout.tensor * layout.pipeline,
            tensor=layout.tensor,
            data=data,
            sizes=sizes,
            decode_graphs=bool(graphs),
            prefill_graphs=len(prefill),
            latent=latent(question.model),
            speculative=speculation.algorithm if speculation else None,
        )
    )
    tower = vision_size(question.model)
    if tower is None or question.engine.version < versions.TIERED:
        return fraction
    return for_images(fraction, *tower)


def vision_size(model: Model) -> tuple[int, int] | None:
    """Layers and width of a vision encoder, read off its tensors; None without one."""
    for tower in model.towers:
        if tower.name != "vision":
            continue
        layers = max((_layers(parameter) for parameter in tower.parameters), default=0) or 24
        widths: Counter[int] = Counter()
        for parameter in tower.parameters:
            if len(parameter.shape) == 1:
                widths[parameter.shape[0]] += parameter.copies
        return layers, widths.most_common(1)[0][0] if widths else 1024
    return None


def _layers(parameter: Parameter) -> int:
    """Layers that a tensor of an encoder speaks of: one name for all, or its own number."""
    if "{layer}" in parameter.name:
        return parameter.copies
    found = re.search(r"(?:layers|blocks|resblocks)\.(\d+)\.", parameter.name)
    return int(found[1]) + 1 if found else 0
