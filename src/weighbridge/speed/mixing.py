"""Arithmetic of mixing tokens, by kind of mixer: attention's pairs, a recurrence's state.

One tiny function for each class of ``model/mixers``, found by the class's name so that a kind that
a model does not have is not imported. A multiply-add is two operations, as vendors state rates;
softmax, rotary positions and normalisation are left out, as in PaLM (arXiv:2204.02311, appendix B)
and Megatron (arXiv:2104.04473, appendix). Everything is for one layer and one sequence.

Attention costs ``2 · heads · (k_dim + v_dim)`` for each pair of a query with a key that it may see.
Pairs are differences of a sum over the prefix: a pass of ``new`` tokens that ends at ``positions``
has ``f(positions) - f(positions - new)`` of them, hence S(S+1)/2 for a prompt and ``positions`` for
a decode step. Weights that a mixer multiplies by, a convolution's taps among them, are not here:
they are parameters (``arithmetic.linear_operations``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from weighbridge.units import minimum


class Pass(NamedTuple):
    """The last ``new`` tokens of the ``positions`` that are then cached.

    ``absorbed`` says that latent attention works on the latent, as in decode; otherwise it expands
    the latent into heads. ``encoder`` and ``image`` are the tokens that cross-attention sees.
    """

    new: Any
    positions: Any
    absorbed: bool = False
    encoder: Any = 0
    image: Any = 0


Prefix = Callable[[Any], Any]


def causal(tokens: Any) -> Any:
    """Pairs of ``tokens`` in which each sees itself and all before it."""
    return tokens * (tokens + 1) // 2


def nearest(tokens: Any, window: int) -> Any:
    """Pairs where a token sees at most ``window`` tokens, itself among them."""
    start = minimum(tokens, window)
    return causal(start) + (tokens - start) * window


def within_chunks(tokens: Any, chunk: int) -> Any:
    """Pairs where a token sees its own chunk up to itself."""
    return tokens // chunk * causal(chunk) + causal(tokens % chunk)


def entries(tokens: Any, ratio: int) -> Any:
    """Pairs of tokens with entries that each stand for ``ratio`` tokens, once they are full."""
    full = tokens // ratio
    return ratio * (full * (full - 1) // 2) + full * (tokens - full * ratio + 1)


def chosen_entries(tokens: Any, ratio: int, top_k: int) -> Any:
    """The same where a token attends to at most ``top_k`` entries."""
    start = minimum(tokens, ratio * top_k)
    return entries(start, ratio) + (tokens - start) * top_k


def _pairs(seen: Pass, prefix: Prefix) -> Any:
    return prefix(seen.positions) - prefix(seen.positions - seen.new)


def _windowed(seen: Pass, window: int | None) -> Any:
    return _pairs(seen, causal if window is None else lambda n: nearest(n, window))


def _grouped(mixer: Any) -> int:
    """Operations per pair: scores over k_dim, values over v_dim, for every query head."""
    return int(2 * mixer.heads * (mixer.k_dim + mixer.v_dim))


def _full(mixer: Any, seen: Pass) -> Any:
    return _grouped(mixer) * _pairs(seen, causal)


def _sliding(mixer: Any, seen: Pass) -> Any:
    return _grouped(mixer) * _windowed(seen, mixer.window)


def _chunked(mixer: Any, seen: Pass) -> Any:
    return _grouped(mixer) * _pairs(seen, lambda n: within_chunks(n, mixer.chunk))


def _uniform(mixer: Any, seen: Pass) -> Any:
    """Keys and values of one width, full or in a window."""
    return 4 * mixer.heads * mixer.head_dim * _windowed(seen, mixer.window)


def _bidirectional(mixer: Any, seen: Pass) -> Any:
    """S² pairs; in a window, each token with up to half of it on either side."""
    tokens, window = seen.new, mixer.window
    pairs = tokens * tokens
    if window is not None:
        reach = window // 2
        start = minimum(tokens - 1, reach)
        pairs = tokens + 2 * (causal(start) + (tokens - 1 - start) * reach)
    return 4 * mixer.heads * mixer.head_dim * pairs


def _encoder_decoder(mixer: Any, seen: Pass) -> Any:
    """The decoder's own tokens, and every position of the encoder."""
    pairs = _pairs(seen, causal) + seen.new * seen.encoder
    return 4 * mixer.heads * mixer.head_dim * pairs


