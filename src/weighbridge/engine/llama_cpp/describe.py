"""A model's facts → the shapes of its graph, with what differs from family to family."""

from __future__ import annotations

import re
from typing import NamedTuple

from weighbridge.engine.llama_cpp.blocks import (
    DenseShape,
    ExpertsShape,
    Heads,
    dense_of,
    experts_of,
    heads_of,
    latent_of,
    names_of,
)
from weighbridge.engine.llama_cpp.recurrent import Recurrence
from weighbridge.engine.llama_cpp.stack import Mixing
from weighbridge.model.facts import Layer, Mixer, Model
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.mixers.delta_net import GatedDeltaNet
from weighbridge.model.mixers.heads import GroupedHeads
from weighbridge.model.mixers.mamba import Mamba
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.model.mixers.recurrent import Recurrent
from weighbridge.model.mixers.short_convolution import ShortConvolution


class Quirks(NamedTuple):
    """What a family's graph does otherwise (src/models/*.cpp).

    ``rows`` says where the rows with logits are picked: in the last ``layer``, before the last
    ``norm``, or before the ``head``. ``scaled`` multiplies the embedding; ``softcaps`` the scores
    of attention; ``rotary`` is False where positions are not used. ``parallel`` runs attention and
    feed-forward side by side; ``residual_first`` is the order of a sum's operands.
    """

    rows: str = "layer"
    scaled: bool = False
    softcaps: bool = False
    rotary: bool = True
    parallel: bool = False
    positions: int = 1
    temperature: bool = False
    residual_first: bool = False


GEMMA = Quirks(scaled=True)
LATE = Quirks(rows="head")
SIDE_BY_SIDE = Quirks(parallel=True)
FAMILIES: dict[str, Quirks] = {
    **dict.fromkeys(("gemma", "gemma3", "gemma3_text", "gemma4", "gemma4_text"), GEMMA),
    **dict.fromkeys(("gemma3n", "gemma3n_text"), Quirks(rows="norm", scaled=True)),
    "gemma2": Quirks(scaled=True, softcaps=True),
    **dict.fromkeys(("granite", "granitemoe", "granitemoeshared"), Quirks(scaled=True)),
    "granitemoehybrid": Quirks(scaled=True),
    "gpt_oss": Quirks(rows="norm"),
    **dict.fromkeys(("lfm2", "lfm2_moe"), Quirks(residual_first=True)),
    **dict.fromkeys(("qwen3_next", "nemotron_h"), LATE),
    **dict.fromkeys(("qwen3_5", "qwen3_5_moe", "qwen3_5_text"), Quirks(rows="head", positions=4)),
    **dict.fromkeys(("falcon", "gpt_neox", "gptj", "phi", "cohere", "cohere2"), SIDE_BY_SIDE),
    **dict.fromkeys(("llama4", "llama4_text"), Quirks(temperature=True)),
    **dict.fromkeys(("jamba", "mamba", "mamba2"), Quirks(rotary=False)),
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe"), Quirks(positions=4)),
}

# Families whose graph gave llama.cpp's own compute buffers (tests/truth/llamacpp_oracle.jsonl).
EXACT_GRAPHS = frozenset(
    {"llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "gemma2", "gemma3", "gemma3_text",
     "deepseek_v2", "deepseek_v3", "mamba2", "granitemoehybrid", "gpt_oss", "llama4",
     "llama4_text", "qwen3_next"}
)  # fmt: skip


class LayerShape(NamedTuple):
    """One layer's part of the graph."""

    mixers: tuple[Mixing, ...]
    feed: DenseShape | ExpertsShape | None


def quirks_of(model: Model) -> Quirks:
    """The row of the model's family; the plain one where it has none."""
    return FAMILIES.get(model.family, Quirks())


def shape_of(layer: Layer, model: Model) -> LayerShape:
    """The mixers and the feed-forward of a layer."""
    quirks = quirks_of(model)
    feed = layer.feed_forward
    shape: DenseShape | ExpertsShape | None = None
    if isinstance(feed, Dense):
        shape = dense_of(feed)
    elif isinstance(feed, MixtureOfExperts):
        shape = experts_of(feed, model.family)
    parts = layer.mixer.parts if isinstance(layer.mixer, Parallel) else (layer.mixer,)
    mixers = (_mixing(layer, part, quirks) for part in parts)
    return LayerShape(tuple(each for each in mixers if each is not None), shape)


def _mixing(layer: Layer, mixer: Mixer, quirks: Quirks) -> Mixing | None:
    if isinstance(mixer, LatentAttention):
        return latent_of(mixer)
    if isinstance(mixer, Recurrent):
        return recurrence_of(mixer)
    if isinstance(mixer, GroupedHeads):
        found = heads_of(layer._replace(mixer=mixer), softcapped=quirks.softcaps)
        if quirks.temperature:
            return found._replace(
                rotary=found.chunked, late_norm=found.chunked, tempered=not found.chunked
            )
        return found._replace(rotary=quirks.rotary)
    if mixer.cache:
        return _from_cache(mixer)
    return None


def _from_cache(mixer: Mixer) -> Heads:
    """Heads as wide as what the mixer keeps, for the kinds without a graph of their own."""
    stream = mixer.cache[0]
    heads = max(mixer.score_heads, 1)
    width = max(mixer.query_width // heads, 1)
    kept = max(stream.width // (2 * width), 1)
    return Heads(heads, kept, width, width, stream.window)


def recurrence_of(mixer: Recurrent) -> Recurrence:
    """What llama.cpp keeps of a recurrent layer: the convolution's inputs but the newest, and the
    state (llama_hparams::n_embd_r and n_embd_s), and the numbers of its graph."""
    convolution = mixer.convolution
    channels = convolution.channels if convolution else 0
    kernel = convolution.kernel if convolution else 1
    state = mixer.recurrent_elements
    names = names_of(mixer.parameters)  # type: ignore[attr-defined]
    inner = max(mixer.query_width, 1)  # type: ignore[attr-defined]
    plain = Recurrence("other", inner, channels, kernel, state)
    if isinstance(mixer, Mamba2):
        return plain._replace(
            kind="mamba2",
            inner=mixer.inner,
            heads=mixer.heads,
            groups=mixer.groups,
            state_size=mixer.state_size,
            normed=re.search(r"(?:mamba|mixer|ssm)_?\.?norm", names) is not None,
        )
    if isinstance(mixer, Mamba):
        return plain._replace(
            kind="mamba",
            inner=mixer.inner,
            state_size=mixer.state_size,
            rank=_rank(mixer),
            normed=re.search(r"dt_layernorm|ssm_dt_norm", names) is not None,
        )
    if isinstance(mixer, GatedDeltaNet):
        return plain._replace(
            kind="delta",
            inner=mixer.value_heads * mixer.value_dim,
            heads=mixer.value_heads,
            key_heads=mixer.key_heads,
            key_dim=mixer.key_dim,
        )
    if isinstance(mixer, ShortConvolution):
        return plain._replace(kind="convolution")
    return plain


def _rank(mixer: Mamba) -> int:
    """Columns of the projection of the time step."""
    for each in mixer.parameters:
        if re.search(r"dt_proj\.weight|ssm_dt\.weight", each.name):
            return each.shape[-1]
    return 1
