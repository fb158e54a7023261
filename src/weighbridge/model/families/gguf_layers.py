"""The tensors of a GGUF file → parameters with their roles, block by block.

Names are those of llama.cpp (src/llama-arch.cpp, ``LLM_TENSOR_NAMES``): ``blk.3.attn_q.weight``,
``token_embd.weight``, ``output.weight``. A parameter is what the file holds, so that the totals
are the header's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from weighbridge.model.config import MISSING, Config
from weighbridge.model.facts import FeedForward, Parameter, Role
from weighbridge.model.feed_forward import Dense, MixtureOfExperts, NoFeedForward
from weighbridge.model.tensors import Tensor

PREFIX = "blk."
_BLOCK = re.compile(r"blk\.(\d{1,5})\.(.+)", re.ASCII | re.DOTALL)
# The first that matches decides; single experts (``ffn_up.3.weight``) are in files of 2023.
_ROLES: tuple[tuple[re.Pattern[str], Role], ...] = (
    (re.compile(r"norm"), "norm"),
    (re.compile(r"\.bias$"), "bias"),
    (re.compile(r"^(?:per_layer_)?token_embd\.|^position_embd\.|^token_types\."), "embedding"),
    (re.compile(r"^output\.weight$"), "head"),
    (re.compile(r"ffn_gate_inp"), "router"),
    (re.compile(r"_(?:ch)?exps\.|^ffn_(?:gate|up|down)\.\d+\.weight$", re.ASCII), "expert"),
)
# Tables that follow from the config, and what training sets by rule: no parameters.
BUFFERS = ("rope_freqs.", "rope_factors_long.", "rope_factors_short.", "exp_probs_b.")
_INNER_NORMS = (
    *("attn_q_norm", "attn_k_norm", "attn_q_a_norm", "attn_kv_a_norm", "attn_sub_norm"),
    *("ssm_norm", "ssm_dt_norm", "ssm_b_norm", "ssm_c_norm"),
)
_FEED_FORWARD = ("ffn_", "channel_mix_")

Signature = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(slots=True)
class Block:
    """The parameters of one block: those that mix tokens, the feed-forward's, and the norms."""

    mixer: list[Parameter] = field(default_factory=list)
    feed_forward: list[Parameter] = field(default_factory=list)
    norms: list[Parameter] = field(default_factory=list)

    def add(self, tensor: Tensor, name: str) -> None:
        """Put a tensor, under its name within the block, where it belongs."""
        if name.startswith(BUFFERS):
            return
        parameter = Parameter(name, tensor.shape, role_of(name, tensor.shape))
        if "norm" in name and not name.startswith(_INNER_NORMS):
            self.norms.append(parameter)
        elif name.startswith(_FEED_FORWARD):
            self.feed_forward.append(parameter)
        else:
            self.mixer.append(parameter)

    @property
    def signature(self) -> Signature:
        """What makes two blocks equal: the same names with the same shapes."""
        every = (*self.mixer, *self.feed_forward, *self.norms)
        return tuple((parameter.name, parameter.shape) for parameter in every)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a parameter of the block, (1,) for a scalar, None where there is none."""
        for parameter in (*self.mixer, *self.feed_forward):
            if parameter.name == name:
                return parameter.shape or (1,)
        return None


def role_of(name: str, shape: tuple[int, ...]) -> Role:
    """Which storage formats may touch a tensor, from its name in llama.cpp."""
    for says, role in _ROLES:
        if says.search(name):
            return role
    return "linear" if len(shape) >= 2 and name.endswith(".weight") else "other"


def sort_tensors(tensors: Iterable[Tensor], count: int) -> tuple[list[Block], list[Parameter]]:
    """The ``count`` blocks, and the parameters outside of them.

    Blocks beyond ``count`` (heads that predict several tokens) count as outside.
    """
    blocks = [Block() for _ in range(count)]
    outside: list[Parameter] = []
    for tensor in tensors:
        match = _BLOCK.fullmatch(tensor.name)
        if match is not None and int(match[1]) < count:
            blocks[int(match[1])].add(tensor, match[2])
        elif not tensor.name.startswith(BUFFERS) and not (match and match[2].startswith(BUFFERS)):
            name = match[2] if match else tensor.name
            role = role_of(name, tensor.shape)
            outside.append(Parameter(tensor.name, tensor.shape, role))
    return blocks, outside


def feed_forward(config: Config, block: Block, index: int) -> FeedForward:
    """The feed-forward of a block: routed experts where its tensors have them."""
    parameters = tuple(block.feed_forward)
    if not parameters:
        return NoFeedForward()
    if not any(parameter.role == "expert" for parameter in parameters):
        up = block.shape("ffn_up.weight") or block.shape("channel_mix_key.weight") or (0,)
        down = block.shape("ffn_down.weight") or (0,)
        # Phi-3, GLM-4 and PLaMo 2 keep the gate inside ffn_up.
        gated = block.shape("ffn_gate.weight") is not None or up[0] == 2 * down[-1]
        return Dense(parameters, down[-1] or up[0], gated=gated)
    experts = config.integer("experts", "expert_count", high=2**12)
    used = of_layer(config, "experts per token", "expert_used_count", index)
    if not 1 <= used <= experts:
        raise config.refuse("expert_used_count", f"cannot be, of {experts} experts")
    down = block.shape("ffn_down_exps.weight") or block.shape("ffn_down.0.weight") or (0,)
    if len(down) == 3 and down[0] != experts:
        raise config.refuse(
            "expert_count", f"differs from the {down[0]} experts of blk.{index}.ffn_down_exps"
        )
    shared = block.shape("ffn_up_shexp.weight") or (0,)
    return MixtureOfExperts(
        parameters,
        experts=experts,
        top_k=used,
        intermediate=down[-1],
        shared_intermediate=shared[0],
    )


def of_layer(config: Config, fact: str, key: str, index: int, default: Any = MISSING) -> int:
    """A whole number that is stated once for all layers, or as a list of one for each."""
    if not isinstance(config.raw.get(key), list):
        return config.integer(fact, key, default=default, low=0)
    values = config.integers(fact, key) or ()
    if index >= len(values):
        raise config.refuse(key, f"has {len(values)} entries, none for layer {index}")
    return values[index]
