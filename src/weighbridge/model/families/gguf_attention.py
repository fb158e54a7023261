"""How each block of a GGUF file mixes tokens: by the architecture's rule and the file's metadata.

To add an architecture, add its name in llama.cpp (src/llama-arch.cpp, ``LLM_ARCH_NAMES``) to the
table it belongs to, after reading its ``load_arch_hparams`` in src/models.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.errors import ConfigError
from weighbridge.model.config import COUNT, LAYERS, POSITIONS, Config
from weighbridge.model.facts import Mixer, Parameter
from weighbridge.model.families.gguf_layers import Block, of_layer
from weighbridge.model.mixers.bidirectional import BidirectionalAttention
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.sliding import SlidingAttention

# Every layer sees everything; phi3's window is not used (src/models/phi3.cpp).
FULL = frozenset(
    (
        *("apertus", "arcee", "arctic", "baichuan", "bailingmoe", "bailingmoe2", "bloom"),
        *("chatglm", "codeshell", "command-r", "dbrx", "deepseek", "dots1", "ernie4_5"),
        *("ernie4_5-moe", "exaone", "falcon", "gemma", "glm4", "glm4moe", "gpt2", "gptneox"),
        *("granite", "granitemoe", "grok", "hunyuan-dense", "hunyuan-moe", "internlm2", "jais"),
        *("llama", "minicpm", "minimax-m2", "mistral3", "mpt", "nemotron", "olmo", "olmoe"),
        *("orion", "phi2", "phi3", "phimoe", "plamo", "qwen", "qwen2", "qwen2moe", "qwen2vl"),
        *("qwen3", "qwen3moe", "qwen3vl", "qwen3vlmoe", "refact", "seed_oss", "smollm3"),
        *("stablelm", "starcoder", "starcoder2", "xverse"),
    )
)
LATENT = frozenset({"deepseek2"})
BIDIRECTIONAL = frozenset({"bert", "nomic-bert"})


class Sliding(NamedTuple):
    """Which layers slide where the file does not list them: the last of ``period`` is full.

    ``window`` is the size where the key is absent; None with ``required`` refuses the file, and
    None without it lets nothing slide.
    """

    window: int | None
    period: int
    required: bool = False


WINDOWED = {
    "cohere2": Sliding(None, 4, required=True),
    "gemma2": Sliding(4096, 2),
    "gemma3": Sliding(None, 6),
    "gpt-oss": Sliding(None, 2, required=True),
    "olmo2": Sliding(None, 4),
}
KNOWN = frozenset({*FULL, *LATENT, *BIDIRECTIONAL, *WINDOWED})


def windows_of(config: Config, architecture: str, layers: int) -> list[int | None]:
    """The window of each layer; None where it sees everything."""
    rule = WINDOWED.get(architecture)
    if rule is None:
        return [None] * layers
    if rule.required and not config.has("attention.sliding_window"):
        config.integer("sliding window", "attention.sliding_window")
    size = config.optional_integer(
        "sliding window", "attention.sliding_window", default=rule.window, high=POSITIONS
    )
    if not size:
        return [None] * layers
    stated = config.raw.get("attention.sliding_window_pattern")
    if isinstance(stated, list):
        if len(stated) < layers or any(each not in (0, 1) for each in stated):
            raise config.refuse(
                "attention.sliding_window_pattern", f"does not say for {layers} layers which slide"
            )
        return [size if slides else None for slides in stated[:layers]]
    period = config.integer(
        "window period", "attention.sliding_window_pattern", default=rule.period, high=LAYERS
    )
    return [None if index % period == period - 1 else size for index in range(layers)]


def mixer_of(
    config: Config, architecture: str, block: Block, index: int, window: int | None
) -> Mixer:
    """How the block of this index mixes tokens, its heads checked against its tensors."""
    parameters = tuple(block.mixer)
    heads = of_layer(config, "query heads", "attention.head_count", index)
    if not 1 <= heads <= COUNT:
        raise config.refuse("attention.head_count", f"cannot be right for layer {index}")
    if architecture in LATENT:
        return _latent(config, parameters, heads)
    kv_heads = of_layer(config, "KV heads", "attention.head_count_kv", index, heads)
    if kv_heads < 1 or heads % kv_heads:
        raise config.refuse("attention.head_count_kv", f"does not divide {heads} query heads")
    each = config.integer("hidden size", "embedding_length") // heads
    if window is not None and config.has("attention.key_length_swa"):
        k_dim = config.integer("key length of sliding layers", "attention.key_length_swa")
        v_dim = config.integer(
            "value length of sliding layers", "attention.value_length_swa", default=k_dim
        )
    else:
        k_dim = config.integer("key length", "attention.key_length", default=each)
        v_dim = config.integer("value length", "attention.value_length", default=each)
    _agree(config, block, index, "attn_k.weight", kv_heads * k_dim)
    _agree(config, block, index, "attn_v.weight", kv_heads * v_dim)
    _agree(config, block, index, "attn_q.weight", heads * k_dim)
    if architecture in BIDIRECTIONAL:
        return BidirectionalAttention(parameters, heads, k_dim)
    if window is not None:
        return SlidingAttention(parameters, heads, kv_heads, k_dim, v_dim, window)
    return FullAttention(parameters, heads, kv_heads, k_dim, v_dim)


def _agree(config: Config, block: Block, index: int, name: str, rows: int) -> None:
    """Refuse heads that the file's own tensors contradict."""
    shape = block.shape(name)
    if shape is not None and shape[0] != rows:
        raise ConfigError(
            f"{config.where}: blk.{index}.{name} has {shape[0]:,} rows, where head counts and "
            f"lengths say {rows:,}"
        )


def _latent(config: Config, parameters: tuple[Parameter, ...], heads: int) -> LatentAttention:
    """DeepSeek-V2's attention; files from before ``key_length_mla`` state the expanded lengths."""
    latent = config.integer("KV latent", "attention.kv_lora_rank")
    rope = config.integer("rotary key", "rope.dimension_count")
    key = config.integer("key length", "attention.key_length_mla", "attention.key_length")
    value = config.integer("value length", "attention.value_length_mla", "attention.value_length")
    if key <= rope:
        raise config.refuse("rope.dimension_count", f"is not below the key length {key}")
    return LatentAttention(parameters, heads, latent, rope, key - rope, value)
