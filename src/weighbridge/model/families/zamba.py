"""Zamba (arXiv:2405.16712) and Zamba2 (arXiv:2411.15242): a Mamba backbone in which one or two
transformer blocks, stored once, attend again and again over the concatenation of the hidden
states with the embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Mixer, Model, Parameter
from weighbridge.model.families.hybrid import Size, every_nth, frame, listed_kinds
from weighbridge.model.families.mamba import convolution, mamba2, time_step_rank
from weighbridge.model.families.parts import (
    Parameters,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.feed_forward import Dense, NoFeedForward
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.mamba import Mamba
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.records import replace

# Each use of a shared block has its own; the first use carries them all.
ADAPTERS = "_adapter_list."


class SharedBlock:
    """The attention of the shared block: twice the hidden width in, the hidden width out."""

    def __init__(self, config: Config, size: Size) -> None:
        self.hidden = size.hidden
        self.inside = 2 * size.hidden
        self.heads = config.integer("query heads", "num_attention_heads", high=COUNT)
        self.kv_heads = config.integer(
            "KV heads", "num_key_value_heads", default=self.heads, high=COUNT
        )
        if self.inside % self.heads or self.heads % self.kv_heads:
            raise config.refuse("num_attention_heads", f"does not divide {self.inside}")
        self.head_dim = config.integer(
            "head dim", "attention_head_dim", default=self.inside // self.heads
        )

    def attention(self, prefix: str, extra: Parameters = ()) -> FullAttention:
        """Its projections; the memory belongs to each layer that uses it."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        parameters = (
            *linear(f"{prefix}q_proj", queries, self.inside),
            *linear(f"{prefix}k_proj", keys, self.inside),
            *linear(f"{prefix}v_proj", keys, self.inside),
            *linear(f"{prefix}o_proj", self.hidden, queries),
            *extra,
        )
        return FullAttention(parameters, self.heads, self.kv_heads, self.head_dim, self.head_dim)

    def norms(self, prefix: str) -> Parameters:
        """Before attention over the concatenation, and before the feed-forward."""
        return (
            *norm(f"{prefix}input_layernorm", self.inside),
            *norm(f"{prefix}pre_ff_layernorm", self.hidden),
        )


def read_zamba(config: Config) -> Model:
    """ZambaForCausalLM: one shared block, stored with the first layer that uses it."""
    size = Size(config)
    kinds = listed_kinds(
        config, ("recurrent", "hybrid"), "layers_block_type", "layer_types", layers=size.layers
    ) or _zamba_kinds(config, size.layers)
    block, name = SharedBlock(config, size), "shared_transf."
    feed = gated_mlp(size.hidden, intermediate_size(config), prefix=f"{name}feed_forward.")
    attends = block.attention(f"{name}self_attn.")
    layers = _stack(
        kinds,
        _many_headed_mamba(config, size.hidden),
        [(attends, feed, block.norms(name))],
        size.hidden,
    )
    return frame(config, size, layers, tied=True, norm_name="final_layernorm")


def _zamba_kinds(config: Config, layers: int) -> tuple[str, ...]:
    period = config.integer("attention period", "attn_layer_period", default=6)
    offset = config.integer("attention offset", "attn_layer_offset", default=4, low=0)
    first = ("recurrent", "recurrent", "hybrid")
    return (*first, *every_nth(layers - 3, period, offset, "hybrid", "recurrent"))[:layers]


def read_zamba2(config: Config) -> Model:
    """Zamba2ForCausalLM: ``num_mem_blocks`` shared blocks in turn, each use with an adapter."""
    size = Size(config)
    kinds = listed_kinds(
        config, ("recurrent", "hybrid"), "layers_block_type", "layer_types", layers=size.layers
    )
    if kinds is None:
        raise config.refuse("layers_block_type", "is missing, so the hybrid layers are not known")
    heads = config.integer("mamba heads", "n_mamba_heads", default=8, high=COUNT)
    inner = size.hidden * config.integer("expansion", "mamba_expand", default=2)
    if inner % heads:
        raise config.refuse("n_mamba_heads", f"does not divide the {inner} inner channels")
    mixer = mamba2(
        size.hidden,
        heads=heads,
        head_dim=inner // heads,
        groups=config.integer("groups", "mamba_ngroups", default=1, high=COUNT),
        state_size=config.integer("state size", "mamba_d_state", default=64),
        kernel=config.integer("convolution", "mamba_d_conv", default=4, high=COUNT),
        prefix="mamba.",
        bias=config.boolean("bias", "add_bias_linear", default=False),
    )
    layers = _stack(kinds, mixer, _blocks(config, size, kinds.count("hybrid")), size.hidden)
    rotary = config.boolean("rotary positions", "use_mem_rope", default=False)
    width = SharedBlock(config, size).head_dim if rotary else 0
    return frame(config, size, layers, tied=True, norm_name="final_layernorm", rotary_width=width)


