"""Step3: multi-matrix factorized attention with one KV head (arXiv:2507.19427), experts beside a
shared one, and a vision tower (stepfun-ai's modeling_step3.py; not a class of Transformers)."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import FeedForward, Model, Parameter, Tower
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.nested import (
    image_size,
    text_section,
    vision_section,
    with_towers,
)
from weighbridge.model.families.parts import (
    LAYER,
    Parameters,
    Shape,
    attention,
    embedding,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
    repeated,
)
from weighbridge.model.feed_forward import MixtureOfExperts


def read(config: Config) -> Model:
    """Step3VLForConditionalGeneration."""
    text = text_section(config)
    shape = Shape(text, head_dim=256)
    shape.kv_heads = text.integer("KV heads", "num_attention_groups", default=1, high=COUNT)
    model = decoder(
        text,
        shape,
        mixers={None: attention(_projections(text, shape), shape, None)},
        feed_forward=_feed_forward(text, shape),
    )
    vision = vision_section(config)
    patch = vision.integer("patch size", "patch_size", default=14)
    tokens = (image_size(vision, "image size", "image_size", 728) // patch // 4) ** 2
    note = f"an image costs {tokens} tokens of context per tile"
    tower = Tower("vision", _tower(vision, model.hidden))
    return with_towers(model, config, tower, notes=(note,))


def _projections(config: Config, shape: Shape) -> Parameters:
    """Queries in two steps: to a width that all heads share, and from it to the heads."""
    middle = config.integer("shared query width", "share_q_dim", default=2048)
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return (
        *linear("self_attn.q_proj", middle, shape.hidden),
        *norm("self_attn.inter_norm", middle),
        *linear("self_attn.wq", queries, middle),
        *linear("self_attn.k_proj", keys, shape.hidden),
        *linear("self_attn.v_proj", keys, shape.hidden),
        *linear("self_attn.o_proj", shape.hidden, queries),
    )


def _feed_forward(config: Config, shape: Shape) -> Callable[[int], FeedForward]:
    """Sparse in the layers that ``moe_layers_enum`` lists (a text of numbers)."""
    count = config.integer("experts", "moe_num_experts", high=COUNT)
    width = config.integer("expert width", "moe_intermediate_size")
    shared = config.integer("shared expert width", "share_expert_dim", default=width)
    sparse = MixtureOfExperts(
        (
            *linear("moe.gate", count, shape.hidden, role="router"),
            Parameter("moe.gate_proj.weight", (count, width, shape.hidden), "expert"),
            Parameter("moe.up_proj.weight", (count, width, shape.hidden), "expert"),
            Parameter("moe.down_proj.weight", (count, shape.hidden, width), "expert"),
            *gated_mlp(shape.hidden, shared, prefix="share_expert.").parameters,
        ),
        experts=count,
        top_k=config.integer("experts per token", "moe_top_k", default=3, high=count),
        intermediate=width,
        shared_intermediate=shared,
    )
    dense = gated_mlp(shape.hidden, intermediate_size(config))
    listed = config.raw.get("moe_layers_enum")
    if listed is None:
        at = frozenset(range(1, shape.layers))
    elif isinstance(listed, str) and all(each.strip().isdecimal() for each in listed.split(",")):
        at = frozenset(int(each) for each in listed.split(","))
    else:
        raise config.refuse("moe_layers_enum", "is no list of layers")
    return lambda index: sparse if index in at else dense


def _tower(config: Config, text_hidden: int) -> Parameters:
    """A CLIP-like transformer, two convolutions that shrink its output, and a projection."""
    width = config.integer("vision width", "hidden_size", "width", default=1792)
    inner = config.integer("vision feed-forward", "intermediate_size", default=15360)
    layers = config.integer("vision layers", "num_hidden_layers", "layers", default=63, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=14)
    side = image_size(config, "image size", "image_size", 728) // patch
    out = config.integer("shrunk width", "output_hidden_size", default=4096)
    prefix = "vision_model.embeddings."
    return (
        Parameter(f"{prefix}class_embedding", (1, width), "other"),
        Parameter(f"{prefix}patch_embedding.weight", (width, 3, patch, patch), "other"),
        Parameter(f"{prefix}patch_embedding.bias", (width,), "bias"),
        *embedding(f"{prefix}position_embedding", side**2 + 1, width),
        *repeated(layers, _layer(f"vision_model.transformer.layers.{LAYER}.", width, inner)),
        Parameter("vit_downsampler.weight", (out, width, 2, 2), "other"),
        Parameter("vit_downsampler.bias", (out,), "bias"),
        Parameter("vit_downsampler2.weight", (2 * out, out, 3, 3), "other"),
        Parameter("vit_downsampler2.bias", (2 * out,), "bias"),
        *linear("vit_large_projector", text_hidden, 2 * out),
    )


def _layer(prefix: str, width: int, inner: int) -> Parameters:
    return (
        *norm(f"{prefix}layer_norm1", width, bias=True),
        *norm(f"{prefix}layer_norm2", width, bias=True),
        *linear(f"{prefix}self_attn.qkv_proj", 3 * width, width, bias=True),
        *linear(f"{prefix}self_attn.out_proj", width, width, bias=True),
        *linear(f"{prefix}mlp.fc1", inner, width, bias=True),
        *linear(f"{prefix}mlp.fc2", width, inner, bias=True),
    )
