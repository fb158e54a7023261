"""Kimi Linear (arXiv:2510.26692) and Ling 3.0: three (or five) layers of Kimi delta attention to
one of latent attention, dense first layers, then experts with a shared one."""

from __future__ import annotations

from dataclasses import replace

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import FeedForward, Layer, Mixer, Model, Parameter
from weighbridge.model.families.deepseek import LatentShape, latent_attention
from weighbridge.model.families.hybrid import Size, every_nth, frame, listed_kinds, stack
from weighbridge.model.families.mamba import convolution
from weighbridge.model.families.parts import (
    Parameters,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
    two_norms,
)
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.mixers.kimi_delta import KimiDeltaAttention


def read_kimi(config: Config) -> Model:
    """KimiLinearForCausalLM."""
    config = Config({"q_lora_rank": None, **config.raw}, config.where, config.answers)
    shape, details = LatentShape(config), config.section("linear_attn_config")
    mixers: dict[str, Mixer] = {
        "recurrent": kimi_delta(
            *_geometry(config, details, shape.heads), hidden=shape.hidden, low_rank=True
        ),
        "full": latent_attention(config, shape),
    }
    kinds = (
        listed_kinds(config, mixers, "layer_types", layers=shape.layers)
        or numbered_from_one(details, shape.layers)
        or tuple(
            "full" if index and index % 4 == 0 else "recurrent" for index in range(shape.layers)
        )
    )
    sparse = _experts(config, shape.hidden, "block_sparse_moe", ("w1", "w3", "w2"))
    return _decoder(config, shape, mixers, kinds, sparse)


def read_bailing(config: Config) -> Model:
    """BailingHybridForCausalLM: full-rank gates in KDA, a gate per head in latent attention."""
    config = Config({"q_lora_rank": None, **config.raw}, config.where, config.answers)
    shape = LatentShape(config)
    attends = latent_attention(config, shape)
    gate = linear("self_attn.g_proj", shape.heads, shape.hidden)
    mixers: dict[str, Mixer] = {
        "recurrent": kimi_delta(
            *_geometry(config, None, shape.heads), hidden=shape.hidden, low_rank=False
        ),
        "full": replace(attends, parameters=(*attends.parameters, *gate)),
    }
    mixers = {kind: _renamed(mixer) for kind, mixer in mixers.items()}
    period = config.integer("layer group", "layer_group_size", default=6, high=LAYERS)
    kinds = listed_kinds(config, mixers, "layer_types", layers=shape.layers) or every_nth(
        shape.layers, period, period - 1, "full", "recurrent"
    )
    sparse = _experts(config, shape.hidden, "mlp", ("gate_proj", "up_proj", "down_proj"))
    model = _decoder(config, shape, mixers, kinds, sparse, first=2)
    outer = tuple(
        replace(each, name=each.name.replace("embed_tokens", "word_embeddings"))
        for each in model.outer
    )
    return replace(model, outer=outer)


def _renamed(mixer: Mixer) -> Mixer:
    """Ling's files say ``attention`` and ``dense`` (conversion_mapping.py of Transformers)."""
    parameters = tuple(
        replace(
            each,
            name=each.name.replace("self_attn.o_proj", "attention.dense").replace(
                "self_attn.", "attention."
            ),
        )
        for each in mixer.parameters
    )
    renamed: Mixer = replace(mixer, parameters=parameters)  # type: ignore[type-var]
    return renamed


def numbered_from_one(details: Config | None, layers: int) -> tuple[str, ...] | None:
    """From ``full_attn_layers`` and ``kda_layers``, which count layers from one."""
    if details is None or not details.has("full_attn_layers"):
        return None
    full = set(details.integers("attending layers", "full_attn_layers") or ())
    delta = set(details.integers("KDA layers", "kda_layers") or ())
    if full & delta or full | delta != set(range(1, layers + 1)):
        raise details.refuse(
            "full_attn_layers", f"and kda_layers do not share the {layers} layers between them"
        )
    return tuple("full" if index + 1 in full else "recurrent" for index in range(layers))


def _geometry(config: Config, details: Config | None, heads: int) -> tuple[int, int, int]:
    """Heads, head dim and kernel, from the nested section or from keys of the config itself."""
    inner = details or config
    bailing = config.raw.get("model_type") == "bailing_hybrid"
    keys = ("num_heads",) if details else ("linear_num_heads",)
    heads = inner.integer("KDA heads", *keys, default=heads if bailing else 32, high=COUNT)
    dim = inner.integer("KDA head dim", "head_dim" if details else "linear_head_dim", default=128)
    kernel = inner.integer(
        "convolution", "short_conv_kernel_size", "linear_conv_kernel_dim", default=4, high=COUNT
    )
    return heads, dim, kernel


