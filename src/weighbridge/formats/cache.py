"""What the elements of a KV cache take: one row for each type that an engine can keep them in.

An engine asks ``find_cache_format(name).bytes_of(elements, head_dim=...)``. How many elements
there are is the mixers' business (``CacheStream.width`` × tokens); an int or an integer array will
do. ``head_dim`` is needed by those types alone that keep a scale for each vector of a head. Scales
that stand inside the cache are part of a row; a scale for a whole layer or tensor (vLLM's ``fp8``)
takes nothing that counts.
"""

from __future__ import annotations

from typing import Any

from weighbridge.errors import RequestError
from weighbridge.model.ggml import GGML
from weighbridge.records import record
from weighbridge.units import ceil_div


@record
class CacheFormat:
    """A type of cached elements: blocks of ``block`` elements that take ``size`` bytes.

    ``per_vector`` are bytes beside each vector of one head (its scale); ``engines`` are those that
    know the type under this name or an alias of it; ``nominal`` is the width of a value alone.
    """

    name: str
    title: str
    block: int
    size: int
    nominal: float
    engines: tuple[str, ...]
    source: str
    aliases: tuple[str, ...] = ()
    per_vector: int = 0

    def bytes_of(self, elements: Any, *, head_dim: int | None = None) -> Any:
        """Bytes of ``elements`` elements, an int or an integer array.

        ``head_dim`` is the length of the vectors that carry a scale each, for the types that do.

        >>> find_cache_format("q8_0").bytes_of(131072)
        139264
        >>> find_cache_format("fp8_per_token_head").bytes_of(2 * 8 * 128, head_dim=128)
        2112
        """
        size = ceil_div(elements, self.block) * self.size
        if not self.per_vector:
            return size
        if head_dim is None:
            raise RequestError(f"{self.name} keeps a scale for each head, whose length is needed")
        return size + ceil_div(elements, head_dim) * self.per_vector

    @property
    def bits(self) -> float:
        """Effective bits per element; scales of each head are not in it."""
        return self.size * 8 / self.block


EVERY = ("transformers", "vllm", "sglang", "tensorrt-llm", "llama.cpp", "ollama")
LLAMA = ("llama.cpp", "ollama")
_VALUES = "values only"
_PLAIN = (
    ("fp32", "32-bit floating point", 4, EVERY, ("float32", "f32")),
    ("bf16", "bfloat16", 2, EVERY, ("bfloat16",)),
    ("fp16", "16-bit floating point", 2, EVERY, ("float16", "f16", "half")),
)
_FP8 = ("fp8-e4m3", "fp8_e4m3", "fp8-e5m2", "fp8_e5m2")


def _plain(
    name: str, title: str, size: int, engines: tuple[str, ...], aliases: tuple[str, ...]
) -> CacheFormat:
    return CacheFormat(name, title, 1, size, size * 8, engines, _VALUES, aliases)


def _ggml(kind: str, nominal: int) -> CacheFormat:
    found = GGML[kind]
    return CacheFormat(
        kind.lower(),
        f"ggml {kind}: blocks of {found.block}, scales inside",
        found.block,
        found.size,
        nominal,
        LLAMA,
        "llama.cpp common/arg.cpp kv_cache_types; ggml-common.h",
    )


def _grouped(name: str, title: str, bits: int, group: int, source: str) -> CacheFormat:
    """``bits`` a value, with a 16-bit scale and a 16-bit zero point for each group."""
    size = group * bits // 8 + 4
    return CacheFormat(name, title, group, size, bits, ("transformers",), source)


CACHE_FORMATS: tuple[CacheFormat, ...] = (
    *(_plain(*row) for row in _PLAIN),
    CacheFormat(
        "fp8",
        "8-bit floating point, one scale per layer",
        1,
        1,
        8,
        ("vllm", "sglang", "tensorrt-llm"),
        "vLLM v1/kv_cache_interface.py: one byte an element",
        _FP8,
    ),
    CacheFormat(
        "int8",
        "8-bit integers, one scale per layer",
        1,
        1,
        8,
        ("vllm", "sglang", "tensorrt-llm"),
        "TensorRT-LLM and vLLM: one byte an element",
    ),
    CacheFormat(
        "fp8_per_token_head",
        "8-bit floating point, an fp32 scale per token and head",
        1,
        1,
        8,
        ("vllm",),
        "vLLM pull request 38378: 4 bytes beside each vector of a head",
        per_vector=4,
    ),
    CacheFormat(
        "int8_per_token_head",
        "8-bit integers, an fp32 scale per token and head",
        1,
        1,
        8,
        ("vllm",),
        "vLLM pull request 38378: 4 bytes beside each vector of a head",
        per_vector=4,
    ),
    CacheFormat(
        "fp8_ds_mla",
        "DeepSeek's latent: 512 in fp8 with 4 fp32 scales, 64 rotary in bf16",
        576,
        656,
        8,
        ("vllm",),
        "vLLM v1/kv_cache_interface.py: 656 bytes a token and layer",
    ),
    CacheFormat(
        "nvfp4_ds_mla",
        "DeepSeek's latent in NVFP4",
        576,
        352,
        4,
        ("vllm",),
        "vLLM 0.33 v1/kv_cache_interface.py: 352 bytes a token and layer",
    ),
    CacheFormat(
        "nvfp4",
        "NVFP4: 4-bit values, one fp8 scale per 16",
        16,
        9,
        4,
        ("vllm", "sglang", "tensorrt-llm"),
        "NVIDIA ModelOpt NVFP4: 16 values in 8 bytes, one scale of a byte; SGLang "
        "pool_configurator.py, kv_scale_buffer",
        ("fp4_e2m1",),
    ),
    _ggml("Q8_0", 8),
    _ggml("Q5_1", 5),
    _ggml("Q5_0", 5),
    _ggml("Q4_1", 4),
    _ggml("Q4_0", 4),
    _ggml("IQ4_NL", 4),
    CacheFormat(
        "q6_0",
        "ik_llama.cpp Q6_0: blocks of 32, scales inside",
        32,
        26,
        6,
        ("ik_llama.cpp",),
        "logs of ik_llama.cpp: 26 bytes for 32 elements",
    ),
    _grouped(
        "quanto-int4",
        "Quanto int4, groups of 64",
        4,
        64,
        "transformers cache_utils.py QuantoQuantizedLayer: scale and shift in 16 bit per group",
    ),
    _grouped(
        "quanto-int2",
        "Quanto int2, groups of 64",
        2,
        64,
        "transformers cache_utils.py QuantoQuantizedLayer: scale and shift in 16 bit per group",
    ),
    *(
        _grouped(
            f"hqq-int{bits}",
            f"HQQ int{bits}, groups of 64",
            bits,
            64,
            "transformers cache_utils.py HQQQuantizedLayer: scale and zero in 16 bit per group",
        )
        for bits in (8, 4, 2)
    ),
)


def find_cache_format(name: str) -> CacheFormat:
    """The row of this name or alias, whatever its case; raises RequestError with what is known."""
    wanted = name.strip().lower().replace("-", "_")
    for each in CACHE_FORMATS:
        if wanted in {known.replace("-", "_") for known in (each.name, *each.aliases)}:
            return each
    known = ", ".join(each.name for each in CACHE_FORMATS)
    raise RequestError(f"KV cache type {name[:40]!r} is not known; known are {known}")
