"""The options of a request, resolved as llama.cpp's programs resolve them.

Source: common/arg.cpp, common/common.h, tools/server/server.cpp, src/llama-context.cpp of llama
0.5.0-dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.engine.llama_cpp import versions
from weighbridge.engine.llama_cpp.patterns import Pattern, read_patterns
from weighbridge.errors import RequestError
from weighbridge.formats.cache import CacheFormat, find_cache_format
from weighbridge.model.facts import Model
from weighbridge.request import Deployment
from weighbridge.units import MIB, ceil_div

PADDING = 256
BATCH, UBATCH = 2048, 512
SLOTS = 4
EVERY_LAYER = 10**6
MARGIN_MIB = 1024
SERVER = "llama-server"
OLLAMA = "ollama"
CACHE_TYPES = ("fp32", "fp16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")


class Settings(NamedTuple):
    """What a context is made with; ``fits_layers`` and ``fits_context`` what ``--fit`` may change.

    ``cells`` is n_ctx of one stream, ``context`` that of all; ``outputs`` the tokens of a pass
    that get logits; ``layers`` those on GPUs, the output layer counted as one.
    """

    version: versions.Version
    program: str
    slots: int
    unified: bool
    context: int
    batch: int
    ubatch: int
    flash: bool
    key: CacheFormat
    value: CacheFormat
    swa_full: bool
    layers: int
    split: str
    shares: tuple[float, ...]
    main_gpu: int
    patterns: tuple[Pattern, ...]
    cpu_moe: int
    offloads_cache: bool
    mmap: bool
    outputs: int
    snapshots: int
    fits_layers: bool
    fits_context: bool
    margin: int
    mmproj: bool
    notes: tuple[str, ...] = ()

    @property
    def streams(self) -> int:
        """Caches side by side: one where the slots share it."""
        return 1 if self.unified else self.slots

    @property
    def cells(self) -> int:
        """Cells of one stream (n_ctx_seq)."""
        return padded(ceil_div(self.context, self.streams) if self.streams > 1 else self.context)

    @property
    def total_cells(self) -> int:
        """Cells of all streams (n_ctx)."""
        return self.cells * self.streams

    @property
    def pass_tokens(self) -> int:
        """Tokens of the largest pass (n_ubatch, cut to the batch and the context)."""
        return min(self.ubatch, self.batch, self.total_cells)

    @property
    def reserved_tokens(self) -> int:
        """The same, rounded up to a multiple of the slots (graph_reserve)."""
        return ceil_div(self.pass_tokens, self.slots) * self.slots

    @property
    def reserved_outputs(self) -> int:
        """Tokens with logits in the reserved graph."""
        return min(self.pass_tokens, self.outputs or min(self.batch, self.total_cells))


def padded(cells: int) -> int:
    """GGML_PAD(cells, 256)."""
    return ceil_div(cells, PADDING) * PADDING


def stated_context(deployment: Deployment) -> int | None:
    """The tokens that one sequence can reach: ``-c``, shared by the slots unless unified."""
    own = deployment.own
    given = own.get("ctx_size")
    if not given or deployment.max_model_len is not None:
        return None
    slots = deployment.max_num_seqs
    if slots and slots > 1 and not own.get("kv_unified"):
        return padded(ceil_div(given, slots))
    return padded(given)


def settle(
    deployment: Deployment,
    model: Model,
    version: versions.Version,
    tokens: int,
    concurrency: int,
) -> Settings:
    """Every default filled in; raises RequestError where llama.cpp would refuse."""
    own, notes = deployment.own, list[str]()
    program = own.get("program") or SERVER
    slots, unified = _slots(deployment, program, version, concurrency, notes)
    flash = _flash(own, version)
    key, value = _cache_types(deployment, flash)
    context, free = _context(deployment, model, slots, unified, tokens, concurrency)
    layers, free_layers = _layers(own, version)
    fits = (own.get("fit") or "on") == "on" and (version >= versions.FIT or program == OLLAMA)
    patterns = read_patterns(own.get("override_tensor"))
    cpu_moe = EVERY_LAYER if own.get("cpu_moe") else own.get("n_cpu_moe") or 0
    drafted = own.get("draft_max") or 0
    per_slot = 1 + drafted if own.get("model_draft") else 1
    server = program == SERVER and version >= versions.SLOT_OUTPUTS
    batch = deployment.max_num_batched_tokens or BATCH
    return Settings(
        version, program, slots, unified, context, batch,
        own.get("ubatch_size") or UBATCH, flash, key, value, bool(own.get("swa_full")),
        layers, own.get("split_mode") or "layer", _shares(own.get("tensor_split")),
        own.get("main_gpu") or 0, patterns, cpu_moe, not own.get("no_kv_offload"),
        not own.get("no_mmap"), slots * per_slot if server else 0,
        drafted if own.get("model_draft") else 0,
        fits and free_layers and not patterns and not cpu_moe, fits and free,
        (own["fit_target"] if own.get("fit_target") is not None else MARGIN_MIB) * MIB,
        bool(own.get("mmproj")), tuple(notes),
    )  # fmt: skip


def slots_of(
    deployment: Deployment, version: versions.Version, concurrency: int
) -> tuple[int, bool]:
    """The slots that are opened for ``concurrency`` users, and whether they share one cache."""
    program = deployment.own.get("program") or SERVER
    return _slots(deployment, program, version, concurrency, [])


def _slots(
    deployment: Deployment,
    program: str,
    version: versions.Version,
    concurrency: int,
    notes: list[str],
) -> tuple[int, bool]:
    unified = bool(deployment.own.get("kv_unified"))
    if deployment.max_num_seqs:
        return deployment.max_num_seqs, unified
    if program == SERVER and version >= versions.FOUR_SLOTS:
        if concurrency > SLOTS:
            notes.append(f"-np {concurrency} with one cache for all is assumed for that many users")
        else:
            notes.append("llama-server opens 4 slots over one cache where -np is not given")
        return max(SLOTS, concurrency), True
    if concurrency > 1:
        notes.append(f"-np {concurrency} is assumed for that many users")
    return concurrency, unified


def _flash(own: Mapping[str, Any], version: versions.Version) -> bool:
    chosen = own.get("flash_attn") or ("auto" if version >= versions.FLASH_AUTO else "off")
    return bool(chosen != "off")


def _cache_types(deployment: Deployment, flash: bool) -> tuple[CacheFormat, CacheFormat]:
    own, common = deployment.own, deployment.kv_cache_dtype
    base = "fp16" if common == "auto" else common
    key = find_cache_format(own.get("cache_type_k") or base)
    value = find_cache_format(own.get("cache_type_v") or base)
    for each in (key, value):
        if each.name not in CACHE_TYPES:
            raise RequestError(
                f"llama.cpp keeps no cache in {each.name}; it knows f32, f16, bf16, q8_0, q4_0, "
                "q4_1, iq4_nl, q5_0 and q5_1"
            )
    if value.block > 1 and not flash:
        raise RequestError(
            "quantized V cache was requested, but this requires Flash Attention; "
            "add -fa on, or leave -ctv f16"
        )
    return key, value


def _context(
    deployment: Deployment,
    model: Model,
    slots: int,
    unified: bool,
    tokens: int,
    concurrency: int,
) -> tuple[int, bool]:
    """n_ctx of all slots, and whether it is llama.cpp's to choose."""
    given = deployment.own.get("ctx_size")
    if given:
        return given, False
    if deployment.max_model_len is not None:
        return deployment.max_model_len * (concurrency if unified else slots), False
    if model.max_positions is None or given == 0:
        return model.max_positions or tokens * (concurrency if unified else slots), given is None
    return model.max_positions, True


def _layers(own: Mapping[str, Any], version: versions.Version) -> tuple[int, bool]:
    """Layers on GPUs, and whether llama.cpp may choose them."""
    text = own.get("n_gpu_layers")
    if text is None:
        return (EVERY_LAYER, True) if version >= versions.FIT else (0, False)
    word = str(text).strip().lower()
    if word in {"auto", "-1"}:
        return EVERY_LAYER, True
    if word in {"all", "-2"}:
        return EVERY_LAYER, False
    if not (word.isascii() and word.isdigit() and len(word) <= 6):
        raise RequestError(f"n_gpu_layers {word[:40]!r} is not a number, auto or all")
    return int(word), False


def _shares(text: str | None) -> tuple[float, ...]:
    """``3,1`` as numbers; nothing where the free memory decides."""
    if not text:
        return ()
    try:
        shares = tuple(float(part) for part in text.replace("/", ",").split(","))
    except ValueError:
        shares = (-1.0,)
    if not all(0 <= share < 1e9 for share in shares) or sum(shares) <= 0:
        raise RequestError(f"tensor_split {text[:40]!r} is not a list of shares such as 3,1")
    return shares
