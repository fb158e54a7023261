"""Mistral Large 4: latent attention with an indexer, every fourth layer without rotary positions,
beside Pixtral (transformers, modeling_mistral_large4.py; tensors as it names them)."""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.deepseek import LatentShape, latent_attention
from weighbridge.model.families.deepseek_v32 import chosen_keys, indexer, indexer_kinds
from weighbridge.model.families.llava import merging_tower
from weighbridge.model.families.nested import text_section, vision_section, with_towers, within
from weighbridge.model.families.parts import Parameters, gated_mlp, intermediate_size, norm
from weighbridge.model.families.pixtral import patch_size
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width
from weighbridge.model.mixers.sparse import SparseLatentAttention


class _Kind(NamedTuple):
    rotary: bool
    indexer: str


def read(config: Config) -> Model:
    """MistralLarge4ForConditionalGeneration."""
    model = within(_text(text_section(config)))
    vision = vision_section(config)
    merge = config.integer("patches merged", "spatial_merge_size", default=2)
    bias = config.boolean("projector bias", "multimodal_projector_bias", default=False)
    tower = merging_tower(vision, model.hidden, merge, bias=bias, prefix="model.")
    side = merge * patch_size(vision)
    note = f"an image costs a token for every {side} × {side} pixels, and one for each such row"
    return with_towers(model, config, tower, notes=(note,))


def _text(config: Config) -> Model:
    config = Config({**config.raw, "q_lora_rank": None}, config.where, config.answers)
    shape = LatentShape(config)
    sources = config.integers("layers that own a cache", "kv_source_layers")
    if sources is not None and sources != tuple(range(len(sources))):
        raise config.refuse("kv_source_layers", "shares caches, which this family does not read")
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=6144)
    kinds = _kinds(config, shape.layers)
    first = config.integer(
        "first dense layers", "first_k_dense_replace", default=1, low=0, high=LAYERS
    )
    return decoder(
        config,
        shape,
        mixers={kind: _mixer(config, kind) for kind in set(kinds)},
        windows=kinds,
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k, shared=shared_width(config, width, 1)),
            first,
        ),
        softcapped=config.raw.get("final_logit_softcapping", 30.0) is not None,
    )


def _kinds(config: Config, layers: int) -> tuple[_Kind, ...]:
    """``no_rope_layers`` has 1 where there *are* rotary positions: by default not each fourth."""
    period = config.integer("layers without positions", "no_rope_layer_interval", default=4)
    rotary = config.integers("rotary layers", "no_rope_layers") or tuple(
        int((index + 1) % period != 0) for index in range(layers)
    )
    indexers = indexer_kinds(config, layers)
    if len(rotary) < layers:
        raise config.refuse("no_rope_layers", f"has fewer entries than {layers} layers")
    return tuple(_Kind(bool(rotary[index]), indexers[index]) for index in range(layers))


def _mixer(config: Config, kind: _Kind) -> SparseLatentAttention:
    """Without rotary positions the rotary part of a key is plain, made from the latent."""
    shape = LatentShape(config)
    if not kind.rotary:
        shape.nope, shape.rope = shape.nope + shape.rope, 0
    width = config.integer("index head dim", "index_head_dim", default=128)
    owns = kind.indexer == "full"
    return SparseLatentAttention(
        (
            *latent_attention(config, shape).parameters,
            *_scaling("self_attn.softmax_scaling", shape.heads),
            *(_indexer(config, shape.hidden, width) if owns else ()),
        ),
        shape.heads,
        shape.latent,
        shape.rope,
        shape.nope,
        shape.v_dim,
        index_dim=width if owns else 0,
        index_heads=config.integer("index heads", "index_n_heads", default=32) if owns else 0,
        top_k=chosen_keys(config),
    )


def _indexer(config: Config, hidden: int, width: int) -> Parameters:
    heads = config.integer("index heads", "index_n_heads", default=32)
    return (
        *indexer(config, hidden, hidden, width),
        *norm("self_attn.indexer.q_input_norm", hidden, bias=True),
        *_scaling("self_attn.indexer.softmax_scaling", heads),
    )


def _scaling(name: str, heads: int) -> Parameters:
    return (
        Parameter(f"{name}.scale", (heads,), "other"),
        Parameter(f"{name}.bias", (heads,), "bias"),
    )