def _blocks(config: Config, size: Size, uses: int) -> list[tuple[FullAttention, Dense, Parameters]]:
    """Each shared block with the adapters of every use that is its turn."""
    count = config.integer("shared blocks", "num_mem_blocks", default=1, high=max(uses, 1))
    rank = config.integer("adapter rank", "adapter_rank", default=128)
    width = config.integer("feed-forward width", "intermediate_size", default=4 * size.hidden)
    bias = config.boolean("bias", "add_bias_linear", default=False)
    adapted = config.boolean("attention adapters", "use_shared_attention_adapter", default=False)
    block, name = SharedBlock(config, size), "shared_transformer."
    blocks = []
    for turn in range(count):
        attention_adapters: list[Parameter] = []
        adapters: list[Parameter] = []
        for use in range(turn, uses, count):
            for each in ("q", "k", "v") if adapted else ():
                place = f"{name}self_attn.linear_{each}_adapter_list.{use}"
                attention_adapters += _adapter(place, block.inside, block.inside, rank)
            place = f"{name}feed_forward.gate_up_proj_adapter_list.{use}"
            adapters += _adapter(place, size.hidden, 2 * width, rank)
        feed = Dense(
            (
                *linear(f"{name}feed_forward.gate_up_proj", 2 * width, size.hidden, bias=bias),
                *linear(f"{name}feed_forward.down_proj", size.hidden, width, bias=bias),
                *adapters,
            ),
            width,
            gated=True,
        )
        attends = block.attention(f"{name}self_attn.", tuple(attention_adapters))
        blocks.append((attends, feed, block.norms(name)))
    return blocks


def _adapter(name: str, into: int, out: int, rank: int) -> Parameters:
    return (*linear(f"{name}.0", rank, into), *linear(f"{name}.1", out, rank))


def _stack(
    kinds: Sequence[str],
    mixer: Mixer,
    blocks: Sequence[tuple[FullAttention, Dense, Parameters]],
    hidden: int,
) -> tuple[Layer, ...]:
    """Layers in which only the first use of a shared block carries its parameters."""
    plain = Layer(mixer, NoFeedForward(), norm("input_layernorm", hidden))
    inside = replaced(mixer, lambda name: f"mamba_decoder.{name}")
    own = (*linear("linear", hidden, hidden), *norm("mamba_decoder.input_layernorm", hidden))
    again = [
        Layer(
            Parallel((replace(attends, parameters=()), inside)),
            replace(feed, parameters=()),
            own,
            tuple(p for p in (*attends.parameters, *feed.parameters) if ADAPTERS not in p.name),
        )
        for attends, feed, _ in blocks
    ]
    layers, uses = [], 0
    for kind in kinds:
        if kind == "recurrent":
            layers.append(plain)
            continue
        if uses < len(blocks):
            attends, feed, norms = blocks[uses]
            layers.append(Layer(Parallel((attends, inside)), feed, (*norms, *own)))
        else:
            layers.append(again[uses % len(blocks)])
        uses += 1
    return tuple(layers)


def replaced(mixer: Mixer, name: Callable[[str], str]) -> Mixer:
    """The mixer with its tensors under other names."""
    parameters = tuple(replace(each, name=name(each.name)) for each in mixer.parameters)
    renamed: Mixer = replace(mixer, parameters=parameters)
    return renamed


def _many_headed_mamba(config: Config, hidden: int) -> Mamba:
    """Zamba's Mamba splits its projections of dt, B and C over ``n_mamba_heads``."""
    inner = hidden * config.integer("expansion", "mamba_expand", default=2)
    heads = config.integer("mamba heads", "n_mamba_heads", default=2, high=COUNT)
    state = config.integer("state size", "mamba_d_state", default=16)
    kernel = config.integer("convolution", "mamba_d_conv", default=4, high=COUNT)
    rank = time_step_rank(config, hidden, "mamba_dt_rank")
    bias = config.boolean("projection bias", "mamba_proj_bias", default=False)
    conv_bias = config.boolean("convolution bias", "mamba_conv_bias", default=True)
    if inner % heads:
        raise config.refuse("n_mamba_heads", f"does not divide the {inner} inner channels")
    each = inner // heads
    parameters = (
        Parameter("mamba.x_proj_weight", (heads, rank + 2 * state, each), "linear"),
        Parameter("mamba.dt_proj_weight", (heads, each, rank), "linear"),
        Parameter("mamba.dt_proj_bias", (heads, each), "bias"),
        Parameter("mamba.A_log", (heads, each, state), "other"),
        Parameter("mamba.D", (heads, each), "other"),
        *convolution("mamba.conv1d", inner, kernel, bias=conv_bias),
        *linear("mamba.in_proj", 2 * inner, hidden, bias=bias),
        *linear("mamba.out_proj", hidden, inner, bias=bias),
    )
    return Mamba(parameters, inner, state, kernel)
