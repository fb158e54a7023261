"""The vision transformers of Qwen2-VL (arXiv:2409.12191), Qwen2.5-VL (arXiv:2502.13923) and
Qwen3-VL: frames in pairs, no or learned positions, and a merger of 2 × 2 patches."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.parts import LAYER, Parameters, embedding, linear, norm, repeated


class VisionShape:
    """The numbers that the three state under the same keys."""

    def __init__(self, config: Config, *, width: tuple[str, int], patch: int, depth: int) -> None:
        self.width = config.integer("vision width", width[0], default=width[1])
        self.layers = config.integer("vision layers", "depth", default=depth, high=LAYERS)
        self.patch = config.integer("patch size", "patch_size", default=patch)
        self.frames = config.integer("frames together", "temporal_patch_size", default=2)
        self.merged = config.integer("patches merged", "spatial_merge_size", default=2) ** 2

    def convolution(self, name: str, *, bias: bool = False) -> Parameters:
        """The patch embedding over ``frames`` frames."""
        shape = (self.width, 3, self.frames, self.patch, self.patch)
        weight = Parameter(f"{name}.weight", shape, "other")
        return (weight, Parameter(f"{name}.bias", (self.width,), "bias")) if bias else (weight,)


def qwen2_vit(config: Config, prefix: str) -> Parameters:
    """Qwen2VisionTransformerPretrainedModel; its ``hidden_size`` is the text model's."""
    shape = VisionShape(config, width=("embed_dim", 1280), patch=14, depth=32)
    width = shape.width
    inner = width * config.integer("feed-forward ratio", "mlp_ratio", default=4)
    out = config.integer("projected width", "hidden_size", default=3584)
    return (
        *shape.convolution(f"{prefix}patch_embed.proj"),
        *repeated(
            shape.layers,
            (
                *block(f"{prefix}blocks.{LAYER}.", width, bias=True),
                *linear(f"{prefix}blocks.{LAYER}.mlp.fc1", inner, width, bias=True),
                *linear(f"{prefix}blocks.{LAYER}.mlp.fc2", width, inner, bias=True),
            ),
        ),
        *norm(f"{prefix}merger.ln_q", width, bias=True),
        *_two_layers(f"{prefix}merger.mlp.", ("0", "2"), shape.merged * width, out),
    )


def qwen2_5_vit(config: Config, prefix: str) -> Parameters:
    """Qwen2_5_VisionTransformerPretrainedModel: gated feed-forwards and norms without biases."""
    shape = VisionShape(config, width=("hidden_size", 3584), patch=14, depth=32)
    width = shape.width
    inner = config.integer("vision feed-forward", "intermediate_size", default=3420)
    out = config.integer("projected width", "out_hidden_size", default=3584)
    return (
        *shape.convolution(f"{prefix}patch_embed.proj"),
        *repeated(
            shape.layers,
            (
                *block(f"{prefix}blocks.{LAYER}.", width, bias=False),
                *_gated(f"{prefix}blocks.{LAYER}.mlp.", width, inner),
            ),
        ),
        *norm(f"{prefix}merger.ln_q", width),
        *_two_layers(f"{prefix}merger.mlp.", ("0", "2"), shape.merged * width, out),
    )


def qwen3_vit(config: Config, prefix: str) -> Parameters:
    """Qwen3VLVisionModel: learned positions, and mergers that feed the first text layers too."""
    shape = VisionShape(config, width=("hidden_size", 1152), patch=16, depth=27)
    width, merged = shape.width, shape.merged * shape.width
    inner = config.integer("vision feed-forward", "intermediate_size", default=4304)
    out = config.integer("projected width", "out_hidden_size", default=3584)
    positions = config.integer(
        "vision positions", "num_position_embeddings", default=2304, high=COUNT
    )
    deep = config.integers("layers fed deeper", "deepstack_visual_indexes")
    layers = ("linear_fc1", "linear_fc2")
    return (
        *shape.convolution(f"{prefix}patch_embed.proj", bias=True),
        *embedding(f"{prefix}pos_embed", positions, width),
        *repeated(
            shape.layers,
            (
                *block(f"{prefix}blocks.{LAYER}.", width, bias=True),
                *linear(f"{prefix}blocks.{LAYER}.mlp.linear_fc1", inner, width, bias=True),
                *linear(f"{prefix}blocks.{LAYER}.mlp.linear_fc2", width, inner, bias=True),
            ),
        ),
        *norm(f"{prefix}merger.norm", width, bias=True),
        *_two_layers(f"{prefix}merger.", layers, merged, out),
        *repeated(
            3 if deep is None else len(deep),
            (
                *norm(f"{prefix}deepstack_merger_list.{LAYER}.norm", merged, bias=True),
                *_two_layers(f"{prefix}deepstack_merger_list.{LAYER}.", layers, merged, out),
            ),
        ),
    )


def block(prefix: str, width: int, *, bias: bool) -> Parameters:
    """Norms and attention with one projection for q, k and v; ``bias`` is the norms'."""
    return (
        *norm(f"{prefix}norm1", width, bias=bias),
        *norm(f"{prefix}norm2", width, bias=bias),
        *linear(f"{prefix}attn.qkv", 3 * width, width, bias=True),
        *linear(f"{prefix}attn.proj", width, width, bias=True),
    )


def _gated(prefix: str, width: int, inner: int) -> Parameters:
    return (
        *linear(f"{prefix}gate_proj", inner, width, bias=True),
        *linear(f"{prefix}up_proj", inner, width, bias=True),
        *linear(f"{prefix}down_proj", width, inner, bias=True),
    )


def _two_layers(prefix: str, names: tuple[str, str], width: int, out: int) -> Parameters:
    return (
        *linear(f"{prefix}{names[0]}", width, width, bias=True),
        *linear(f"{prefix}{names[1]}", out, width, bias=True),
    )
