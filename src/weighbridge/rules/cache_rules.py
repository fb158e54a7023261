"""Rules for the KV cache, one row each."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.rules import cache_remarks as remarks
from weighbridge.rules import formulas
from weighbridge.rules.rule import Figure, Rule, Silent, one, our_cache
from weighbridge.rules.subject import Heads, Subject
from weighbridge.units import GB, format_parameters

SEVEN_B = (6 * GB, 9 * GB)
UNIT_NOTE = (
    "caches are powers of two, so GiB come out round and GB do not: 1 GiB printed as 1 GB is "
    "7.4 % off"
)
Found = Figure | Silent


def _no_cache(subject: Subject) -> Silent | None:
    """Why there is no cache to speak of."""
    if not subject.model.generates:
        return Silent(
            f"{subject.model.id} is an encoder: it reads its input in one pass and keeps no "
            "KV cache"
        )
    if subject.heads is None:
        return Silent(f"{subject.model.id} has no attention, and so no KV cache")
    return None


def _of_heads(pick: Callable[[Heads], int], word: str) -> Callable[[Subject], Found]:
    def figure(subject: Subject) -> Found:
        silent, heads = _no_cache(subject), subject.heads
        if silent is not None or heads is None:
            return silent or Silent("no attention")
        size = formulas.cache_of_heads(
            subject.layers, pick(heads), heads.head_dim, subject.tokens, subject.cache_bits
        )
        dim = "head dim (hidden / heads)" if heads.derived else "head dim"
        inputs = {"layers": subject.layers, word: pick(heads), dim: heads.head_dim}
        return one(size * subject.sequences, **inputs, **_lengths(subject))

    return figure


def _without_layers(subject: Subject) -> Found:
    size = formulas.cache_without_layers(subject.model.hidden, subject.tokens, subject.cache_bits)
    return _no_cache(subject) or one(
        size * subject.sequences, hidden=subject.model.hidden, **_lengths(subject)
    )


def _per_token(subject: Subject) -> Found:
    if not SEVEN_B[0] <= subject.parameters < SEVEN_B[1]:
        return Silent(
            "it is said of 7B models, and this one has "
            f"{format_parameters(subject.parameters)} parameters"
        )
    size = formulas.half_a_megabyte(subject.tokens) * subject.sequences
    return _no_cache(subject) or one(size, tokens=subject.tokens, sequences=subject.sequences)


def _lengths(subject: Subject) -> dict[str, int]:
    return {
        "tokens": subject.tokens,
        "bits": subject.cache_bits,
        "sequences": subject.sequences,
    }


RULES = (
    Rule(
        id="cache-kv-heads",
        title="The KV formula",
        formula="2 × layers × KV heads × head dim × tokens × bytes",
        unit="GiB",
        compute=_of_heads(lambda heads: heads.kv_heads, "KV heads"),
        against=our_cache,
        remarks=remarks.of_cache,
        source="Ainslie et al., GQA, arXiv:2305.13245; written out in kv-cache-size "
        "(https://docs.rs/kv-cache-size) and in most guides",
        near="when every layer has full attention: it is then exact, if head dim is read from the "
        "config and not taken as hidden / heads",
        fails="when layers see a window, keep a latent (MLA) or a fixed state instead of heads",
        unit_note=UNIT_NOTE,
    ),
    Rule(
        id="cache-all-heads",
        title="The KV formula with all query heads",
        formula="2 × layers × heads × head dim × tokens × bytes",
        unit="GiB",
        compute=_of_heads(lambda heads: heads.heads, "heads"),
        against=our_cache,
        remarks=remarks.of_all_heads,
        source="NVIDIA, Mastering LLM Techniques: Inference Optimization "
        "(https://developer.nvidia.com/blog/mastering-llm-techniques-inference-optimization), and "
        "kipply, Transformer Inference Arithmetic "
        "(https://kipp.ly/transformer-inference-arithmetic), both written for multi-head attention",
        near="when every query head has its own keys and values (GPT-3, LLaMA, Llama-2-7B)",
        fails="when heads share keys and values: heads / KV heads times too large under GQA, more "
        "under MLA and windows",
        unit_note=UNIT_NOTE,
    ),
    Rule(
        id="cache-without-layers",
        title="The KV formula without the layers",
        formula="2 × tokens × hidden × bytes",
        unit="MB",
        compute=_without_layers,
        against=our_cache,
        remarks=remarks.of_missing_layers,
        source="circulates in guides; no single origin found (LocalAI shipped a relative, bytes × "
        "hidden × KV heads × context: https://github.com/mudler/LocalAI, pkg/vram/estimate.go)",
        near="never: it is the cache of one layer",
        fails="always, by the number of layers: 33.5 MB where LLaMA-7B at 2,048 tokens in 16 bit "
        "needs 1 GiB",
        unit_note="33,554,432 bytes are 33.5 MB and 32 MiB: 4.9 % between the two readings",
    ),
    Rule(
        id="cache-half-mb",
        title="Half a megabyte per token for a 7B model",
        formula="0.5 MB × tokens × sequences",
        unit="MB",
        compute=_per_token,
        against=our_cache,
        remarks=remarks.of_each_token,
        source="System Overflow, What is KV cache and why does it dominate memory: about 0.5 MB "
        "for Llama 2 7B (https://www.systemoverflow.com/learn/ml-model-serving/"
        "inference-latency-optimization/"
        "what-is-kv-cache-and-why-does-it-dominate-memory-in-llm-inference)",
        near="when the model is LLaMA-7B or Llama-2-7B in 16 bit, with 32 KV heads",
        fails="on every later 7B that shares heads: 0.13 MB for Llama-3.1-8B, 0.06 MB for "
        "Qwen2.5-7B",
        unit_note="LLaMA-7B takes 524,288 bytes, which is 0.5 MiB: taken as MB it is 4.6 % low",
    ),
)
