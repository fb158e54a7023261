"""A model_type that no family reads: assumed to be a decoder of Llama's shape, or refused.

It is assumed where config.json states the usual numbers and nothing that speaks of another
structure (experts, states, linear attention, latent ranks, cross attention, towers). Every term
is then marked ``assumed`` and bounded widely; the bytes of weights stay exact where the files'
headers were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from weighbridge.errors import ConfigError, UnknownArchitecture
from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import architecture_of, decoder
from weighbridge.model.families.parts import Shape, grouped_query_attention, linear
from weighbridge.model.feed_forward import Dense
from weighbridge.model.tensors import TensorTable
from weighbridge.records import replace

FIELDS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
)  # fmt: skip
OPTIONAL = ("num_key_value_heads", "head_dim")
# A key with one of these words, or starting so, speaks of a structure that Llama has not.
_WORDS = re.compile(
    r"(?:^|[^a-z0-9])(?:experts?|moe|router|routed|states?|ssm|mamba|recurrent|rnn|lstm|rwkv|retention"
    r"|conv|conv1d|linear|delta|kda|gla|hyena|latent|lora|rank|cross|encoder|decoder|hybrid|mla"
    r"|vision|audio|image|speech|diffusion|indexer|index|mtp|nextn|topk|altup|laurel|memory"
    r"|compress|compression|shared|pattern|sparse|lru|gru|fourier|wkv)(?:$|[^a-z0-9])"
)
_HARMLESS = frozenset({
    "output_hidden_states", "is_decoder", "linear_bias", "bos_token_index", "pad_token_index",
    "eos_token_index", "unk_token_index",
})  # fmt: skip
_UNREAD = ("quantization_config", "rope_scaling", "rope_parameters", "task_specific_params",
           "id2label", "label2id", "generation_config", "auto_map")  # fmt: skip
_KINDS = re.compile("layer|block|type|kind|mixer")
_DECODERS = ("ForCausalLM", "LMHeadModel", "Model")
_PLAIN_LAYERS = re.compile(r"(full|sliding|global|local|chunked|self)?_?attention|attn|dense|mlp")
_LAYER = re.compile(r"^((?:.*?\.)?(?:layers|layer|blocks|block|h)\.)(\d{1,5})\.")
DIFFERENT = 0.001


class _Guess(NamedTuple):
    """One shape that would agree with the fields."""

    model: Model
    name: str


def read_unknown(config: Config, stored: TensorTable | None = None) -> Model:
    """The facts of a decoder of Llama's shape with this config's numbers, marked ``assumed``.

    Raises UnknownArchitecture, with the reason and the way out, where the config speaks of
    another structure or does not state the numbers.
    """
    kind = str(config.raw.get("model_type"))[:60]
    why = _why_not(config)
    if why is not None:
        raise UnknownArchitecture(
            f"{config.where}: no family reads model_type {kind!r}, and it is not guessed because "
            f"{why}; run its own code with `weigh trace`, give a bare size such as 7B, or add "
            "a family"
        ) from None
    guesses = _guesses(config)
    middle = guesses[0]
    notes = [_warning(config, kind)]
    if stored is not None and "quantization_config" not in config.raw:
        middle = min(guesses, key=lambda each: abs(each.model.parameters - stored.elements))
        notes.append(_mismatch(middle, stored.elements))
        counts = [stored.elements]
        model = _with_rest(middle.model, stored.elements)
    else:
        counts = [each.model.parameters for each in guesses]
        model = middle.model
    return replace(
        model,
        family="assumed",
        architecture=model.architecture or f"{kind} (unknown)",
        basis="assumed",
        rounding=max(abs(count - model.parameters) for count in counts),
        quantization=_quantization(config),
        layer_prefix=_prefix(stored) or model.layer_prefix,
        answers=dict(config.answers),
        notes=tuple(notes),
    )


def _with_rest(model: Model, elements: int) -> Model:
    """The shape with what the files hold beyond it, so that nothing of them is lost."""
    rest = elements - model.parameters
    if rest <= 0:
        return model
    more = Parameter("everything else (from the headers)", (1, rest), "linear")
    return replace(model, outer=(*model.outer, more))


def _why_not(config: Config) -> str | None:
    """Why this is not read as Llama's shape; None where it is."""
    missing = [key for key in FIELDS if config.raw.get(key) is None]
    if missing:
        return f"it states no {missing[0]}"
    odd = next(_foreign(config.raw), None)
    if odd is not None:
        return f"{odd} speaks of another structure"
    architecture = architecture_of(config)
    if architecture and not architecture.endswith(_DECODERS):
        return f"its architecture {architecture} is no decoder"
    return None


