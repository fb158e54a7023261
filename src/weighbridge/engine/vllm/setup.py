"""The settings that a request means for vLLM: everything it would decide before it loads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from weighbridge.engine import Question
from weighbridge.engine.layout import Layout, settle_layout
from weighbridge.engine.sharding import check_layout
from weighbridge.engine.storage import ELEMENT
from weighbridge.engine.vllm import versions
from weighbridge.engine.vllm.dtypes import cache_format, compute_dtype, storage_of
from weighbridge.engine.vllm.pool import Packing, Placed, Pool, Taking, build_pool
from weighbridge.engine.vllm.specs import Form, Spec, layer_specs
from weighbridge.errors import EngineError, RequestError
from weighbridge.formats.cache import CacheFormat
from weighbridge.formats.table import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.model.facts import Layer, Model
from weighbridge.options import AUTO

BLOCK = 16
LATENT_BLOCKS = {"8": 16, "9": 64, "10": 64, "12": 16}
LATENT_ALIGNMENT = 64
# Recurrent states stay in fp32 where the model's config asks for it (models/config.py).
WIDE_STATES = ("nemotron_h", "qwen3_5", "kimi_linear", "kimi_k3", "glm5_next", "olmo_hybrid")
CACHED_METHODS = ("mtp", "eagle", "eagle3", "deepseek_mtp", "qwen3_next_mtp")


class Setup:
    """A question with everything that vLLM would decide from it; ``cards`` may be empty."""

    def __init__(self, question: Question) -> None:
        """Resolve every default; raises RequestError where options exclude each other."""
        self.question = question
        self.model: Model = question.model
        self.version = question.engine.version
        if self.version < versions.OLDEST:
            oldest = ".".join(map(str, versions.OLDEST))
            raise EngineError(
                f"{question.engine} is older than what is modelled; the oldest is vllm=={oldest}"
            )
        settled = settle_layout(question.deployment, question.cards)
        self.layout: Layout = settled.layout
        self.cards: tuple[Card, ...] = settled.cards
        check_layout(self.model, self.layout)
        self.notes: list[str] = list(settled.notes)
        self.own: Mapping[str, Any] = question.deployment.own
        self.storage: StorageFormat
        self.storage, self.as_stored = storage_of(question, self.notes)
        self.compute = compute_dtype(self.model, self.storage, self.capability, self.notes)
        self.cache: CacheFormat = cache_format(question.deployment.kv_cache_dtype, self.compute)

        most = self.model.max_positions
        if most is not None and self.length > most:
            self.notes.append(
                f"vLLM refuses a max_model_len beyond the model's {most:,} positions unless its "
                "rotary embedding is scaled or VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 is set"
            )

    @property
    def card(self) -> Card | None:
        """The first card; None where none was named."""
        return self.cards[0] if self.cards else None

    @cached_property
    def capability(self) -> tuple[int, int] | None:
        """Compute capability of the first card, where it has one."""
        text = self.question.cards[0].compute_capability if self.question.cards else None
        major, point, minor = (text or "").partition(".")
        if not point or not major.isdecimal() or not minor.isdecimal():
            return None
        return int(major), int(minor)

    @cached_property
    def v1(self) -> bool:
        """Whether the V1 core runs."""
        asked = self.own.get("use_v1")
        if asked is not None and versions.V1 <= self.version < versions.V0_GONE:
            return bool(asked)
        return versions.uses_v1(self.version, self.capability)

    @property
    def element(self) -> int:
        """Bytes of an element of the activations."""
        return ELEMENT[self.compute]

    @cached_property
    def length(self) -> int:
        """``max_model_len``: as asked, or what the model's positions allow."""
        asked = self.question.deployment.max_model_len
        if asked is not None and asked != AUTO:
            return asked
        return self.model.max_positions or int(_largest(self.question.tokens.cached))

    @cached_property
    def defaults(self) -> versions.SchedulerDefaults:
        """Sequences and tokens of a step where none is asked for."""
        if not self.v1:
            chunk = versions.v0_batched_tokens(self.length)
            return versions.SchedulerDefaults(versions.V0_SEQUENCES, chunk)
        memory = self.card.usable_bytes if self.card else 0
        a100 = self.card is not None and "a100" in self.card.id
        return versions.scheduler_defaults(self.version, memory, a100=a100)

    @cached_property
    def sequences(self) -> int:
        """``max_num_seqs``."""
        asked = self.question.deployment.max_num_seqs
        return asked or min(self.defaults.sequences, self.step)

    @cached_property
    def step(self) -> int:
        """``max_num_batched_tokens``."""
        asked = self.question.deployment.max_num_batched_tokens
        if asked is not None:
            return self._checked(asked)
        if self.own.get("enable_chunked_prefill") is False:
            return max(self.length, self.defaults.batched_tokens)
        wanted = self.question.deployment.max_num_seqs or self.defaults.sequences
        return max(1, min(self.defaults.batched_tokens, wanted * self.length))

    def _checked(self, step: int) -> int:
        """config/scheduler.py refuses a step that cannot hold what it must."""
        sequences = self.question.deployment.max_num_seqs
        if sequences is not None and step < sequences:
            raise RequestError(
                f"max_num_batched_tokens {step:,} must be at least max_num_seqs {sequences:,}"
            )
        if self.own.get("enable_chunked_prefill") is False and step < self.length:
            raise RequestError(
                f"without chunked prefill, max_num_batched_tokens {step:,} must be at least "
                f"max_model_len {self.length:,}"
            )
        return step

    @cached_property
    def utilization(self) -> float:
        """``gpu_memory_utilization``."""
        asked = self.question.deployment.gpu_memory_utilization
        if asked is not None and not 0 < asked <= 1:
            raise RequestError(
                f"gpu_memory_utilization {asked:g} is not a share of a device; give 0.9, say"
            )
        return versions.utilization(self.version) if asked is None else asked

    @cached_property
    def eager(self) -> bool:
        """Whether CUDA graphs are off."""
        return bool(self.own.get("enforce_eager"))

    @cached_property
    def asynchronous(self) -> bool:
        """Whether the next step is planned while this one runs."""
        asked = self.own.get("async_scheduling")
        if asked is not None:
            return bool(asked)
        return self.v1 and self.version >= versions.ASYNC_SCHEDULING

    @cached_property
    def recurrent(self) -> bool:
        """Whether some layer keeps a state."""
        return any(layer.mixer.state for layer, _ in self.model.layer_groups())

    @cached_property
    def prefix_caching(self) -> bool:
        """On by default in V1; for recurrent models since states have checkpoints."""
        asked = self.own.get("enable_prefix_caching")
        if asked is not None:
            return bool(asked)
        return self.v1 and (not self.recurrent or self.version >= versions.STATE_CHECKPOINTS)

    @cached_property
    def state_mode(self) -> str:
        """``mamba_cache_mode``: none, align or all."""
        asked = self.own.get("mamba_cache_mode")
        if asked in {"none", "align", "all"}:
            return str(asked)
        return "align" if self.prefix_caching else "none"

    @cached_property
    def drafted(self) -> int:
        """Tokens drafted a step; 0 without speculative decoding."""
        if not self.own.get("speculative_method") and not self.own.get("speculative_model"):
            return 0
        return int(self.own.get("num_speculative_tokens") or 1)

    @cached_property
    def draft_layers(self) -> tuple[Layer, ...]:
        """Layers that drafting adds: one more of the last attending kind, or a whole model's."""
        method = self.own.get("speculative_method") or "draft_model"
        if not self.drafted:
            return ()
        if self.own.get("speculative_model") and method not in CACHED_METHODS:
            from weighbridge.model.load import load_model

            return load_model(str(self.own["speculative_model"])).layers
        if method not in CACHED_METHODS:
            return ()
        attending = [layer for layer in self.model.layers if layer.mixer.cache]
        whole = [la for la in attending if not any(s.window for s in la.mixer.cache)]
        last = (whole or attending)[-1:]
        return tuple(last)

    @cached_property
    def latent(self) -> bool:
        """Whether latent attention caches its latent."""
        return self.version >= versions.LATENT_CACHE

    @cached_property
    def form(self) -> Form:
        """How caches and states are stored."""
        conv = self.own.get("mamba_cache_dtype", "auto")
        recurrence = self.own.get("mamba_ssm_cache_dtype", "auto")
        return Form(
            self.cache,
            self.layout.tensor,
            ELEMENT.get(_dtype(conv), self.element),
            ELEMENT.get(_dtype(recurrence)),
            self.model.family.startswith(WIDE_STATES),
            self.drafted,
            self.latent,
            not self.v1,
        )

    @cached_property
    def placed(self) -> tuple[Placed, ...]:
        """What every layer asks for, drafting layers last."""
        made: dict[int, tuple[Spec, ...]] = {}
        found = []
        for index, layer in enumerate((*self.model.layers, *self.draft_layers)):
            if id(layer) not in made:
                made[id(layer)] = layer_specs(layer, self.form)
            found += [Placed(index, spec) for spec in made[id(layer)]]
        if not self.v1:
            return tuple(p for p in found if p.spec.kind not in {"state", "cross"})
        return tuple(found)

    @cached_property
    def block(self) -> int:
        """Tokens of a block before states raise it."""
        asked = self.own.get("block_size")
        if asked:
            return int(asked)
        if not self.v1 or not any(each.spec.latent for each in self.placed):
            return BLOCK
        if len({each.spec.token for each in self.placed if each.spec.latent}) > 1:
            return 64
        wide = self.cache.name not in {"fp8", "fp8_ds_mla", "nvfp4_ds_mla"}
        if wide and self.version >= versions.FLASH_ATTENTION_MLA and self._major != "10":
            return BLOCK
        return LATENT_BLOCKS.get(self._major, BLOCK)

    @property
    def _major(self) -> str:
        return str(self.capability[0]) if self.capability else "9"

    @cached_property
    def hybrid(self) -> bool:
        """Whether layers that keep less are charged less."""
        if not self.v1 or self.own.get("disable_hybrid_kv_cache_manager"):
            return False
        if any(each.spec.kind == "chunked" for each in self.placed):
            return self.version >= versions.HYBRID_CHUNKED
        return self.version >= versions.HYBRID_MANAGER

    @cached_property
    def pool(self) -> Pool:
        """The groups of layers and the size of a block."""
        latent = any(each.spec.latent for each in self.placed)
        return build_pool(
            self.placed,
            Packing(
                self.block,
                max(LATENT_ALIGNMENT, self.block) if latent and self.recurrent else self.block,
                self.hybrid,
                versions.group_spread(self.version),
                self.length,
            ),
        )

    @cached_property
    def taking(self) -> Taking:
        """What a request takes of the pool beside its length."""
        return Taking(
            versions.in_flight(
                self.version,
                self.step,
                asynchronous=self.asynchronous,
                pipeline=self.layout.pipeline,
            ),
            self.layout.context,
            self.drafted,
            self.state_mode,
            self.version >= versions.MAMBA2_CHECKPOINT,
            self.model.encoder_tokens or 0,
        )

    @property
    def settings(self) -> dict[str, str]:
        """The decisions, which every answer spells out."""
        return {
            "engine": str(self.question.engine),
            "core": "V1" if self.v1 else "V0",
            "weights": self.storage.name,
            "activations": self.compute,
            "kv_cache_dtype": self.cache.name,
            "attn_implementation": "paged",
            "cache_implementation": "paged",
            "max_num_seqs": str(self.sequences),
            "max_num_batched_tokens": str(self.step),
            "gpu_memory_utilization": f"{self.utilization:g}",
            "tensor_parallel_size": str(self.layout.tensor),
            "pipeline_parallel_size": str(self.layout.pipeline),
            "data_parallel_size": str(self.layout.data),
            "decode_context_parallel_size": str(self.layout.context),
            "enable_expert_parallel": str(self.layout.expert).lower(),
            "block_size": str(self.pool.attention_block or self.pool.block),
            "enable_prefix_caching": str(self.prefix_caching).lower(),
            "async_scheduling": str(self.asynchronous).lower(),
            "enforce_eager": str(self.eager).lower(),
            **({"mamba_cache_mode": self.state_mode} if self.recurrent else {}),
        }


def _dtype(text: Any) -> str:
    names = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "half": "fp16"}
    return names.get(str(text), str(text))


def _largest(value: Any) -> int:
    return int(value) if isinstance(value, int) else int(value.max())