def kimi_delta(
    heads: int, head_dim: int, kernel: int, *, hidden: int, low_rank: bool, split: bool = True
) -> KimiDeltaAttention:
    """KDA's projections: ``low_rank`` gates pass through one head's width (Kimi), others do not."""
    inner, name = heads * head_dim, "self_attn."
    gates: Parameters = (
        (
            *linear(f"{name}f_a_proj", head_dim, hidden),
            *linear(f"{name}f_b_proj", inner, head_dim),
            *linear(f"{name}g_a_proj", head_dim, hidden),
            *linear(f"{name}g_b_proj", inner, head_dim),
        )
        if low_rank
        else (
            *linear(f"{name}f_proj", inner, hidden),
            *linear(f"{name}g_proj", inner, hidden),
        )
    )
    parameters = (
        *linear(f"{name}q_proj", inner, hidden),
        *linear(f"{name}k_proj", inner, hidden),
        *linear(f"{name}v_proj", inner, hidden),
        *convolution(f"{name}q_conv1d", inner, kernel, bias=False),
        *convolution(f"{name}k_conv1d", inner, kernel, bias=False),
        *convolution(f"{name}v_conv1d", inner, kernel, bias=False),
        Parameter(f"{name}dt_bias", (inner,), "other"),
        Parameter(f"{name}A_log", (1, 1, heads, 1) if low_rank and split else (heads,), "other"),
        *gates,
        *linear(f"{name}b_proj", heads, hidden),
        *norm(f"{name}o_norm", head_dim),
        *linear(f"{name}o_proj", hidden, inner),
    )
    return KimiDeltaAttention(parameters, heads, head_dim, kernel)


def _experts(
    config: Config, hidden: int, name: str, projections: tuple[str, str, str]
) -> MixtureOfExperts:
    count = config.integer("experts", "num_experts", "num_local_experts", default=256, high=COUNT)
    width = config.integer("expert width", "moe_intermediate_size", default=1024)
    shared = width * config.integer(
        "shared experts", "num_shared_experts", "n_shared_experts", default=1, low=0
    )
    gate, up, down = projections
    every_token = gated_mlp(hidden, shared, prefix=f"{name}.shared_experts.").parameters
    return MixtureOfExperts(
        (
            *linear(f"{name}.gate", count, hidden, role="router"),
            Parameter(f"{name}.experts.{{expert}}.{gate}.weight", (width, hidden), "expert", count),
            Parameter(f"{name}.experts.{{expert}}.{up}.weight", (width, hidden), "expert", count),
            Parameter(f"{name}.experts.{{expert}}.{down}.weight", (hidden, width), "expert", count),
            *(every_token if shared else ()),
        ),
        experts=count,
        top_k=config.integer(
            "experts per token",
            "num_experts_per_token",
            "num_experts_per_tok",
            default=8,
            high=count,
        ),
        intermediate=width,
        shared_intermediate=shared,
    )


def _decoder(
    config: Config,
    shape: LatentShape,
    mixers: dict[str, Mixer],
    kinds: tuple[str, ...],
    sparse: MixtureOfExperts,
    *,
    first: int = 1,
) -> Model:
    """Layers whose feed-forward is dense for the first few and sparse after them."""
    feeds: dict[str, FeedForward] = {
        "dense": gated_mlp(shape.hidden, intermediate_size(config)),
        "sparse": sparse,
    }
    names = config.names("feed-forward kinds", "mlp_layer_types")
    if names is None:
        first = config.integer(
            "first dense layers", "first_k_dense_replace", default=first, low=0, high=LAYERS
        )
        names = tuple("dense" if index < first else "sparse" for index in range(shape.layers))
    if len(names) != shape.layers or set(names) - set(feeds):
        raise config.refuse("mlp_layer_types", f"does not say dense or sparse {shape.layers} times")
    norms = two_norms(shape.hidden)
    layers = stack(
        zip(kinds, names, strict=True), lambda kind: Layer(mixers[kind[0]], feeds[kind[1]], norms)
    )
    return frame(config, Size(config), layers, rotary_width=shape.rope)