def _image(mixer: Any, seen: Pass) -> Any:
    return _grouped(mixer) * seen.new * seen.image


def _latent_pairs(mixer: Any, seen: Pass, pairs: Any) -> Any:
    """DeepSeek-V2, arXiv:2405.04434, section 2.1.2: absorbed, a pair costs heads × (latent + rope)
    for the score and heads × latent for the value; expanded, heads × (nope + rope) and heads ×
    v_dim, and the latents of tokens before this pass are expanded again."""
    if seen.absorbed:
        return 2 * mixer.heads * (2 * mixer.latent + mixer.rope) * pairs
    earlier = seen.positions - seen.new
    expanding = 2 * mixer.heads * mixer.latent * (mixer.nope + mixer.v_dim) * earlier
    return 2 * mixer.heads * (mixer.nope + mixer.rope + mixer.v_dim) * pairs + expanding


def _latent(mixer: Any, seen: Pass) -> Any:
    return _latent_pairs(mixer, seen, _pairs(seen, causal))


def _sliding_latent(mixer: Any, seen: Pass) -> Any:
    return _latent_pairs(mixer, seen, _windowed(seen, mixer.window))


def _indexing(mixer: Any, pairs: Any) -> Any:
    """Σ over index heads of a weight × ReLU(query · key): DeepSeek-V3.2, arXiv:2512.02556, (1)."""
    return 2 * mixer.index_heads * (mixer.index_dim + 1) * pairs


def _sparse_latent(mixer: Any, seen: Pass) -> Any:
    """Scores over all positions, attention over the chosen ones; a layer that uses another's
    choice (``index_dim`` 0) scores nothing."""
    chosen = _latent_pairs(mixer, seen, _windowed(seen, mixer.top_k))
    return chosen + (_indexing(mixer, _pairs(seen, causal)) if mixer.index_dim else 0)


def _sparse(mixer: Any, seen: Pass) -> Any:
    """MiniMax-M3 chooses whole blocks, which are counted as if all were full."""
    index = 2 * mixer.index_heads * mixer.index_dim * _pairs(seen, causal)
    return _grouped(mixer) * _windowed(seen, mixer.top_k) + index


def _pooled(mixer: Any, seen: Pass) -> Any:
    """Index scores over pools of keys; attention over the tokens of the chosen pools."""
    pools = _pairs(seen, lambda n: entries(n, mixer.pool))
    return _latent_pairs(mixer, seen, _windowed(seen, mixer.top_k)) + _indexing(mixer, pools)


def _compressed(mixer: Any, seen: Pass) -> Any:
    """DeepSeek-V4: the window, and the compressed entries behind it, all or the chosen ones."""
    each = 4 * mixer.heads * mixer.head_dim
    total = each * _windowed(seen, mixer.window)
    if not mixer.ratio:
        return total
    every = _pairs(seen, lambda n: entries(n, mixer.ratio))
    if not mixer.index_dim:
        return total + each * every
    chosen = every
    if mixer.top_k is not None:
        chosen = _pairs(seen, lambda n: chosen_entries(n, mixer.ratio, mixer.top_k))
    return total + each * chosen + _indexing(mixer, every)


def _mamba(mixer: Any, seen: Pass) -> Any:
    """9 · channels · state per token: the count that Mamba's authors give for the selective scan
    (state-spaces/mamba; VMamba's ``flops_selective_scan_fn``), and 2 for D · x."""
    return (9 * mixer.inner * mixer.state_size + 2 * mixer.inner) * seen.new


def _mamba2(mixer: Any, seen: Pass) -> Any:
    """h = a·h + (Δx)Bᵀ, y = C·h + D·x (arXiv:2405.21060, section 6): decay 1, outer product and sum
    2, read-out 2 per element of the state. The chunked form for matrix units does more."""
    return (5 * mixer.recurrent_elements + 3 * mixer.inner) * seen.new


