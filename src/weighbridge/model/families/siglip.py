"""The SigLIP vision encoder (arXiv:2303.15343) as Hugging Face checkpoints name its tensors."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated

PROJECTIONS = ("k_proj", "v_proj", "q_proj", "out_proj")


def siglip(config: Config, prefix: str) -> Parameters:
    """Patch and position embeddings, the encoder's layers and the norm after them."""
    width = config.integer("vision width", "hidden_size", default=1152)
    inner = config.integer("vision feed-forward", "intermediate_size", default=4304)
    layers = config.integer("vision layers", "num_hidden_layers", default=27, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=14)
    image = config.integer("image size", "image_size", default=896)
    pooled = config.boolean("pooling head", "vision_use_head", default=True)
    return (
        Parameter(f"{prefix}embeddings.patch_embedding.weight", (width, 3, patch, patch), "other"),
        Parameter(f"{prefix}embeddings.patch_embedding.bias", (width,), "bias"),
        Parameter(
            f"{prefix}embeddings.position_embedding.weight",
            ((image // patch) ** 2, width),
            "embedding",
        ),
        *repeated(layers, _layer(f"{prefix}encoder.layers.{LAYER}.", width, inner)),
        *norm(f"{prefix}post_layernorm", width, bias=True),
        *(_pooling_head(f"{prefix}head.", width, inner) if pooled else ()),
    )


def _pooling_head(prefix: str, width: int, inner: int) -> Parameters:
    return (
        Parameter(f"{prefix}probe", (1, 1, width), "other"),
        Parameter(f"{prefix}attention.in_proj_weight", (3 * width, width), "other"),
        Parameter(f"{prefix}attention.in_proj_bias", (3 * width,), "bias"),
        *linear(f"{prefix}attention.out_proj", width, width, bias=True),
        *norm(f"{prefix}layernorm", width, bias=True),
        *linear(f"{prefix}mlp.fc1", inner, width, bias=True),
        *linear(f"{prefix}mlp.fc2", width, inner, bias=True),
    )


def _layer(prefix: str, width: int, inner: int) -> Parameters:
    return (
        *norm(f"{prefix}layer_norm1", width, bias=True),
        *(
            parameter
            for name in PROJECTIONS
            for parameter in linear(f"{prefix}self_attn.{name}", width, width, bias=True)
        ),
        *norm(f"{prefix}layer_norm2", width, bias=True),
        *linear(f"{prefix}mlp.fc1", inner, width, bias=True),
        *linear(f"{prefix}mlp.fc2", width, inner, bias=True),
    )
