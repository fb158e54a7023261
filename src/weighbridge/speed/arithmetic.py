"""Operations of a pass: what is multiplied by weights, and what tokens cost one another.

A multiply-add is two operations. For a decode step of a dense model this is PaLM's 2N + 4·L·H·Q·T
(arXiv:2204.02311, appendix B), with N without the embedding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.speed.mixing import Pass, mixing_operations

# Tables that are added or scaled by, not multiplied with vectors.
TABLES = (
    "A_log",
    ".D",
    "position_bias",
    "_ape",
    "correction_bias",
    "relative_attention_bias.weight",
    "r_k",
    *(f".x_{letter}" for letter in "rwkvag"),
)
NOT_MATRICES = frozenset({"embedding", "norm", "bias", "head"})
# What cross-attention applies to the tokens that it sees, once, and not to its own.
CROSSING = (
    *(f"{name}.{end}_proj.weight" for name in ("encoder_attn", "cross_attn") for end in "kv"),
    *(f"EncDecAttention.{end}.weight" for end in "kv"),
)


def matrix_elements(
    parameters: Iterable[Parameter], *, experts_share: tuple[int, int] = (1, 1)
) -> int:
    """Elements of the weights that each token is multiplied by.

    Vectors and tables are left out; ``experts_share`` is the part of the routed experts that a
    token visits.
    """
    top_k, experts = experts_share
    total = 0
    for each in parameters:
        if each.role in NOT_MATRICES or len(each.shape) < 2 or each.name.endswith(TABLES):
            continue
        elements = each.elements
        total += elements * top_k // experts if each.role == "expert" else elements
    return total


def layer_elements(layer: Layer) -> int:
    """Elements of a layer's matrices that one token passes through."""
    feed = layer.feed_forward
    share = (feed.top_k, feed.experts) if isinstance(feed, MixtureOfExperts) else (1, 1)
    return matrix_elements((*layer.parameters, *layer.again), experts_share=share)


def crossing_elements(layer: Layer) -> int:
    """Elements that make keys and values of an encoder's or an image's tokens."""
    return sum(p.elements for p in layer.mixer.parameters if p.name.endswith(CROSSING))


def linear_operations(layer: Layer, tokens: Any, seen: Any = 0) -> Any:
    """2 × the active matrix elements × tokens; experts count by how many a token visits.

    A convolution's taps are among them, each worth one multiply-add per token. ``seen`` are the
    tokens of an encoder or image of which keys and values are made in this pass.
    """
    crossing = crossing_elements(layer)
    return 2 * (layer_elements(layer) - crossing) * tokens + 2 * crossing * seen


def head_elements(model: Model) -> int:
    """Elements of the output head: its own, or those of the embedding that it is tied to."""
    own = sum(p.elements for p in model.outer if p.role == "head" and len(p.shape) > 1)
    if own or not model.tied:
        return own
    tables = (
        p.elements for p in model.outer if p.role == "embedding" and p.shape[0] == model.vocab
    )
    return next(tables, 0)


def pass_operations(
    model: Model,
    new: Any,
    positions: Any,
    *,
    decoding: bool = False,
    logits: Any = 1,
    expanded: bool = False,
    encoder_tokens: Any = 0,
    image_tokens: Any = 0,
) -> Any:
    """Operations of one sequence's ``new`` tokens, the last of ``positions``.

    The head works on ``logits`` of them: one is all that generating needs. ``expanded`` says that
    the engine keeps latents expanded, and so cannot absorb them in decode. A pooler works on one
    token, and towers are not in it.
    """
    seen = Pass(new, positions, decoding and not expanded, encoder_tokens, image_tokens)
    pooler = matrix_elements(p for p in model.outer if "pooler" in p.name)
    total = 2 * head_elements(model) * logits + 2 * pooler
    total = total + 2 * (matrix_elements(model.outer) - pooler) * new
    made = 0 if decoding else encoder_tokens + image_tokens
    for layer, count in model.layer_groups():
        each = linear_operations(layer, new, made) + mixing_operations(layer.mixer, seen)
        total = total + count * each
    return total


def encoder_operations(model: Model, tokens: Any) -> Any:
    """Operations of an encoder over ``tokens``, its attention aside, which no fact states."""
    return 2 * sum(matrix_elements(tower.parameters) for tower in model.towers) * tokens
