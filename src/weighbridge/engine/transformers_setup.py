"""The settings that a request means for Transformers: formats, kernels, cache, version rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from weighbridge.engine import Question
from weighbridge.engine import transformers_versions as versions
from weighbridge.errors import RequestError
from weighbridge.formats.stated import stated_format
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.memory.cache import Kept, Streams, every_token, own_streams, visible_tokens
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import CacheStream, Layer, Model, Parameter
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.tensors import BITS_PER_ELEMENT

ELEMENT = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1}
STORED = {"F32": "fp32", "BF16": "bf16", "F16": "fp16"}


@dataclass(frozen=True, slots=True)
class Setup:
    """A question with everything that Transformers would decide from it."""

    question: Question
    model: Model
    storage: StorageFormat
    as_stored: bool
    compute: str
    cache_dtype: str
    attention: str
    kept: Kept
    streams: Streams
    notes: tuple[str, ...]

    @property
    def version(self) -> versions.Version:
        """The version of Transformers."""
        return self.question.engine.version

    @property
    def element(self) -> int:
        """Bytes per element of activations."""
        return ELEMENT[self.compute]

    @property
    def cache_bytes(self) -> int:
        """Bytes per cached element."""
        return ELEMENT[self.cache_dtype]

    @property
    def settings(self) -> dict[str, str]:
        """The decisions, for the assumptions that every answer spells out."""
        return {
            "engine": str(self.question.engine),
            "weights": self.storage.name,
            "activations": self.compute,
            "kv_cache_dtype": self.cache_dtype,
            "attn_implementation": self.attention,
            "cache_implementation": self.question.deployment.cache_implementation,
        }

    def bytes_of(self, parameters: Iterable[Parameter]) -> int:
        """Bytes of these parameters in the storage format."""
        return weigh_parameters(((p, 1) for p in parameters), self.storage).total

    def layer_bytes(self, layer: Layer) -> int:
        """Bytes of a layer's parameters in the storage format."""
        return self.bytes_of(layer.parameters)


def set_up(question: Question) -> Setup:
    """Resolve every ``auto``; raises RequestError where options exclude each other."""
    model, deployment = question.model, question.deployment
    notes: list[str] = []
    storage, as_stored = _storage(model, deployment.weights, notes)
    compute = _compute_dtype(model, storage)
    attention = _attention(question, compute)
    cache_dtype = _cache_dtype(deployment.kv_cache_dtype, compute, question)
    bounded = versions.bounds_windows(model, question.engine.version)
    return Setup(
        question=question,
        model=model,
        storage=storage,
        as_stored=as_stored,
        compute=compute,
        cache_dtype=cache_dtype,
        attention=attention,
        kept=visible_tokens if bounded else every_token,
        streams=partial(_streams, question.engine.version),
        notes=tuple(notes),
    )


def _storage(model: Model, wanted: str, notes: list[str]) -> tuple[StorageFormat, bool]:
    """The storage format, and whether the files' own bytes are loaded as they are."""
    if wanted != "auto":
        storage = find_format(wanted)
        return storage, _stored_dtype(model) == storage.name
    if model.quantization:
        return stated_format(model.quantization, model.id), model.stored is not None
    dtype = _stored_dtype(model) or model.dtype
    if not dtype:
        notes.append(f"the dtype of {model.id} is not stated; bf16 is assumed")
        dtype = "bf16"
    return find_format(dtype), model.stored is not None


def _stored_dtype(model: Model) -> str | None:
    """The dtype that holds most bytes of an unquantized checkpoint; None without one."""
    if model.stored is None or model.quantization:
        return None
    sizes = {name: table.total_bytes for name, table in model.stored.by_dtype().items()}
    most = max(sizes, key=lambda name: sizes[name], default="")
    return STORED.get(most)


def _compute_dtype(model: Model, storage: StorageFormat) -> str:
    if storage.name in {"fp32", "bf16", "fp16"}:
        return storage.name
    return model.dtype if model.dtype in {"bf16", "fp16"} else "bf16"


def _attention(question: Question, compute: str) -> str:
    wanted = question.deployment.attn_implementation
    if wanted == "auto":
        return "sdpa" if question.engine.version >= versions.SDPA_DEFAULT else "eager"
    if wanted == "flash_attention_2" and compute == "fp32":
        raise RequestError(
            "flash_attention_2 needs 16-bit activations, and these weights are run in fp32; "
            "add --weights bf16 or use --attn-implementation sdpa"
        )
    return wanted


def _cache_dtype(wanted: str, compute: str, question: Question) -> str:
    if wanted in {"auto", compute}:
        return compute
    if wanted == "fp8" and question.engine.version >= versions.QUANTIZED_CACHE_FP8:
        return wanted
    raise RequestError(
        f"Transformers {'.'.join(map(str, question.engine.version))} keeps its cache in the "
        f"activations' type, {compute}, and cannot keep it in {wanted}; leave "
        "--kv-cache-dtype auto"
    )


def _streams(version: versions.Version, layer: Layer) -> tuple[CacheStream, ...]:
    if isinstance(layer.mixer, LatentAttention) and not versions.caches_latent(version):
        return layer.mixer.expanded_cache
    return own_streams(layer)
