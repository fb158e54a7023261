"""Rows of the format table for llama.cpp: a type for one tensor, a mixture for a whole model.

A name such as ``q4_0`` means both: what one tensor takes in that type, and, once it is bound to a
model with :meth:`GgmlFormat.for_model`, the file that ``llama-quantize`` makes under that name.
The block sizes are those of :mod:`weighbridge.model.ggml`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import prod

from weighbridge.formats import layouts
from weighbridge.formats.format import MATRICES, StorageFormat
from weighbridge.formats.mixtures import (
    BASE,
    NEEDS_IMATRIX,
    Category,
    Made,
    Place,
    type_of,
)
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.ggml import GGML
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.sliding import SlidingAttention
from weighbridge.records import record, replace

# Names in checkpoints for Transformers and in GGUF files; the first that matches decides
# (tensor_get_category in src/llama-quant.cpp, and the names that the converters map to them).
# Patterns are compiled at their first use, because every start imports this table.
_NAMES: tuple[tuple[Category, str], ...] = (
    ("other", r"attn_(?:q_[ab]|kv_a|[kv]_b)|[qk]v?_[ab]_proj"),
    ("down", r"ffn_down|down_proj|\.w2\b|fc2|mlp\.c_proj|intermediate\.output"),
    ("gate", r"ffn_gate|\.gate_proj|\.w1\b"),
    ("up", r"ffn_up|up_proj|\.w3\b|fc1|c_fc"),
    ("v", r"qkv|c_attn|Wqkv|query_key_value|attn_v\.|attn_kv_b|v_proj|\.value\."),
    ("k", r"attn_k\.|k_proj|\.key\."),
    ("q", r"attn_q\.|q_proj|\.query\."),
    ("o", r"attn_output\.|o_proj|out_proj|attn\.c_proj|attn\.dense|attention\.output"),
)
_LEFT_ALONE = (
    r"conv1d|shortconv\.conv\b|altup|laurel|per_layer_model_proj|position|wpe|token_type|"
    r"indexer\.[qk]_proj|time_mix_(?:first|w[012]|v[012]|a[012]|g[12]|decay_w|lerp)|attn_rel_b|"
    r"patch_embd|patch_embed|patch_merger|rel_pos"
)
_LAYER = r"\.(\d+)\."
_SEVENTY = frozenset({"llama", "qwen2", "deci", "olmo"})


@record
class GgmlFormat(StorageFormat):
    """A ggml type, or the mixture ``file`` of types once ``made`` says what model it is for."""

    file: str | None = None
    made: Made | None = None

    def stores(self, parameter: Parameter) -> bool:
        """Matrices, but for those that llama-quantize leaves alone."""
        return StorageFormat.stores(self, parameter) and not re.search(_LEFT_ALONE, parameter.name)

    def bytes_of(self, parameter: Parameter) -> int:
        """Exact bytes in the type of the parameter's place; the mean over layers where its name
        does not say which layer it is in."""
        if self.made is None or self.file is None or not self.stores(parameter):
            return StorageFormat.bytes_of(self, parameter)
        found = re.search(_LAYER, parameter.name)
        if found is not None or parameter.role in {"embedding", "head"}:
            return self._at(parameter, int(found[1]) if found else 0)
        layers = self.made.layers
        return sum(self._at(parameter, layer) for layer in range(layers)) // layers

    def _at(self, parameter: Parameter, layer: int) -> int:
        assert self.made is not None
        if self.made.latent is not None and "kv_b_proj" in parameter.name:
            return self._in_two_parts(parameter, layer, self.made.latent)
        rows = prod(parameter.shape[:-1]) * parameter.copies
        stacked = parameter.role == "expert" or len(parameter.shape) > 2
        return self._matrix(category_of(parameter), layer, rows, parameter.shape[-1], stacked)

    def _in_two_parts(self, parameter: Parameter, layer: int, latent: tuple[int, int]) -> int:
        """DeepSeek's kv_b_proj as its converter stores it: attn_k_b transposed, and attn_v_b."""
        (key, value), rank = latent, parameter.shape[-1]
        heads = prod(parameter.shape[:-1]) // (key + value)
        keys = self._matrix("other", layer, heads * rank, key, stacked=True)
        return keys + self._matrix("other", layer, heads * value, rank, stacked=True)

    def _matrix(
        self, category: Category, layer: int, rows: int, columns: int, stacked: bool
    ) -> int:
        assert self.file is not None
        assert self.made is not None
        kind = GGML[type_of(self.file, Place(category, layer, columns, stacked, self.made))]
        return layouts.blocks(kind.block, kind.size)(rows, columns)

    def value_bytes(self, parameter: Parameter) -> int:
        """All of it: scales stand inside the blocks, not beside them."""
        return self.bytes_of(parameter)

    def for_model(self, model: Model) -> StorageFormat:
        """The mixture that llama-quantize makes of this model under this name."""
        if self.file is None:
            return self
        return replace(self, made=made_of(model, imatrix=self.file in NEEDS_IMATRIX))

    @property
    def by_layer(self) -> bool:
        """Whether it is bound to a model, whose layers then differ."""
        return self.made is not None


