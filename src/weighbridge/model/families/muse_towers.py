"""The vision tower of Muse, and the audio tower of Muse Spark (transformers,
modeling_muse_spark.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.kimi_k25 import moon_layer
from weighbridge.model.families.parts import LAYER, Parameters, embedding, linear, norm, repeated


def vision_tower(config: Config, vision: Config, text_hidden: int) -> Parameters:
    """MuseGlimmerVisionModel, its adapter and the projection."""
    width = vision.integer("vision width", "hidden_size", default=1536)
    inner = vision.integer("vision feed-forward", "intermediate_size", default=8960)
    layers = vision.integer("vision layers", "num_hidden_layers", default=50, high=LAYERS)
    patch = vision.integer("patch size", "patch_size", default=14)
    frames = vision.integer("frames together", "patch_temporal", default=2)
    positions = vision.integer(
        "vision positions", "max_position_embeddings", default=1024, high=COUNT
    )
    merged = config.integer("merged width", "out_hidden_size", default=6144)
    between = config.integer("projector width", "projector_hidden_size", default=4096)
    prefix = "model.vision_tower."
    return (
        *linear(f"{prefix}patch_embedder.patch_embedding", width, 3 * frames * patch**2),
        *embedding(f"{prefix}patch_embedder.position_embedding_table", positions, width),
        *norm(f"{prefix}ln_pre", width, bias=True),
        *repeated(layers, moon_layer(f"{prefix}layers.{LAYER}.", width, inner)),
        *norm(f"{prefix}ln_post", width, bias=True),
        *linear("model.vision_adapter.fc1", between, merged),
        *linear("model.vision_adapter.fc2", between, between),
        *linear("model.vision_projection", text_hidden, between),
    )


def audio_tower(config: Config) -> Parameters:
    """MuseSparkAudioModel: stages of convolutions, each over patches of the one before."""
    patches = config.integers("audio patches", "patch_sizes") or (16, 6, 5, 4)
    widths = config.integers("audio widths", "hidden_sizes") or (256, 512, 1024, 2048)
    depths = config.integers("audio depths", "depths") or (2, 2, 2, 2)
    kernel = config.integer("audio kernel", "conv_kernel_size", default=7)
    ratio = config.integer("audio feed-forward ratio", "mlp_ratio", default=4)
    out = config.integer("audio output", "out_hidden_size", default=8192)
    if not len(patches) == len(widths) == len(depths):
        raise config.refuse("hidden_sizes", "has not as many stages as patch_sizes and depths")
    prefix, found, before = "model.audio_tower.", list[Parameter](), 1
    for stage, (patch, width, depth) in enumerate(zip(patches, widths, depths, strict=True)):
        name = f"{prefix}layers.{stage}."
        found += linear(f"{name}patch_embedder.proj", width, before * patch, bias=True)
        found += norm(f"{name}patch_embedder.norm", width)
        found += repeated(depth, _block(f"{name}conv_blocks.{LAYER}.", width, kernel, ratio))
        before = width
    return (
        *found,
        *norm(f"{prefix}norm", before),
        *linear(f"{prefix}proj", out, before, bias=True),
        *norm(f"{prefix}post_proj_norm", out),
    )


def _block(prefix: str, width: int, kernel: int, ratio: int) -> Parameters:
    return (
        Parameter(f"{prefix}conv.weight", (width, 1, kernel), "other"),
        Parameter(f"{prefix}conv.bias", (width,), "bias"),
        *norm(f"{prefix}norm", width),
        *linear(f"{prefix}mlp.fc1", ratio * width, width, bias=True),
        *linear(f"{prefix}mlp.fc2", width, ratio * width, bias=True),
    )
