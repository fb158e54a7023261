"""The CLIP vision encoder (arXiv:2103.00020) as Hugging Face checkpoints name its tensors."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.nested import image_size
from weighbridge.model.families.parts import LAYER, Parameters, embedding, linear, norm, repeated


def clip(config: Config, prefix: str) -> Parameters:
    """CLIPVisionModel with its class embedding; the norm after it is stored and not used."""
    width = config.integer("vision width", "hidden_size", default=768)
    inner = config.integer("vision feed-forward", "intermediate_size", default=3072)
    layers = config.integer("vision layers", "num_hidden_layers", default=12, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=32)
    side = image_size(config, "image size", "image_size", 224) // patch
    patches = Parameter(
        f"{prefix}embeddings.patch_embedding.weight", (width, 3, patch, patch), "other"
    )
    return (
        Parameter(f"{prefix}embeddings.class_embedding", (width,), "other"),
        patches,
        *embedding(f"{prefix}embeddings.position_embedding", side**2 + 1, width),
        *norm(f"{prefix}pre_layrnorm", width, bias=True),
        *repeated(layers, clip_layer(f"{prefix}encoder.layers.{LAYER}.", width, inner)),
        *norm(f"{prefix}post_layernorm", width, bias=True),
    )


def clip_layer(
    prefix: str, width: int, inner: int, norms: tuple[str, str] = ("layer_norm1", "layer_norm2")
) -> Parameters:
    """One layer: attention and a plain feed-forward, each behind a norm, biases everywhere."""
    return (
        *(
            parameter
            for name in ("k_proj", "v_proj", "q_proj", "out_proj")
            for parameter in linear(f"{prefix}self_attn.{name}", width, width, bias=True)
        ),
        *norm(f"{prefix}{norms[0]}", width, bias=True),
        *linear(f"{prefix}mlp.fc1", inner, width, bias=True),
        *linear(f"{prefix}mlp.fc2", width, inner, bias=True),
        *norm(f"{prefix}{norms[1]}", width, bias=True),
    )