def _guesses(config: Config) -> list[_Guess]:
    """Llama's shape first, then what else the same fields may mean.

    A plain feed-forward, one of half the width (Qwen's first models halve the key), a tied head,
    biases.
    """
    shape = Shape(config)
    width = config.integer("feed-forward width", "intermediate_size")
    if shape.hidden * width * shape.layers > 10**15:
        raise ConfigError(f"{config.where}: hidden_size × intermediate_size is more than can be")
    tied = config.raw.get("tie_word_embeddings")
    found = []
    for name, plain, wide in (
        ("gated", False, width),
        ("plain", True, width),
        ("gated of half the width", False, max(width // 2, 1)),
    ):
        for tie in (bool(tied),) if isinstance(tied, bool) else (False, True):
            for bias in (False, True):
                section = Config({**config.raw, "tie_word_embeddings": tie}, config.where,
                                 config.answers)  # fmt: skip
                model = decoder(
                    section,
                    shape,
                    mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
                    feed_forward=_feed_forward(shape.hidden, wide, plain=plain, bias=bias),
                )
                words = [name, "tied head" if tie else "head of its own", *["biases"] * bias]
                found.append(_Guess(model, ", ".join(words)))
    return found


def _feed_forward(hidden: int, width: int, *, plain: bool, bias: bool) -> Dense:
    names = ("up_proj",) if plain else ("gate_proj", "up_proj")
    into = [p for name in names for p in linear(f"mlp.{name}", width, hidden, bias=bias)]
    out = linear("mlp.down_proj", hidden, width, bias=bias)
    parameters: tuple[Parameter, ...] = (*into, *out)
    return Dense(parameters, width, gated=not plain)


def _foreign(section: Mapping[str, Any], at: str = "", depth: int = 0) -> Iterator[str]:
    """The keys that speak of a structure which Llama's shape has not."""
    for key, value in section.items():
        if key in _UNREAD or key in _HARMLESS or not value:
            continue
        if _WORDS.search(key.lower().replace("_", "-")) or _names_other_layers(key, value):
            yield f"{at}{key}"[:100]
        elif isinstance(value, Mapping):
            if key.endswith("_config") or "hidden_size" in value or depth > 3:
                yield f"the section {at}{key}"[:100]
            yield from _foreign(value, f"{at}{key}.", depth + 1)


def _names_other_layers(key: str, value: Any) -> bool:
    """Whether this is a list of layers, such as ``layer_types``, with others than attention."""
    return bool(
        isinstance(value, list)
        and _KINDS.search(key.lower())
        and any(isinstance(kind, str) for kind in value)
        and not all(isinstance(kind, str) and _PLAIN_LAYERS.fullmatch(kind) for kind in value)
    )


def _warning(config: Config, kind: str) -> str:
    read = [f"{key} = {config.raw[key]}"[:60] for key in (*FIELDS, *OPTIONAL)
            if config.raw.get(key) is not None]  # fmt: skip
    return (
        f"no family reads model_type {kind!r}: a decoder of Llama's shape is assumed from "
        f"{', '.join(read)}; every bound is wide, and --why marks what is assumed"
    )


def _mismatch(guess: _Guess, elements: int) -> str:
    count = guess.model.parameters
    said = (
        f"the files hold {elements:,} parameters and the assumed shape ({guess.name}) has {count:,}"
    )
    share = abs(elements - count) / max(elements, 1)
    if share <= DIFFERENT:
        return f"{said}, which agrees"
    way = "more" if count > elements else "less"
    return f"{said}, {share:.1%} {way}; the weights are the files' own bytes"


def _quantization(config: Config) -> Mapping[str, Any] | None:
    section = config.section("quantization_config")
    return None if section is None else section.raw


def _prefix(stored: TensorTable | None) -> str | None:
    """What stands before the layer's number in the names of most tensors."""
    counted: dict[str, int] = {}
    for name in stored.names() if stored is not None else ():
        match = _LAYER.match(name)
        if match:
            counted[match[1]] = counted.get(match[1], 0) + 1
    return max(counted, key=lambda prefix: counted[prefix], default=None)
