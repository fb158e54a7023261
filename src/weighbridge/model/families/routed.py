"""A mixture of experts by its numbers, for families whose names or keys differ from Qwen's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import FeedForward, Parameter
from weighbridge.model.families.parts import Parameters, gated_mlp, linear
from weighbridge.model.feed_forward import MixtureOfExperts

GATED = ("gate_proj", "up_proj", "down_proj")


def routed(
    hidden: int,
    width: int,
    count: int,
    top_k: int,
    *,
    prefix: str = "mlp.",
    router: str = "gate",
    names: tuple[str, str, str] = GATED,
    shared: int = 0,
    shared_name: str = "shared_experts",
    extra: Parameters = (),
) -> MixtureOfExperts:
    """``count`` gated experts of ``width``, named (in, in, out), behind a router.

    ``shared`` is the width of all shared experts together, under ``shared_name``.
    """
    gate, up, down = (f"{prefix}experts.{{expert}}.{name}.weight" for name in names)
    together = gated_mlp(hidden, shared, prefix=f"{prefix}{shared_name}.").parameters
    return MixtureOfExperts(
        (
            *linear(f"{prefix}{router}", count, hidden, role="router"),
            Parameter(gate, (width, hidden), "expert", count),
            Parameter(up, (width, hidden), "expert", count),
            Parameter(down, (hidden, width), "expert", count),
            *(together if shared else ()),
            *extra,
        ),
        experts=count,
        top_k=top_k,
        intermediate=width,
        shared_intermediate=shared,
    )


def expert_numbers(config: Config, *more_keys: str) -> tuple[int, int]:
    """How many experts there are and how many a token visits, under their many names."""
    keys = ("num_experts", "num_local_experts", "n_routed_experts", *more_keys)
    count = config.integer("experts", *keys, high=COUNT)
    visited = ("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token", "top_k_experts")
    return count, config.integer("experts per token", *visited, high=count)


def shared_width(config: Config, width: int, default: int | None = None) -> int:
    """Width of the shared experts together: their number times the routed experts' ``width``."""
    keys = ("n_shared_experts", "num_shared_experts", "num_shared_expert")
    return (config.optional_integer("shared experts", *keys, default=default) or 0) * width


def by_mlp_types(
    config: Config, layers: int, dense: FeedForward, sparse: FeedForward, first: int
) -> Callable[[int], FeedForward]:
    """Dense or sparse by ``mlp_layer_types``, or by a list in ``moe_layer_freq`` with 1 for sparse;
    without them the ``first`` layers are dense."""
    kinds: Sequence[str] | None = config.names("feed-forward kinds", "mlp_layer_types")
    if kinds is None and isinstance(config.raw.get("moe_layer_freq"), list):
        numbers = config.integers("feed-forward kinds", "moe_layer_freq") or ()
        kinds = tuple("sparse" if each else "dense" for each in numbers)
    if kinds is None:
        kinds = ("dense",) * first + ("sparse",) * (layers - first)
    if len(kinds) < layers:
        raise config.refuse("mlp_layer_types", f"has {len(kinds)} entries for {layers} layers")
    return lambda index: dense if kinds[index] == "dense" else sparse
