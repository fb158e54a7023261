"""What a model is: parameters by tensor, layers, and what each layer remembers.

Facts are counts of elements, never bytes: a storage format turns parameters into bytes
(``formats``), a cache dtype turns remembered elements into bytes (``memory.cache``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from weighbridge.records import record

if TYPE_CHECKING:
    from weighbridge.model.tensors import TensorTable

Role = Literal["embedding", "head", "linear", "expert", "router", "norm", "bias", "other"]


@record
class Parameter:
    """A trainable tensor, or ``copies`` equal ones that a word in its name stands for: ``{expert}``
    in a layer, ``{layer}`` in a tower.

    ``shape`` is PyTorch's (a linear layer's is (out_features, in_features)); ``role`` says which
    storage formats may touch it.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    copies: int = 1

    @property
    def elements(self) -> int:
        """Elements of all copies together."""
        return prod(self.shape) * self.copies


class CacheStream(NamedTuple):
    """What a layer appends for each token: ``width`` elements, in one of every ``stride`` tokens.

    ``window`` is the number of most recent tokens the layer can still see; an engine decides how
    many it keeps. None means all. ``tokens_of`` says whose tokens they are: those of the sequence,
    or those of an encoder or image that the layer attends to.
    """

    width: int
    window: int | None = None
    stride: int = 1
    name: str = "kv"
    tokens_of: Literal["sequence", "encoder", "image"] = "sequence"


class StateTensor(NamedTuple):
    """What a layer keeps for each sequence whatever its length: ``elements``.

    ``precision`` is ``model`` (the activations' dtype) or ``fp32`` (kept wide, as recurrent
    states are).
    """

    name: str
    elements: int
    precision: Literal["model", "fp32"]


class Mixer(Protocol):
    """A way of mixing tokens: attention of some kind, or a recurrent layer."""

    @property
    def kind(self) -> str:
        """The name of the kind, as ``weigh --why`` prints it."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Trainable tensors of one layer, named relative to the layer."""

    @property
    def cache(self) -> tuple[CacheStream, ...]:
        """What one layer appends per token."""

    @property
    def state(self) -> tuple[StateTensor, ...]:
        """What one layer keeps per sequence."""

    @property
    def score_heads(self) -> int:
        """Heads whose query × key scores eager attention writes out; 0 where there are none."""

    @property
    def query_width(self) -> int:
        """Elements of one token's queries, all heads together."""

    @property
    def key_width(self) -> int:
        """Elements of one token's keys, all KV heads together."""


class FeedForward(Protocol):
    """The part of a layer that treats each token by itself."""

    @property
    def kind(self) -> str:
        """The name of the kind."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Trainable tensors of one layer, named relative to the layer."""

    @property
    def active_elements(self) -> int:
        """Parameters that one token passes through."""


class Layer(NamedTuple):
    """One block of the stack; ``again`` are parameters of an earlier layer that it applies too."""

    mixer: Mixer
    feed_forward: FeedForward
    norms: tuple[Parameter, ...] = ()
    again: tuple[Parameter, ...] = ()

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Trainable tensors of the layer."""
        return (*self.mixer.parameters, *self.feed_forward.parameters, *self.norms)

    @property
    def elements(self) -> int:
        """Parameters of the layer."""
        return sum(parameter.elements for parameter in self.parameters)


class Tower(NamedTuple):
    """A part beside the language model: a vision or audio encoder with its projector."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def elements(self) -> int:
        """Parameters of the tower."""
        return sum(parameter.elements for parameter in self.parameters)


@record
class Model:
    """A model's facts.

    ``outer`` are the parameters outside the layers (embeddings, final norm, head, pooler).
    ``tied`` says that the head is the embedding, which then stands once in ``outer``.
    ``stored`` is the tensor table of the checkpoint's own headers where one was read; ``basis``
    is the rung of the ladder that the parameters stand on: assumed, config or header; ``rounding``
    is half a unit of the last digit of a count that was taken from a name. An encoder stands among
    the ``towers``; ``encoder_tokens`` are the positions that it hands over whatever its input, None
    where they are those of the prompt.
    """

    id: str
    family: str
    architecture: str
    hidden: int
    vocab: int
    layers: tuple[Layer, ...]
    outer: tuple[Parameter, ...]
    tied: bool
    dtype: str
    layer_prefix: str = "model.layers."
    towers: tuple[Tower, ...] = ()
    generates: bool = True
    softcapped: bool = False
    max_positions: int | None = None
    rotary_width: int = 0
    encoder_tokens: int | None = None
    quantization: Mapping[str, Any] | None = None
    stored: TensorTable | None = None
    stored_files: tuple[str, ...] = ()
    basis: str = "config"
    rounding: int = 0
    answers: Mapping[str, str] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    source: str = ""

    def layer_groups(self) -> list[tuple[Layer, int]]:
        """Distinct layers with how often each stands in the stack, in order of first use."""
        counted: dict[int, tuple[Layer, int]] = {}
        for layer in self.layers:
            _, count = counted.get(id(layer), (layer, 0))
            counted[id(layer)] = (layer, count + 1)
        return list(counted.values())

    def every_parameter(self) -> Iterator[tuple[Parameter, int]]:
        """Each parameter with the number of layers that hold one of its shape and name."""
        for parameter in self.outer:
            yield parameter, 1
        for layer, count in self.layer_groups():
            for parameter in layer.parameters:
                yield parameter, count
        for tower in self.towers:
            for parameter in tower.parameters:
                yield parameter, 1

    def named_parameters(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every tensor by its full name in the checkpoint, with its shape."""
        for parameter in self.outer:
            yield parameter.name, parameter.shape
        for index, layer in enumerate(self.layers):
            for parameter in layer.parameters:
                for name in _names(parameter):
                    yield f"{self.layer_prefix}{index}.{name}", parameter.shape
        for tower in self.towers:
            for parameter in tower.parameters:
                for name in _names(parameter):
                    yield name, parameter.shape

    @property
    def parameters(self) -> int:
        """Trainable parameters; a tied head is counted once, buffers are not counted."""
        return sum(parameter.elements * count for parameter, count in self.every_parameter())

    @property
    def active_parameters(self) -> int:
        """Parameters that one token passes through: all but the experts it is not sent to."""
        idle = sum(
            (_elements(layer.feed_forward.parameters) - layer.feed_forward.active_elements) * count
            for layer, count in self.layer_groups()
        )
        return self.parameters - idle

    @property
    def encodes_prompt(self) -> bool:
        """Whether the prompt goes to an encoder, and only what is generated to these layers."""
        return self.encoder_tokens is None and any(
            stream.tokens_of == "encoder"
            for layer, _ in self.layer_groups()
            for stream in layer.mixer.cache
        )

    @property
    def towers_elements(self) -> int:
        """Parameters of the vision and audio towers."""
        return sum(tower.elements for tower in self.towers)


def _names(parameter: Parameter) -> Iterator[str]:
    for copy in range(parameter.copies):
        yield parameter.name.replace("{expert}", str(copy)).replace("{layer}", str(copy))


def _elements(parameters: tuple[Parameter, ...]) -> int:
    return sum(parameter.elements for parameter in parameters)
