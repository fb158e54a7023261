"""Blocks of a GGUF file that keep a state: which blocks they are, and what they keep.

The keys and rules are those of llama.cpp (src/models, ``load_arch_hparams``; src/llama-hparams.cpp,
``n_embd_r`` and ``n_embd_s``; ggml-org/llama.cpp at 0c1e57098). llama.cpp keeps both the last
``kernel - 1`` inputs of a convolution and the recurrence in F32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from weighbridge.errors import ConfigError
from weighbridge.model.config import COUNT, LAYERS, WIDTH, Config
from weighbridge.model.facts import Mixer, Parameter
from weighbridge.model.families.gguf_layers import Block, of_layer
from weighbridge.model.mixers.delta_net import GatedDeltaNet
from weighbridge.model.mixers.kimi_delta import KimiDeltaAttention
from weighbridge.model.mixers.lightning import LightningAttention
from weighbridge.model.mixers.mamba import Mamba
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.model.mixers.rwkv7 import TimeMixing
from weighbridge.model.mixers.short_convolution import ShortConvolution

Parameters = tuple[Parameter, ...]
CONVOLUTION = "ssm_conv1d.weight"
KV_HEADS, RECURRENT_LAYERS = "attention.head_count_kv", "attention.recurrent_layers"


def mamba(config: Config, block: Block, index: int, parameters: Parameters) -> Mixer:
    """Mamba, and the Mamba of PLaMo 2, whose convolution is over the channels alone."""
    inner, state, kernel = _space(config)
    _convolves(config, block, index, CONVOLUTION, (inner, kernel))
    return Mamba(parameters, inner, state, kernel)


def mamba2(config: Config, block: Block, index: int, parameters: Parameters) -> Mixer:
    """Mamba-2; ``time_step_rank`` is its number of heads."""
    inner, state, kernel = _space(config)
    heads = config.integer("state heads", "ssm.time_step_rank", high=COUNT)
    groups = config.integer("state groups", "ssm.group_count", high=COUNT)
    if inner % heads:
        raise config.refuse("ssm.time_step_rank", f"does not divide the {inner:,} inner channels")
    _convolves(config, block, index, CONVOLUTION, (inner + 2 * groups * state, kernel))
    return Mamba2(parameters, heads, inner // heads, groups, state, kernel)


def delta_net(config: Config, block: Block, index: int, parameters: Parameters) -> Mixer:
    """Gated DeltaNet, whose heads stand under the names of a state space."""
    inner, key_dim, kernel = _space(config)
    value_heads = config.integer("value heads", "ssm.time_step_rank", high=COUNT)
    key_heads = config.integer("key heads", "ssm.group_count", high=COUNT)
    if inner % value_heads or value_heads % key_heads:
        raise config.refuse("ssm.time_step_rank", f"cannot be, of {key_heads} key heads")
    channels = 2 * key_heads * key_dim + inner
    _convolves(config, block, index, CONVOLUTION, (channels, kernel))
    value_dim = inner // value_heads
    return GatedDeltaNet(parameters, key_heads, value_heads, key_dim, value_dim, kernel)


def kimi_delta(config: Config, block: Block, index: int, parameters: Parameters) -> Mixer:
    """Kimi delta attention, with a convolution for each of q, k and v."""
    heads = of_layer(config, "query heads", "attention.head_count", index)
    dim = config.integer("head dim of delta attention", "kda.head_dim")
    kernel = config.integer("convolution", "ssm.conv_kernel", high=COUNT)
    if heads < 1:
        raise config.refuse("attention.head_count", f"cannot be right for layer {index}")
    for name in ("q", "k", "v"):
        _convolves(config, block, index, f"ssm_conv1d_{name}.weight", (heads * dim, kernel))
    return KimiDeltaAttention(parameters, heads, dim, kernel)


def short_convolution(config: Config, block: Block, index: int, parameters: Parameters) -> Mixer:
    """The gated short convolution of LFM2."""
    hidden = config.integer("hidden size", "embedding_length")
    kernel = config.integer("convolution", "shortconv.l_cache", high=COUNT)
    _convolves(config, block, index, "shortconv.conv.weight", (hidden, kernel))
    return ShortConvolution(parameters, hidden, kernel)


def lightning(config: Config, block: Block, index: int, parameters: Parameters) -> Mixer:
    """Lightning attention of MiniMax-01."""
    heads = of_layer(config, "query heads", "attention.head_count", index)
    dim = config.integer("key length", "attention.key_length")
    if heads < 1 or (block.shape("attn_qkv.weight") or (0,))[0] != 3 * heads * dim:
        raise _contradicts(config, index, "attn_qkv.weight", f"three times {heads} heads of {dim}")
    return LightningAttention(parameters, heads, dim)


def time_mixing(config: Config, block: Block, index: int, parameters: Parameters) -> Mixer:
    """RWKV-6 and RWKV-7; Qwen2 with RWKV's mixer shifts tokens in one half of a layer only."""
    hidden = config.integer("hidden size", "embedding_length")
    size = config.integer("head size", "wkv.head_size")
    shifts = config.integer("token shifts", "token_shift_count", default=2, high=2)
    if hidden % size:
        raise config.refuse("wkv.head_size", f"does not divide the hidden size {hidden:,}")
    generation = 7 if block.shape("time_mix_w0.weight") else 6
    if generation == 6 and block.shape("time_mix_decay.weight") is None:
        raise _contradicts(config, index, "time_mix_decay.weight", "RWKV's decay")
    return TimeMixing(parameters, hidden // size, size, generation, shifts)


def everywhere(_config: Config, _index: int) -> bool:
    """Every block keeps a state."""
    return True


def without_kv_heads(config: Config, index: int) -> bool:
    """The blocks for which the file states no KV heads."""
    return of_layer(config, "KV heads", KV_HEADS, index) == 0


def without_any(config: Config, index: int) -> bool:
    """The blocks with neither KV heads nor a feed-forward (Nemotron-H)."""
    return without_kv_heads(config, index) and not feeds_forward(config, index)


def feeds_forward(config: Config, index: int) -> bool:
    """Whether a block of Nemotron-H is a feed-forward alone."""
    return of_layer(config, "feed-forward width", "feed_forward_length", index) > 0


def but_one_of(period: int) -> Callable[[Config, int], bool]:
    """The blocks that the file lists, or all but the last of each ``period``."""

    def keeps(config: Config, index: int) -> bool:
        stated = config.raw.get(RECURRENT_LAYERS)
        if stated is not None:
            if not isinstance(stated, list) or any(each not in (0, 1) for each in stated):
                raise config.refuse(RECURRENT_LAYERS, "is not a list of true and false")
            if index >= len(stated):
                raise config.refuse(RECURRENT_LAYERS, f"says nothing of layer {index}")
            return bool(stated[index])
        interval = config.integer(
            "attention period", "full_attention_interval", default=period, high=LAYERS
        )
        return (index + 1) % interval != 0

    return keeps


class States(NamedTuple):
    """How the state-keeping blocks of an architecture are read, and which they are.

    ``beside`` says that they attend too.
    """

    read: Callable[[Config, Block, int, Parameters], Mixer]
    keeps: Callable[[Config, int], bool]
    beside: bool = False


STATES = {
    "arwkv7": States(time_mixing, everywhere),
    "falcon-h1": States(mamba2, everywhere, beside=True),
    "granitehybrid": States(mamba2, without_kv_heads),
    "jamba": States(mamba, without_kv_heads),
    "kimi-k3": States(kimi_delta, without_kv_heads),
    "kimi-linear": States(kimi_delta, without_kv_heads),
    "lfm2": States(short_convolution, without_kv_heads),
    "lfm2moe": States(short_convolution, without_kv_heads),
    "mamba": States(mamba, everywhere),
    "mamba2": States(mamba2, everywhere),
    "minimax-01": States(lightning, but_one_of(8)),
    "nemotron_h": States(mamba2, without_any),
    "nemotron_h_moe": States(mamba2, without_any),
    "plamo2": States(mamba, without_kv_heads),
    "qwen35": States(delta_net, but_one_of(4)),
    "qwen35moe": States(delta_net, but_one_of(4)),
    "qwen3next": States(delta_net, but_one_of(4)),
    "rwkv6": States(time_mixing, everywhere),
    "rwkv6qwen2": States(time_mixing, everywhere),
    "rwkv7": States(time_mixing, everywhere),
}


def _space(config: Config) -> tuple[int, int, int]:
    """Inner channels, state and kernel, as every state space states them."""
    return (
        config.integer("inner channels", "ssm.inner_size"),
        config.integer("state", "ssm.state_size", high=WIDTH),
        config.integer("convolution", "ssm.conv_kernel", high=COUNT),
    )


def _convolves(config: Config, block: Block, index: int, name: str, shape: tuple[int, int]) -> None:
    """Refuse channels and kernels that the file's own convolution contradicts."""
    found = tuple(size for size in block.shape(name) or () if size != 1)
    if found != tuple(size for size in shape if size != 1):
        raise _contradicts(config, index, name, f"{shape[0]:,} channels and a kernel of {shape[1]}")


def _contradicts(config: Config, index: int, name: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{config.where}: blk.{index}.{name} is not what the keys say it is: {expected}"
    )
