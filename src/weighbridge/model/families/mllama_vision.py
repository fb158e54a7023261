"""Llama 3.2's vision encoder: tiles of an image, positions and tiles with gates, and a second,
gated stack (transformers, modeling_mllama.py)."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.nested import image_size
from weighbridge.model.families.parts import LAYER, Parameters, embedding, linear, norm, repeated

PREFIX = "vision_model."


def vision_tower(config: Config, text_hidden: int) -> Parameters:
    """MllamaVisionModel and the projector."""
    width = config.integer("vision width", "hidden_size", default=1280)
    inner = config.integer("vision feed-forward", "intermediate_size", default=5120)
    patch = config.integer("patch size", "patch_size", default=14)
    patches, tiles = image_tokens(config)
    ratios = 1 + _aspect_ratios(config, tiles)
    local = config.integer("vision layers", "num_hidden_layers", default=32, high=LAYERS)
    top = config.integer("gated vision layers", "num_global_layers", default=8, high=LAYERS)
    kept = config.integers("layers kept for the text", "intermediate_layers_indices")
    out = (1 + (5 if kept is None else len(kept))) * width
    gated = f"{PREFIX}gated_positional_embedding."
    return (
        Parameter(f"{PREFIX}class_embedding", (width,), "other"),
        Parameter(f"{PREFIX}patch_embedding.weight", (width, 3, patch, patch), "other"),
        Parameter(f"{gated}gate", (1,), "other"),
        Parameter(f"{gated}embedding", (patches, width), "embedding"),
        *embedding(f"{gated}tile_embedding", ratios, tiles * patches * width),
        *_tile_positions("pre_tile_positional_embedding", ratios, tiles * width),
        *_tile_positions("post_tile_positional_embedding", ratios, tiles * width),
        *norm(f"{PREFIX}layernorm_pre", width, bias=True),
        *norm(f"{PREFIX}layernorm_post", width, bias=True),
        *_layers("transformer", local, width, inner, gated=False),
        *_layers("global_transformer", top, width, inner, gated=True),
        *linear("multi_modal_projector", text_hidden, out, bias=True),
    )


def image_tokens(config: Config) -> tuple[int, int]:
    """Tokens of a tile (its patches and one for the class), and tiles of an image at most."""
    patch = config.integer("patch size", "patch_size", default=14)
    side = image_size(config, "image size", "image_size", 448) // patch
    return side**2 + 1, config.integer("tiles", "max_num_tiles", default=4, high=1024)


def _aspect_ratios(config: Config, tiles: int) -> int:
    """Ways to lay out up to ``tiles`` tiles: stated, or counted as the image processor does."""
    stated = config.raw.get("supported_aspect_ratios")
    if isinstance(stated, list) and stated:
        return len(stated)
    return sum(tiles // high for high in range(1, tiles + 1))


def _tile_positions(name: str, ratios: int, width: int) -> Parameters:
    return (
        Parameter(f"{PREFIX}{name}.gate", (1,), "other"),
        *embedding(f"{PREFIX}{name}.embedding", ratios, width),
    )


def _layers(name: str, count: int, width: int, inner: int, *, gated: bool) -> Parameters:
    prefix = f"{PREFIX}{name}.layers.{LAYER}."
    found: list[Parameter] = []
    if gated:
        found.append(Parameter(f"{prefix}gate_attn", (1,), "other"))
        found.append(Parameter(f"{prefix}gate_ffn", (1,), "other"))
    for projection in ("q_proj", "k_proj", "v_proj", "o_proj"):
        found += linear(f"{prefix}self_attn.{projection}", width, width)
    found += linear(f"{prefix}mlp.fc1", inner, width, bias=True)
    found += linear(f"{prefix}mlp.fc2", width, inner, bias=True)
    found += norm(f"{prefix}input_layernorm", width, bias=True)
    found += norm(f"{prefix}post_attention_layernorm", width, bias=True)
    return repeated(count, tuple(found))
