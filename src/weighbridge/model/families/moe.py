"""Mixtures of experts whose layers alternate with dense ones, as Qwen and DeepSeek write them."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import FeedForward
from weighbridge.model.families.parts import Parameters, experts, gated_mlp, linear
from weighbridge.model.feed_forward import Dense, MixtureOfExperts


def mixture(
    config: Config, hidden: int, *, shared: int = 0, shared_name: str = "", extra: Parameters = ()
) -> MixtureOfExperts:
    """Routed experts under ``mlp.experts``, a router ``mlp.gate`` and an optional shared expert."""
    count = config.integer(
        "experts", "num_experts", "num_local_experts", "n_routed_experts", high=COUNT
    )
    width = config.integer("expert width", "moe_intermediate_size")
    shared_parameters = (
        gated_mlp(hidden, shared, prefix=f"{shared_name}.").parameters if shared else ()
    )
    return MixtureOfExperts(
        (
            *linear("mlp.gate", count, hidden, role="router"),
            *experts("mlp.experts.{expert}", hidden, width, count),
            *shared_parameters,
            *extra,
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", high=count),
        intermediate=width,
        shared_intermediate=shared,
    )


def sparse_by_step(
    config: Config, dense: Dense, sparse: MixtureOfExperts
) -> Callable[[int], FeedForward]:
    """Qwen's rule: sparse at every ``decoder_sparse_step``-th layer not in ``mlp_only_layers``."""
    step = config.integer("sparse step", "decoder_sparse_step", default=1)
    dense_only = frozenset(config.integers("dense layers", "mlp_only_layers") or ())

    def at(index: int) -> FeedForward:
        return sparse if index not in dense_only and (index + 1) % step == 0 else dense

    return at


def sparse_after(
    config: Config, dense: Dense, sparse: MixtureOfExperts
) -> Callable[[int], FeedForward]:
    """DeepSeek's rule: dense for the first ``first_k_dense_replace`` layers, then sparse at every
    ``moe_layer_freq``-th."""
    first = config.integer("first dense layers", "first_k_dense_replace", default=0, low=0)
    step = config.integer("sparse step", "moe_layer_freq", default=1)

    def at(index: int) -> FeedForward:
        return sparse if index >= first and index % step == 0 else dense

    return at
