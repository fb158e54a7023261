"""What each layer asks of vLLM's cache on one rank: bytes per token, or pages of state.

vLLM states one ``KVCacheSpec`` per attention or state layer (v1/kv_cache_interface.py); layers
that share an earlier layer's cache, or only encode, state none.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from weighbridge.engine.sharding import extra_groups, local_kv_heads
from weighbridge.formats.cache import CacheFormat, find_cache_format
from weighbridge.model.facts import CacheStream, Layer, Mixer
from weighbridge.model.mixers.chunked import ChunkedAttention
from weighbridge.model.mixers.compressed import CompressedAttention
from weighbridge.model.mixers.cross import ImageCrossAttention
from weighbridge.model.mixers.encoder_decoder import EncoderDecoderAttention
from weighbridge.model.mixers.kimi_delta import KimiDeltaAttention
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.model.mixers.recurrent import Convolution, Recurrent
from weighbridge.model.mixers.sparse import SparseLatentAttention
from weighbridge.units import ceil_div

Kind = Literal["full", "sliding", "chunked", "state", "cross"]

# Index keys of sparse attention: 128 in fp8 and one fp32 scale (deepseek_v2.py, Indexer).
INDEX_BLOCK, INDEX_SCALE = 128, 4


class Spec(NamedTuple):
    """One layer's cache: ``token`` bytes per token seen in ``window``, or ``state`` bytes.

    ``latent`` says that the tokens are those of latent attention, ``checkpoints`` how many pages
    of state prefix caching keeps beside the two that every sequence has.
    """

    kind: Kind
    token: int = 0
    window: int = 0
    state: int = 0
    latent: bool = False
    checkpoints: int = 0


class Form(NamedTuple):
    """How a cache is stored: its format, and bytes of convolution and recurrent states."""

    cache: CacheFormat
    tensor: int = 1
    convolution: int = 2
    recurrence: int | None = None
    recurrence_wide: bool = False
    drafted: int = 0
    latent: bool = True
    every_attention: bool = False


def layer_specs(layer: Layer, form: Form) -> tuple[Spec, ...]:
    """What one layer asks for; a layer of several mixers asks for each."""
    mixer = layer.mixer
    parts = mixer.parts if isinstance(mixer, Parallel) else (mixer,)
    return tuple(spec for part in parts for spec in _mixer_specs(part, form))


def _mixer_specs(mixer: Mixer, form: Form) -> list[Spec]:
    if isinstance(mixer, LatentAttention):
        return _latent(mixer, form)
    if isinstance(mixer, EncoderDecoderAttention):
        width = 2 * local_kv_heads(mixer.heads, form.tensor) * mixer.head_dim
        size = form.cache.bytes_of(width, head_dim=mixer.head_dim)
        return [Spec("full", size), Spec("cross", size)]
    if isinstance(mixer, CompressedAttention):
        return [_stream(stream, stream.width, form, mixer.head_dim) for stream in mixer.cache]
    if isinstance(mixer, ImageCrossAttention) and not form.every_attention:
        return []
    kv_heads = int(getattr(mixer, "kv_heads", 0))
    found = [_sharded(stream, mixer, kv_heads, form) for stream in mixer.cache]
    state = state_page(mixer, form)
    if state:
        checkpoints = 1 if isinstance(mixer, Mamba2) else 0
        found.append(Spec("state", state=state, checkpoints=checkpoints))
    return found


def _sharded(stream: CacheStream, mixer: Mixer, kv_heads: int, form: Form) -> Spec:
    """Keys and values of the heads that a rank keeps; index keys are on every rank."""
    width, head_dim = stream.width, None
    if stream.name == "index":
        return Spec("full", width + ceil_div(width, INDEX_BLOCK) * INDEX_SCALE)
    if kv_heads and width % kv_heads == 0:
        head_dim = int(getattr(mixer, "k_dim", 0) or getattr(mixer, "head_dim", 0)) or None
        width = width // kv_heads * local_kv_heads(kv_heads, form.tensor)
    spec = _stream(stream, width, form, head_dim)
    if isinstance(mixer, ChunkedAttention) and spec.window:
        return spec._replace(kind="chunked")
    return spec


def _stream(stream: CacheStream, width: int, form: Form, head_dim: int | None) -> Spec:
    size = form.cache.bytes_of(width, head_dim=head_dim) // stream.stride or 1
    if stream.window:
        return Spec("sliding", size, stream.window)
    return Spec("full", size)


def _latent(mixer: LatentAttention, form: Form) -> list[Spec]:
    """The latent is whole on every rank; before 0.7.1 keys and values of each head were kept."""
    if not form.latent:
        heads = local_kv_heads(mixer.heads, form.tensor)
        width = heads * 2 * max(mixer.nope + mixer.rope, mixer.v_dim)
        return [Spec("full", form.cache.bytes_of(width, head_dim=mixer.nope + mixer.rope))]
    sparse = isinstance(mixer, SparseLatentAttention)
    cache = form.cache
    if sparse and cache.name == "fp8":
        cache = find_cache_format("fp8_ds_mla")
    found = []
    for stream in mixer.cache:
        if stream.name == "index":
            size = stream.width + ceil_div(stream.width, INDEX_BLOCK) * INDEX_SCALE
            found.append(Spec("full", size, latent=True))
            continue
        size = cache.bytes_of(stream.width, head_dim=stream.width)
        kind: Kind = "sliding" if stream.window else "full"
        found.append(Spec(kind, size, stream.window or 0, latent=True))
    return found


def state_page(mixer: Mixer, form: Form) -> int:
    """Bytes of one page of state on one rank: convolution inputs before the newest, recurrence.

    vLLM model_executor/layers/mamba/mamba_utils.py; drafted tokens lengthen the convolution.
    """
    if not isinstance(mixer, Recurrent):
        return sum(
            ceil_div(state.elements, form.tensor) * (4 if state.precision == "fp32" else 2)
            for state in mixer.state
        )
    size = 0
    convolution = mixer.convolution
    if convolution is not None:
        inputs = convolution.kernel - 1 + form.drafted
        size += _channels(mixer, convolution, form.tensor) * inputs * form.convolution
    size += ceil_div(mixer.recurrent_elements, form.tensor) * recurrence_bytes(mixer, form)
    return size


def _channels(mixer: Mixer, convolution: Convolution, tensor: int) -> int:
    extra = 0
    if isinstance(mixer, Mamba2):
        extra = 2 * extra_groups(mixer.groups, tensor) * mixer.state_size
    return ceil_div(convolution.channels + extra, tensor)


def recurrence_bytes(mixer: Mixer, form: Form) -> int:
    """Bytes of an element of the recurrence: as asked, wide where the model says so."""
    if form.recurrence is not None:
        return form.recurrence
    if isinstance(mixer, KimiDeltaAttention) or form.recurrence_wide:
        return 4
    return form.convolution
