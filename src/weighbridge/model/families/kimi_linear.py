"""Kimi Linear (arXiv:2510.26692), the text model of Kimi-K3, and Ling 3.0: some layers of
Kimi delta attention to one of latent attention, dense first layers, then experts with shared ones.

Kimi-K3's further keys (gates of full rank, experts in a latent, attention residuals) are read as
``models/kimi_k3.py`` of SGLang 0.5.23 reads them."""

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
    heads, dim, kernel = _geometry(config, details, shape.heads)
    wide = (details or config).boolean("full-rank gate", "use_full_rank_gate", default=False)
    attends = latent_attention(config, shape)
    gated = config.boolean("output gate", "mla_use_output_gate", default=False)
    gate = linear("self_attn.g_proj", shape.heads * shape.v_dim, shape.hidden) if gated else ()
    mixers: dict[str, Mixer] = {
        "recurrent": kimi_delta(
            heads,
            dim,
            kernel,
            hidden=shape.hidden,
            forget_rank=dim,
            gate_rank=None if wide else dim,
            decay_shape=(dim,) if wide else (1, 1, heads, 1),
        ),
        "full": replace(attends, parameters=(*attends.parameters, *gate)),
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
            *_geometry(config, None, shape.heads), hidden=shape.hidden, decay_shape=(shape.heads,)
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
    heads: int,
    head_dim: int,
    kernel: int,
    *,
    hidden: int,
    decay_shape: tuple[int, ...],
    forget_rank: int | None = None,
    gate_rank: int | None = None,
) -> KimiDeltaAttention:
    """KDA's projections; the forget and output gates pass through a rank, or through none."""
    inner, name = heads * head_dim, "self_attn."
    gates = (
        *_through(f"{name}f", inner, hidden, forget_rank),
        *_through(f"{name}g", inner, hidden, gate_rank),
    )
    parameters = (
        *linear(f"{name}q_proj", inner, hidden),
        *linear(f"{name}k_proj", inner, hidden),
        *linear(f"{name}v_proj", inner, hidden),
        *convolution(f"{name}q_conv1d", inner, kernel, bias=False),
        *convolution(f"{name}k_conv1d", inner, kernel, bias=False),
        *convolution(f"{name}v_conv1d", inner, kernel, bias=False),
        Parameter(f"{name}dt_bias", (inner,), "other"),
        Parameter(f"{name}A_log", decay_shape, "other"),
        *gates,
        *linear(f"{name}b_proj", heads, hidden),
        *norm(f"{name}o_norm", head_dim),
        *linear(f"{name}o_proj", hidden, inner),
    )
    return KimiDeltaAttention(parameters, heads, head_dim, kernel)


def _through(name: str, out: int, into: int, rank: int | None) -> Parameters:
    if rank is None:
        return linear(f"{name}_proj", out, into)
    return (*linear(f"{name}_a_proj", rank, into), *linear(f"{name}_b_proj", out, rank))


def _experts(
    config: Config, hidden: int, name: str, projections: tuple[str, str, str]
) -> MixtureOfExperts:
    """Experts with shared ones; the routed ones may work in a narrower latent (Kimi-K3)."""
    count = config.integer("experts", "num_experts", "num_local_experts", default=256, high=COUNT)
    width = config.integer("expert width", "moe_intermediate_size", default=1024)
    shared = width * config.integer(
        "shared experts", "num_shared_experts", "n_shared_experts", default=1, low=0
    )
    gate, up, down = (f"{name}.experts.{{expert}}.{each}.weight" for each in projections)
    inside, latent = _expert_latent(config, hidden, name)
    every_token = gated_mlp(hidden, shared, prefix=f"{name}.shared_experts.").parameters
    return MixtureOfExperts(
        (
            *linear(f"{name}.gate", count, hidden, role="router"),
            Parameter(gate, (width, inside), "expert", count),
            Parameter(up, (width, inside), "expert", count),
            Parameter(down, (inside, width), "expert", count),
            *(every_token if shared else ()),
            *latent,
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


def _expert_latent(config: Config, hidden: int, name: str) -> tuple[int, Parameters]:
    inside = config.optional_integer("expert latent", "routed_expert_hidden_size", low=1)
    if inside is None or inside == hidden:
        return hidden, ()
    normed = config.boolean("latent norm", "latent_moe_use_norm", default=False)
    return inside, (
        *linear(f"{name}.routed_expert_down_proj", inside, hidden),
        *(norm(f"{name}.routed_expert_norm", inside) if normed else ()),
        *linear(f"{name}.routed_expert_up_proj", hidden, inside),
    )


def _residuals(config: Config, hidden: int) -> tuple[Parameters, Parameters]:
    """Attention over the layers before, of each layer and after the last one (Kimi-K3)."""
    if config.raw.get("attn_res_block_size") is None:
        return (), ()

    def pair(name: str) -> Parameters:
        return (*norm(f"{name}_norm", hidden), *linear(f"{name}_proj", 1, hidden))

    return (*pair("self_attention_res"), *pair("mlp_res")), pair("output_attn_res")


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
    residuals, last = _residuals(config, shape.hidden)
    norms = (*two_norms(shape.hidden), *residuals)
    layers = stack(
        zip(kinds, names, strict=True), lambda kind: Layer(mixers[kind[0]], feeds[kind[1]], norms)
    )
    return frame(config, Size(config), layers, extra=last, rotary_width=shape.rope)
