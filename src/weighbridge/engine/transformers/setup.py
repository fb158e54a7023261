"""The settings that a request means for Transformers: formats, kernels, cache, version rules."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from weighbridge.engine import Question
from weighbridge.engine.storage import ELEMENT, compute_dtype, settle_storage
from weighbridge.engine.transformers import versions
from weighbridge.errors import EngineError, RequestError
from weighbridge.formats.bitsandbytes import left_in_16_bit, packed_by_transformers
from weighbridge.formats.table import StorageFormat
from weighbridge.memory.cache import (
    Kept,
    Streams,
    cache_elements,
    every_token,
    own_streams,
    visible_tokens,
)
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import CacheStream, Layer, Model, Parameter
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.units import format_bytes

CACHE_DTYPES = ("auto", "fp32", "bf16", "fp16", "fp8")


class Setup(NamedTuple):
    """A question with everything that Transformers would decide from it."""

    question: Question
    model: Model
    storage: StorageFormat
    as_stored: bool
    compute: str
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
        """Bytes per element of activations and of the cache, which share a type."""
        return ELEMENT[self.compute]

    @property
    def settings(self) -> dict[str, str]:
        """The decisions, which every answer spells out."""
        return {
            "engine": str(self.question.engine),
            "weights": self.storage.name,
            "activations": self.compute,
            "kv_cache_dtype": self.compute,
            "attn_implementation": self.attention,
            "cache_implementation": self.question.deployment.cache_implementation,
        }

    @property
    def quantized(self) -> bool:
        """Whether weights are stored in another form than they are computed in."""
        return self.storage.name not in ELEMENT

    @property
    def encoder_tokens(self) -> Any:
        """Positions that an encoder hands over: its own number, or the prompt; 0 without one."""
        if self.model.encodes_prompt:
            return self.question.tokens.prompt
        return self.model.encoder_tokens or 0

    def cached_elements(
        self, layers: Iterable[tuple[Layer, int]], held: Any, kept: Kept | None = None
    ) -> Any:
        """Elements cached for one sequence when ``held`` of its tokens are.

        Where an encoder takes the prompt, the decoder begins with one start token instead.
        """
        if self.model.encodes_prompt:
            held = held - self.question.tokens.prompt + 1
        return cache_elements(
            layers,
            held,
            kept=kept or self.kept,
            streams=self.streams,
            encoder_tokens=self.encoder_tokens,
        )

    def bytes_of(self, parameters: Iterable[Parameter]) -> int:
        """Bytes of these parameters in the storage format."""
        return weigh_parameters(((p, 1) for p in parameters), self.storage).total


def set_up(question: Question) -> Setup:
    """Resolve every ``auto``; raises RequestError where options exclude each other."""
    model, deployment = question.model, question.deployment
    version = question.engine.version
    if version < versions.OLDEST:
        raise EngineError(
            f"{question.engine} is older than what is modelled; "
            f"the oldest is transformers=={'.'.join(map(str, versions.OLDEST))}"
        )
    notes: list[str] = []
    storage, as_stored = settle_storage(model, deployment.weights, notes)
    storage = storage.for_model(model)
    if version >= versions.MODULES_PACKED and not as_stored:
        storage = packed_by_transformers(storage, model)
        notes += [words] if (words := left_in_16_bit(storage, model)) else []
    compute = compute_dtype(model, storage)
    if model.quantization and model.quantization.get("quant_method") == "gguf" and as_stored:
        notes.append(_dequantized(model, compute))
    attention = _attention(question, compute, notes)
    _check_cache_dtype(deployment.kv_cache_dtype, compute)
    bounded = versions.bounds_windows(model.family, version)
    if deployment.cache_implementation == "static":
        bounded = True
    if model.generates and question.concurrency is not None:
        notes.append("prompts of equal length are assumed; padding would add a mask")
    return Setup(
        question=question,
        model=model,
        storage=storage,
        as_stored=as_stored,
        compute=compute,
        attention=attention,
        kept=visible_tokens if bounded else every_token,
        streams=partial(_streams, version, model.family),
        notes=tuple(notes),
    )


def _dequantized(model: Model, compute: str) -> str:
    """What Transformers does with a GGUF file (modeling_gguf_pytorch_utils.py)."""
    size = format_bytes(model.parameters * ELEMENT[compute])
    return (
        "the weights are counted as the file stores them, which is how llama.cpp keeps them; "
        f"Transformers would dequantize them on loading, to {size} in {compute}"
    )


def _attention(question: Question, compute: str, notes: list[str]) -> str:
    model, version = question.model, question.engine.version
    wanted = question.deployment.attn_implementation
    can_sdpa = versions.supports_sdpa(model.family, version)
    if wanted == "auto":
        if not can_sdpa:
            notes.append(
                f"{model.family} has no sdpa in {question.engine}, so eager attention is taken, "
                "which writes out every score; --attn-implementation flash_attention_2 does not"
            )
        return "sdpa" if can_sdpa else "eager"
    if wanted == "sdpa" and not can_sdpa:
        raise RequestError(
            f"{model.family} has no sdpa attention in {question.engine}; "
            "use --attn-implementation eager or flash_attention_2"
        )
    if wanted == "flash_attention_2" and compute == "fp32":
        raise RequestError(
            "flash_attention_2 needs 16-bit activations, and these weights are run in fp32; "
            "add --weights bf16 or use --attn-implementation sdpa"
        )
    return wanted


def _check_cache_dtype(wanted: str, compute: str) -> None:
    if wanted not in CACHE_DTYPES:
        raise RequestError(
            f"kv_cache_dtype {wanted[:40]!r} is not one of {', '.join(CACHE_DTYPES)}"
        )
    if wanted not in {"auto", compute}:
        raise RequestError(
            f"Transformers keeps its cache in the activations' type, {compute}, and cannot keep "
            f"it in {wanted}; leave --kv-cache-dtype auto"
        )


def _streams(version: versions.Version, family: str, layer: Layer) -> tuple[CacheStream, ...]:
    mixer = layer.mixer
    if isinstance(mixer, LatentAttention) and not versions.caches_latent(version):
        return mixer.expanded_cache
    if isinstance(mixer, FullAttention) and versions.caches_every_head(family, mixer.kv_heads):
        return mixer.expanded_cache
    return own_streams(layer)