def _gated_delta(mixer: Any, seen: Pass) -> Any:
    """S = α·S, then S += β·k(v - Sᵀk)ᵀ, then o = Sᵀq (arXiv:2412.06464, equation 10): decay 1, Sᵀk
    2, outer product and sum 2, read-out 2 for each of d_k · d_v, and v - Sᵀk and β per value."""
    values = mixer.value_heads * mixer.value_dim
    return (7 * mixer.recurrent_elements + 2 * values) * seen.new


def _kimi_delta(mixer: Any, seen: Pass) -> Any:
    """The gated delta rule with a decay per channel (arXiv:2510.26692), which costs the same."""
    return (7 * mixer.recurrent_elements + 2 * mixer.heads * mixer.head_dim) * seen.new


def _lightning(mixer: Any, seen: Pass) -> Any:
    """S = λ·S + kvᵀ, o = qS (arXiv:2401.04658, section 3): decay 1, outer product and sum 2,
    read-out 2."""
    return 5 * mixer.recurrent_elements * seen.new


def _time_mixing(mixer: Any, seen: Pass) -> Any:
    """S = S·diag(w) + (S·a)bᵀ + vkᵀ, o = S·r (arXiv:2503.14456, equation 17): decay 1, S·a 2, two
    outer products with their sums 4, read-out 2; mixing in the token before and the correction of
    the output, some twenty per channel, are left out."""
    return 9 * mixer.recurrent_elements * seen.new


def _rg_lru(mixer: Any, seen: Pass) -> Any:
    """h = a·h + √(1 - a²)·(i·x) with a = exp(-c·softplus(Λ)·r) (arXiv:2402.19427, section 2.4): ten
    operations per channel; its gates are weights."""
    return 10 * mixer.width * seen.new


def _matrix_lstm(mixer: Any, seen: Pass) -> Any:
    """C = f·C + i·vkᵀ, n = f·n + i·k, h = Cq / max(|n·q|, 1) (arXiv:2405.04517, equations 19-21):
    five per element of C and of n, and two per value."""
    memory = mixer.key_dim * mixer.value_dim + mixer.key_dim
    return mixer.heads * (5 * memory + 2 * mixer.value_dim) * seen.new


def _short_convolution(mixer: Any, seen: Pass) -> Any:
    """A gate before and one behind the convolution (arXiv:2511.23404)."""
    return 2 * mixer.channels * seen.new


def _nothing(_mixer: Any, _seen: Pass) -> Any:
    return 0


def _parallel(mixer: Any, seen: Pass) -> Any:
    total: Any = 0
    for part in mixer.parts:
        total = total + mixing_operations(part, seen)
    return total


MIXING: dict[str, Callable[[Any, Pass], Any]] = {
    "BidirectionalAttention": _bidirectional,
    "ChunkedAttention": _chunked,
    "CompressedAttention": _compressed,
    "ConvolvedAttention": _uniform,
    "EncoderDecoderAttention": _encoder_decoder,
    "FullAttention": _full,
    "GatedDeltaNet": _gated_delta,
    "GatedLinearRecurrence": _rg_lru,
    "ImageCrossAttention": _image,
    "KimiDeltaAttention": _kimi_delta,
    "LatentAttention": _latent,
    "LightningAttention": _lightning,
    "Mamba": _mamba,
    "Mamba2": _mamba2,
    "MatrixLSTM": _matrix_lstm,
    "NoMixing": _nothing,
    "Parallel": _parallel,
    "PooledIndexAttention": _pooled,
    "SharedAttention": _sliding,
    "ShortConvolution": _short_convolution,
    "ShortConvolvedAttention": _uniform,
    "SlidingAttention": _sliding,
    "SlidingLatentAttention": _sliding_latent,
    "SparseAttention": _sparse,
    "SparseLatentAttention": _sparse_latent,
    "TimeMixing": _time_mixing,
}


def mixing_operations(mixer: Any, seen: Pass) -> Any:
    """Operations of one layer's mixing over a pass of one sequence."""
    return MIXING[type(mixer).__name__](mixer, seen)
