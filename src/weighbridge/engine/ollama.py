"""How Ollama spends devices: llama.cpp with Ollama's own defaults.

Three eras. Up to 0.11 an estimate of its own decides how many layers go to the GPU; in 0.12 and
later the runner reserves and tries again; since 0.30 (2026-05) it starts llama-server, whose
``--fit`` decides. The context that llama.cpp gets is ``num_ctx`` × ``OLLAMA_NUM_PARALLEL``, cut
into a cache for each. Sources: ollama/ollama llm/memory.go, envconfig/config.go, server/sched.go,
and logs of 0.3, 0.9, 0.11 and 0.30. Families that Ollama 0.6 to 0.29 ran on an engine of its own
(gpt-oss, Gemma 3) kept sliding caches otherwise than llama.cpp; they are planned as llama.cpp's.
"""

from __future__ import annotations

from typing import Any

from weighbridge.engine import Engine, Question, Spending
from weighbridge.engine.llama_cpp import spend as spend_llama_cpp
from weighbridge.engine.llama_cpp.versions import Version
from weighbridge.model.facts import Model
from weighbridge.units import MIB, ceil_div

NEWEST: Version = (0, 30, 0)
# num_ctx where none is set: 2,048 until 0.5, then 4,096; since 0.15 more where 24 GiB of a GPU or
# more are free (docs/context-length).
CONTEXTS: tuple[tuple[Version, int], ...] = (((0, 6, 0), 4096), ((0, 0, 0), 2048))
# OLLAMA_NUM_PARALLEL where it is not set: logs show 4 in 0.3, 2 in 0.9 and 1 in 0.11.
PARALLEL: tuple[tuple[Version, int], ...] = (((0, 11, 0), 1), ((0, 9, 0), 2), ((0, 0, 0), 4))
FLASH_BY_ITSELF: Version = (0, 12, 0)
SERVER: Version = (0, 30, 0)
# Kept free on each GPU: 457 MiB, 512 on Metal (llm/memory.go), and --fit's 1,024 since 0.30.
LEAST_FREE, LEAST_FREE_METAL, LEAST_FREE_SERVER = 457, 512, 1024
BATCH = 512
# The llama.cpp of a version, by the date of its release.
BUILDS: tuple[tuple[Version, Version], ...] = (
    ((0, 30, 0), (0, 0, 9800)),
    ((0, 12, 0), (0, 0, 6600)),
    ((0, 9, 0), (0, 0, 5600)),
    ((0, 5, 0), (0, 0, 4400)),
    ((0, 0, 0), (0, 0, 3400)),
)


def default_context(model: Model, version: Version) -> int:
    """``num_ctx`` where none is set, no more than the model's positions."""
    taken: int = _since(CONTEXTS, version)
    return taken if model.max_positions is None else min(taken, model.max_positions)


def spend(question: Question) -> Spending:
    """llama.cpp's buffers under the context, slots and margins that Ollama passes on."""
    version, deployment = question.engine.version, question.deployment
    users = question.concurrency
    parallel = deployment.max_num_seqs or _since(PARALLEL, version)
    if isinstance(users, int) and deployment.max_num_seqs is None:
        parallel = max(parallel, users)
    each = deployment.max_model_len or default_context(question.model, version)
    own = _options(question, parallel, each)
    engine = Engine("llama.cpp", _since(BUILDS, version))
    asked = deployment._replace(max_num_seqs=parallel, max_model_len=None, own=own)
    answer = spend_llama_cpp(question._replace(engine=engine, deployment=asked))
    refusal = answer.refusal
    if refusal is not None:
        refusal = refusal._replace(option="", value="", others=())
    return answer._replace(
        notes=(*_notes(question, parallel, each), *answer.notes),
        settings={**answer.settings, "engine": str(question.engine), "program": "ollama"},
        refusal=refusal,
    )


def _options(question: Question, parallel: int, each: int) -> dict[str, Any]:
    """llama.cpp's flags as Ollama sets them."""
    version, deployment = question.engine.version, question.deployment
    own = deployment.own
    flash = own.get("flash_attention")
    if flash is None:
        flash = version >= FLASH_BY_ITSELF
    quantized = deployment.kv_cache_dtype.startswith("q")
    layers = own.get("num_gpu")
    return {
        "ctx_size": each * parallel,
        "n_gpu_layers": "auto" if layers is None else str(layers),
        "ubatch_size": min(BATCH, deployment.max_num_batched_tokens or BATCH),
        # Without flash attention OLLAMA_KV_CACHE_TYPE is not used (llm/server.go).
        "cache_type_k": "f16" if quantized and not flash else None,
        "cache_type_v": "f16" if quantized and not flash else None,
        "flash_attn": "on" if flash else "off",
        "program": "ollama",
        "fit_target": _margin(question) + ceil_div(own.get("gpu_overhead") or 0, MIB),
    }


def _margin(question: Question) -> int:
    """MiB kept free on each GPU."""
    if question.engine.version >= SERVER:
        return LEAST_FREE_SERVER
    metal = any(card.vendor == "Apple" for card in question.cards)
    return LEAST_FREE_METAL if metal else LEAST_FREE


def _notes(question: Question, parallel: int, each: int) -> list[str]:
    notes = [f"{parallel} × num_ctx {each:,} go to llama.cpp as one context of {parallel * each:,}"]
    if question.deployment.max_num_seqs is None:
        notes.append(f"OLLAMA_NUM_PARALLEL {parallel} is assumed; set it with --max-num-seqs")
    if question.deployment.kv_cache_dtype.startswith("q") and (
        question.deployment.own.get("flash_attention") is False
    ):
        notes.append("OLLAMA_KV_CACHE_TYPE is not used without OLLAMA_FLASH_ATTENTION")
    return notes


def _since(rows: tuple[tuple[Version, Any], ...], version: Version) -> Any:
    """The entry of the newest row that is not newer than ``version``."""
    return next(value for since, value in rows if version >= since)