def category_of(parameter: Parameter) -> Category:
    """What llama-quantize takes a tensor for, from its role and its name."""
    if parameter.role == "head":
        return "output"
    if parameter.role == "embedding":
        return "embedding"
    return _category_named(parameter.name)


@lru_cache(maxsize=2**14)
def _category_named(name: str) -> Category:
    for category, names in _NAMES:
        if re.search(names, name):
            return category
    return "other"


def made_of(model: Model, *, imatrix: bool = False) -> Made:
    """What the rules ask about this model."""
    group = experts = 1
    latent = None
    for layer, _ in model.layer_groups():
        mixer, feed = layer.mixer, layer.feed_forward
        if isinstance(mixer, FullAttention | SlidingAttention):
            group = mixer.heads // mixer.kv_heads
        if isinstance(mixer, LatentAttention):
            latent = (mixer.nope, mixer.v_dim)
        if isinstance(feed, MixtureOfExperts):
            experts = feed.experts
    layers = len(model.layers)
    return Made(
        layers=layers,
        group=group,
        experts=experts,
        tied=model.tied,
        seventy=layers == 80 and group > 1 and model.family in _SEVENTY,
        falcon=model.family == "falcon",
        imatrix=imatrix,
        latent=latent,
    )


def _row(name: str, kind: str, file: str | None, *aliases: str) -> GgmlFormat:
    found = GGML[kind]
    each = f"blocks of {found.block} values in {found.size} bytes"
    mixed = file is not None and file != kind
    return GgmlFormat(
        name=name,
        title=f"llama.cpp {file}: {kind} mixed with wider types" if mixed else f"ggml {kind}",
        layout=layouts.blocks(found.block, found.size),
        touches=MATRICES,
        rest_bits=32,
        source=f"ggml-common.h: {each}"
        + ("; llama-quant.cpp llama_tensor_get_type" if file is not None else ""),
        aliases=aliases,
        value_bits=int(re.sub(r"\D+", " ", kind).split()[0]),
        file=file,
    )


# ``llama-quantize`` takes Q3_K, Q4_K and Q5_K for the medium mixtures (tools/quantize).
_ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
# These names are taken by formats of other programs.
_PREFIXED = frozenset({"MXFP4", "NVFP4"})

TYPES: tuple[GgmlFormat, ...] = tuple(
    _row(
        f"ggml-{kind.lower()}" if kind in _PREFIXED else kind.lower(),
        kind,
        _ALIASES.get(kind, kind if kind in BASE else None),
    )
    for kind, each in GGML.items()
    if each.packs
)
MIXTURES: tuple[GgmlFormat, ...] = tuple(
    _row(file.lower(), base, file)
    for file, base in BASE.items()
    if file not in GGML and GGML[base].packs
)
