"""GGUF files of catalogue models for llama.cpp to open: a header and a hole.

Tensors come from our own facts under our own GGUF names, so that a missing or misshapen one is
told by llama.cpp itself. To add an architecture, add its row; what it does otherwise is a function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.engine.llama_cpp.describe import recurrence_of
from weighbridge.engine.llama_cpp.names import gguf_name, inner_name
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.load import load_model
from weighbridge.model.mixers.heads import GroupedHeads
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.model.mixers.recurrent import Recurrent

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from gguf_files import write

Metadata = dict[str, Any]
Shape = list[int]


class Row(NamedTuple):
    """An architecture by a catalogue model, with further metadata and names."""

    model: str
    architecture: str
    extra: Callable[[Model], Metadata] = lambda _: {}
    names: tuple[tuple[str, str], ...] = ()


def _window(model: Model) -> Metadata:
    found = [
        stream.window for layer, _ in model.layer_groups() for stream in layer.mixer.cache
        if stream.window
    ]  # fmt: skip
    return {"attention.sliding_window": found[0]}


def _latent(model: Model) -> Metadata:
    mixer = model.layers[0].mixer
    assert isinstance(mixer, LatentAttention)
    ranks = [p.shape[0] for p in mixer.parameters if "q_a_proj" in p.name]
    return {
        "attention.head_count_kv": 1,
        "attention.kv_lora_rank": mixer.latent,
        **({"attention.q_lora_rank": ranks[0]} if ranks else {}),
        "attention.key_length": mixer.latent + mixer.rope,
        "attention.value_length": mixer.latent,
        "attention.key_length_mla": mixer.nope + mixer.rope,
        "attention.value_length_mla": mixer.v_dim,
        "rope.dimension_count": mixer.rope,
        "leading_dense_block_count": sum(isinstance(x.feed_forward, Dense) for x in model.layers),
        "expert_weights_scale": 1.0,
        "expert_weights_norm": False,
        "expert_gating_func": 1,
    }


def _state_space(model: Model) -> Metadata:
    for layer in model.layers:
        parts = layer.mixer.parts if isinstance(layer.mixer, Parallel) else (layer.mixer,)
        for part in parts:
            if isinstance(part, Recurrent) and part.convolution is not None:
                found = recurrence_of(part)
                return {
                    "ssm.conv_kernel": found.kernel,
                    "ssm.inner_size": found.inner,
                    "ssm.state_size": found.state_size or found.key_dim,
                    "ssm.time_step_rank": found.rank or found.heads,
                    "ssm.group_count": found.key_heads or found.groups,
                }
    return {}


def _per_layer_heads(model: Model) -> Metadata:
    """Zero KV heads where a layer does not attend."""
    counts = [
        layer.mixer.kv_heads if isinstance(layer.mixer, GroupedHeads) else 0
        for layer in model.layers
    ]
    return {"attention.head_count_kv": counts}


def _hybrid(model: Model) -> Metadata:
    return {**_state_space(model), **_per_layer_heads(model)}


def _next(model: Model) -> Metadata:
    return {**_state_space(model), "full_attention_interval": 4}


def _scout(_: Model) -> Metadata:
    return {
        "interleave_moe_layer_step": 1,
        "attention.chunk_size": 8192,
        "rope.dimension_count": 128,
        "attention.use_kq_norm": True,
    }


def _nemotron(model: Model) -> Metadata:
    widths = [
        layer.feed_forward.intermediate if isinstance(layer.feed_forward, Dense) else 0
        for layer in model.layers
    ]
    return {**_hybrid(model), "feed_forward_length": widths}


def _short(model: Model) -> Metadata:
    return {**_per_layer_heads(model), "shortconv.l_cache": 3}


RECURRENT = frozenset(("ssm_dt", "ssm_a", "ssm_d", "ssm_conv1d", "ssm_norm", "ssm_in", "shortconv"))
POST = (("post_attention_layernorm", "post_attention_norm"),)
ROWS: tuple[Row, ...] = (
    Row("llama-3.1-8b", "llama"),
    Row("qwen2.5-7b", "qwen2"),
    Row("qwen3-8b", "qwen3"),
    Row("qwen3-30b-a3b", "qwen3moe"),
    Row("gemma-2-9b", "gemma2", _window, POST),
    Row("gemma-3-27b-it", "gemma3", _window, POST),
    Row("gpt-oss-20b", "gpt-oss", _window, POST),
    Row("llama-4-scout-17b-16e-instruct", "llama4", _scout),
    Row("deepseek-v2-lite", "deepseek2", _latent),
    Row("mamba-codestral-7b-v0.1", "mamba2", _state_space),
    Row("granite-4.0-h-tiny", "granitehybrid", _hybrid),
    Row("qwen3-next-80b-a3b-instruct", "qwen3next", _next, POST),
    Row("lfm2-1.2b", "lfm2", _short),
    Row("falcon-h1-1.5b-base", "falcon-h1", _state_space, (("pre_ff_layernorm", "ffn_norm|"),)),
    Row("jamba-v0.1", "jamba", _hybrid),
)


def make(row: Row, folder: Path) -> tuple[Path, Model]:
    """Write the file of a row; its path and the model it is of."""
    model = load_model(row.model)
    path = folder / f"{row.architecture}.gguf"
    return write(path, metadata_of(row, model), dict(tensors_of(row, model))), model


def metadata_of(row: Row, model: Model) -> Metadata:
    """What llama.cpp reads before the tensors."""
    heads = next(
        (
            part
            for layer in model.layers
            for part in _parts(layer)
            if isinstance(part, GroupedHeads)
        ),
        None,
    )
    feeds = [layer.feed_forward for layer in model.layers]
    dense = next((f.intermediate for f in feeds if isinstance(f, Dense)), 0)
    found: Metadata = {
        "block_count": len(model.layers),
        "context_length": model.max_positions or 131072,
        "embedding_length": model.hidden,
        "feed_forward_length": dense,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 10000.0,
        "vocab_size": model.vocab,
        "attention.head_count": max((x.mixer.score_heads for x in model.layers), default=0),
    }
    if heads is not None:
        found |= {
            "attention.head_count": heads.heads,
            "attention.head_count_kv": heads.kv_heads,
            "attention.key_length": heads.k_dim,
            "attention.value_length": heads.v_dim,
            "rope.dimension_count": heads.k_dim,
        }
    mixture = next((f for f in feeds if isinstance(f, MixtureOfExperts)), None)
    if mixture is not None:
        found |= {
            "feed_forward_length": dense or mixture.intermediate,
            "expert_count": mixture.experts,
            "expert_used_count": mixture.top_k,
            "expert_feed_forward_length": mixture.intermediate,
        }
        if mixture.shared_intermediate:
            found |= {
                "expert_shared_count": max(mixture.shared_intermediate // mixture.intermediate, 1),
                "expert_shared_feed_forward_length": mixture.shared_intermediate,
            }
    found |= row.extra(model)
    named = {f"{row.architecture}.{key}": value for key, value in found.items()}
    return {"general.architecture": row.architecture, "tokenizer.ggml.model": "none", **named}


def _parts(layer: Layer) -> tuple[Any, ...]:
    return layer.mixer.parts if isinstance(layer.mixer, Parallel) else (layer.mixer,)


def tensors_of(row: Row, model: Model) -> Iterator[tuple[str, tuple[Shape, str]]]:
    """Every tensor with its dimensions, fastest first."""
    for each in model.outer:
        yield from _named(row, each, "")
    for index, layer in enumerate(model.layers):
        for each in layer.parameters:
            yield from _named(row, each, f"blk.{index}.", layer)


def _named(
    row: Row, each: Parameter, prefix: str, layer: Layer | None = None
) -> Iterator[tuple[str, tuple[Shape, str]]]:
    import re

    name = inner_name(each.name) if prefix else gguf_name(each.name)
    base = each.name.rpartition(".")[0]
    for pattern, other in row.names if prefix else ():
        if re.search(rf"{pattern}$", base):
            bare = other.endswith("|")
            name = other.rstrip("|") + ("" if bare else "." + each.name.rpartition(".")[2])
    for short, shape in _shapes(row, name, each, layer):
        yield prefix + short, (shape, "F16" if _matrix(short, shape) else "F32")


def _matrix(name: str, shape: Shape) -> bool:
    small = ("ssm_conv1d", "ssm_a", "ssm_d.", "ssm_norm", "ffn_gate_inp", "shortconv.conv", "bias")
    return len(shape) > 1 and not any(word in name for word in small)


def _shapes(row: Row, name: str, each: Parameter, layer: Layer | None) -> list[tuple[str, Shape]]:
    """The tensors of a GGUF file that one of a checkpoint becomes."""
    shape = list(reversed(each.shape))
    stem, _, ending = name.rpartition(".")
    mixers = _parts(layer) if layer is not None else ()
    recurrent = next((recurrence_of(m) for m in mixers if isinstance(m, Recurrent)), None)
    if stem.startswith("ffn_gate_up_"):
        kind = stem.removeprefix("ffn_gate_up_")
        if row.architecture in {"gpt-oss", "llama4"} and len(each.shape) == 3:
            shape = [each.shape[1], each.shape[2], each.shape[0]]
        at = 0 if "bias" in each.name else 1
        shape[at] //= 2
        if "bias" in each.name:
            ending = "bias"
        return [(f"ffn_{part}_{kind}.{ending}", list(shape)) for part in ("gate", "up")]
    if stem.endswith("_exps"):
        if each.copies > 1:
            shape = [*shape, each.copies]
        elif row.architecture in {"gpt-oss", "llama4"} and len(each.shape) == 3:
            shape = [each.shape[1], each.shape[2], each.shape[0]]
        return [(f"{stem}.{'bias' if 'bias' in each.name else ending}", shape)]
    if stem == "attn_kv_b":
        mixer = mixers[0]
        return [
            ("attn_k_b.weight", [mixer.nope, mixer.latent, mixer.heads]),
            ("attn_v_b.weight", [mixer.latent, mixer.v_dim, mixer.heads]),
        ]
    if recurrent is not None and stem.split(".")[0] in RECURRENT:
        return _recurrent(stem, ending, shape, recurrent, each)
    if stem == "ffn_gate_inp_shexp":
        return [(name, [shape[0]])]
    return [(name, shape)]


def _recurrent(  # noqa: PLR0911
    stem: str, ending: str, shape: Shape, layer: Any, each: Parameter
) -> list[tuple[str, Shape]]:
    if stem in {"ssm_conv1d", "shortconv.conv"}:
        return [(f"{stem}.{ending}", [shape[0], shape[-1]] if len(shape) > 1 else shape)]
    if "dt_bias" in each.name:
        return [("ssm_dt.bias", shape)]
    if stem == "ssm_a":
        wide = [1, shape[0]] if layer.kind == "mamba2" else shape
        return [("ssm_a", wide)]
    if stem == "ssm_d":
        return [("ssm_d", [1, shape[0]] if layer.kind == "mamba2" else shape)]
    if stem == "ssm_norm" and layer.kind == "mamba2":
        return [("ssm_norm.weight", [layer.inner // layer.groups, layer.groups])]
    if stem == "ssm_in" and layer.kind == "delta":
        return [("attn_qkv.weight", [shape[0], layer.channels]),
                ("attn_gate.weight", [shape[0], layer.inner])]  # fmt: skip
    return [(f"{stem}.{ending}", shape)]
