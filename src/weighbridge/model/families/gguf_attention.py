"""How each block of a GGUF file mixes tokens: by the architecture's rule and the file's metadata.

To add an architecture, add its name in llama.cpp (src/llama-arch.cpp, ``LLM_ARCH_NAMES``) to the
table it belongs to, after reading its ``load_arch_hparams`` in src/models: the sets here, windows
in :mod:`gguf_windows`, states in :mod:`gguf_states`.
"""

from __future__ import annotations

from weighbridge.errors import ConfigError
from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Mixer, Parameter
from weighbridge.model.families.gguf_layers import Block, of_layer
from weighbridge.model.families.gguf_states import KV_HEADS, STATES, feeds_forward
from weighbridge.model.families.gguf_windows import CHUNKED, WINDOWED
from weighbridge.model.mixers.bidirectional import BidirectionalAttention
from weighbridge.model.mixers.chunked import ChunkedAttention
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.nothing import NoMixing
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.model.mixers.shared import SharedAttention
from weighbridge.model.mixers.sliding import SlidingAttention

# Every layer sees everything; phi3's window is not used (src/models/phi3.cpp).
FULL = frozenset(
    (
        *("apertus", "arcee", "arctic", "baichuan", "bailingmoe", "bailingmoe2", "bitnet", "bloom"),
        *("chatglm", "codeshell", "command-r", "dbrx", "deci", "deepseek", "dots1", "ernie4_5"),
        *("ernie4_5-moe", "exaone", "falcon", "gemma", "glm4", "glm4moe", "gpt2", "gptneox"),
        *("granite", "granitemoe", "grok", "grovemoe", "hunyuan-dense", "hunyuan-moe"),
        *("hunyuan_vl", "hy_v3", "internlm2", "jais", "jais2", "llama", "llama-embed", "maincoder"),
        *("minicpm", "minimax-m2", "mistral3", "mpt", "nemotron", "olmo", "olmoe", "openelm"),
        *("orion", "paddleocr", "pangu-embedded", "phi2", "phi3", "phimoe", "plamo", "qwen"),
        *("qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3vl", "qwen3vlmoe", "refact"),
        *("seed_oss", "smollm3", "stablelm", "starcoder", "starcoder2", "xverse"),
    )
)
LATENT = frozenset({"deepseek2", "kimi-k3", "kimi-linear"})
BIDIRECTIONAL = frozenset(
    (
        *("bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert"),
        *("neo-bert", "nomic-bert", "nomic-bert-moe"),
    )
)
# The query projection makes the gate of the output too, and is twice as wide.
GATED_QUERIES = frozenset({"qwen35", "qwen35moe", "qwen3next"})
# Blocks that attend to nothing are part of the design, where the file states no KV heads.
WITHOUT_ATTENTION = frozenset({"deci"})
FEED_FORWARD_ALONE = frozenset({"nemotron_h", "nemotron_h_moe"})
# Later layers read what earlier ones keep: how many keep, where the file's key does not say.
SHARING = {"gemma3n": 20, "gemma4": None}


KNOWN = frozenset({*FULL, *LATENT, *BIDIRECTIONAL, *WINDOWED, *STATES})


def mixer_of(
    config: Config, architecture: str, block: Block, index: int, window: int | None, keeping: int
) -> Mixer:
    """How the block of this index mixes tokens; the first ``keeping`` have a cache of their own."""
    states = STATES.get(architecture)
    if states is not None and states.keeps(config, index):
        if not states.beside:
            return states.read(config, block, index, tuple(block.mixer))
        inner = [each.name.startswith("ssm_") for each in block.mixer]
        of_state = tuple(
            each for each, is_inner in zip(block.mixer, inner, strict=True) if is_inner
        )
        rest = tuple(
            each for each, is_inner in zip(block.mixer, inner, strict=True) if not is_inner
        )
        attends = _attention(config, architecture, block, index, window, rest)
        return Parallel((attends, states.read(config, block, index, of_state)))
    if _attends_to_nothing(config, architecture, index):
        return NoMixing(tuple(block.mixer))
    if not block.mixer or (states is not None and block.shape("attn_output.weight") is None):
        raise ConfigError(
            f"{config.where}: the file holds no attention tensors of block {index}, which the keys "
            "say attends; it is not a whole model"
        )
    mixer = _attention(config, architecture, block, index, window, tuple(block.mixer))
    if index >= keeping and isinstance(mixer, FullAttention | SlidingAttention):
        geometry = (mixer.heads, mixer.kv_heads, mixer.k_dim, mixer.v_dim)
        return SharedAttention(mixer.parameters, *geometry, window)
    return mixer


def keeping_layers(config: Config, architecture: str, layers: int) -> int:
    """How many layers have a cache of their own; the others read theirs."""
    if architecture not in SHARING:
        return layers
    kept = SHARING[architecture]
    if kept is None:
        shared = config.integer(
            "layers that share", "attention.shared_kv_layers", default=0, low=0, high=layers
        )
        kept = layers - shared
    if kept < min(2, layers):
        raise config.refuse("attention.shared_kv_layers", f"leaves no layer of {layers} a cache")
    return kept


def _attends_to_nothing(config: Config, architecture: str, index: int) -> bool:
    if architecture in FEED_FORWARD_ALONE:
        return feeds_forward(config, index)
    return architecture in WITHOUT_ATTENTION and of_layer(config, "KV heads", KV_HEADS, index) == 0


def _attention(
    config: Config,
    architecture: str,
    block: Block,
    index: int,
    window: int | None,
    parameters: tuple[Parameter, ...],
) -> Mixer:
    """Softmax attention of a block, its heads checked against its tensors."""
    heads = of_layer(config, "query heads", "attention.head_count", index)
    if not 1 <= heads <= COUNT:
        raise config.refuse("attention.head_count", f"cannot be right for layer {index}")
    if architecture in LATENT:
        return _latent(config, parameters, heads)
    kv_heads = of_layer(config, "KV heads", KV_HEADS, index, heads)
    if kv_heads < 1 or heads % kv_heads:
        raise config.refuse(KV_HEADS, f"does not divide {heads} query heads")
    k_dim, v_dim = _lengths(config, heads, sliding=window is not None)
    gates = 2 if architecture in GATED_QUERIES else 1
    _agree(config, block, index, "attn_k.weight", kv_heads * k_dim)
    _agree(config, block, index, "attn_v.weight", kv_heads * v_dim)
    _agree(config, block, index, "attn_q.weight", gates * heads * k_dim)
    geometry = (heads, kv_heads, k_dim, v_dim)
    if architecture in BIDIRECTIONAL:
        return BidirectionalAttention(parameters, heads, k_dim, window)
    if window is None:
        return FullAttention(parameters, *geometry)
    kind = ChunkedAttention if architecture in CHUNKED else SlidingAttention
    return kind(parameters, *geometry, window)


def _lengths(config: Config, heads: int, *, sliding: bool) -> tuple[int, int]:
    """Elements of a head's key and value, which sliding layers may state for themselves."""
    if sliding and config.has("attention.key_length_swa"):
        fact = "of sliding layers"
        k_dim = config.integer(f"key length {fact}", "attention.key_length_swa")
        return k_dim, config.integer(
            f"value length {fact}", "attention.value_length_swa", default=k_dim
        )
    each = config.integer("hidden size", "embedding_length") // heads
    return (
        config.integer("key length", "attention.key_length", default=each),
        config.integer("value length", "attention.value_length", default=each),
    )


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
