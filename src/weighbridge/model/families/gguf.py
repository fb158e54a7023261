"""A GGUF file's metadata and tensors → facts, for the architectures whose layers are known.

The tables of architectures are in :mod:`weighbridge.model.families.gguf_attention`; all others are
refused by name, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import ConfigError, FileFormatError, UnknownArchitecture
from weighbridge.model.bounded import quoted
from weighbridge.model.config import LAYERS, POSITIONS, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.gguf_attention import (
    BIDIRECTIONAL,
    KNOWN,
    LATENT,
    keeping_layers,
    mixer_of,
)
from weighbridge.model.families.gguf_layers import PREFIX, Block, feed_forward, sort_tensors
from weighbridge.model.families.gguf_windows import windows_of
from weighbridge.model.gguf import Skipped
from weighbridge.model.gguf_splits import GgufModel
from weighbridge.model.tensors import Tensor, TensorTable

# What Transformers calls the family, where it is not the same word.
FAMILY = {
    "deci": "nemotron-nas",
    "deepseek2": "deepseek_v3",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "granitehybrid": "granitemoehybrid",
    "lfm2moe": "lfm2_moe",
    "mimo2": "mimo_v2_flash",
    "minimax-01": "minimax",
    "mistral3": "mistral",
    "nemotron_h_moe": "nemotron_h",
    "phi2": "phi",
    "qwen2moe": "qwen2_moe",
    "qwen35": "qwen3_5",
    "qwen35moe": "qwen3_5_moe",
    "qwen3moe": "qwen3_moe",
    "qwen3next": "qwen3_next",
}
PLAIN = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
OTHER_KINDS = {
    "adapter": "an adapter (LoRA)",
    "mmproj": "the vision or audio part of a model (mmproj)",
    "imatrix": "an importance matrix",
}
CONTROL_VECTOR, VISION = "controlvector", "clip"


def read_gguf_model(gguf: GgufModel, where: str) -> Model:
    """The facts of the model in a GGUF file; its parameters are the header's own.

    Raises :class:`UnknownArchitecture` where its layers are not known.
    """
    architecture = _architecture(gguf, where)
    config = _config(gguf.metadata, architecture, where)
    stored = config.integer("blocks", "block_count", high=LAYERS)
    ahead = config.integer("blocks that predict ahead", "nextn_predict_layers", default=0, low=0)
    if ahead >= stored:
        raise config.refuse("nextn_predict_layers", f"cannot be, of {stored} blocks")
    count = stored - ahead
    blocks, outer = sort_tensors(gguf.tensors, count)
    layers = _layers(config, architecture, blocks)
    hidden = config.integer("hidden size", "embedding_length")
    embedding = _embedding(gguf.tensors, hidden, where)
    tied = gguf.tensors.get("output.weight") is None
    return Model(
        id=where,
        family=FAMILY.get(architecture, architecture.replace("-", "_")),
        architecture=f"{architecture} (GGUF)",
        hidden=hidden,
        vocab=embedding.shape[0],
        layers=layers,
        outer=tuple(sorted(outer, key=_embeddings_first)),
        tied=tied and architecture not in BIDIRECTIONAL,
        dtype=_dtype(gguf.tensors),
        layer_prefix=PREFIX,
        generates=architecture not in BIDIRECTIONAL,
        softcapped=bool(config.raw.get("final_logit_softcapping")),
        max_positions=config.optional_integer("longest sequence", "context_length", high=POSITIONS),
        rotary_width=config.optional_integer("rotary width", "rope.dimension_count") or 0,
        quantization=_quantization(gguf),
        stored=gguf.tensors,
        stored_files=tuple(name for name, _ in gguf.files),
        basis="header",
        answers=dict(config.answers),
        notes=(*gguf.notes, *_notes(gguf, config, architecture, embedding, ahead)),
        source=f"header of {gguf.files[0][0]}"
        + (f" and {len(gguf.files) - 1} more parts" if len(gguf.files) > 1 else ""),
    )


def _architecture(gguf: GgufModel, where: str) -> str:
    kind = gguf.metadata.get("general.type", "model")
    name = gguf.metadata.get("general.architecture")
    what = OTHER_KINDS.get(str(kind))
    if name == VISION:
        what = OTHER_KINDS["mmproj"]
    if name == CONTROL_VECTOR:
        what = "a control vector"
    if what is not None:
        raise FileFormatError(f"{where} is {what}, not a language model; name the model's own file")
    if not isinstance(name, str) or not name or len(name) > 64:
        raise ConfigError(
            f"{where}: general.architecture is {quoted(name)}, so the layers cannot be known"
        )
    if len(gguf.tensors) == 0:
        raise FileFormatError(f"{where} holds no tensors (a vocabulary by itself?)")
    if name not in KNOWN:
        raise UnknownArchitecture(
            f"{where}: no family reads the GGUF architecture {quoted(name)}, and its memory will "
            "not be guessed; give the config.json of the model that it was made from, or a file of "
            f"another architecture: {', '.join(sorted(KNOWN))}"
        )
    return name


def _config(metadata: Mapping[str, Any], architecture: str, where: str) -> Config:
    """The keys of the architecture without its name before them, arrays as lists."""
    prefix = f"{architecture}."
    raw = {
        key.removeprefix(prefix): list(value) if isinstance(value, tuple) else value
        for key, value in metadata.items()
        if key.startswith(prefix)
    }
    return Config(raw, f"{where} ({architecture}.*)")


def _embedding(tensors: TensorTable, hidden: int, where: str) -> Tensor:
    found = tensors.get("token_embd.weight")
    if found is None or len(found.shape) != 2 or found.shape[1] != hidden or not found.elements:
        shape = "missing" if found is None else f"of shape {found.shape}"
        raise ConfigError(
            f"{where}: token_embd.weight is {shape}, where rows of {hidden:,} (embedding_length) "
            "are right"
        )
    return found


def _embeddings_first(parameter: Parameter) -> int:
    return 0 if parameter.role == "embedding" else 1


def _layers(config: Config, architecture: str, blocks: list[Block]) -> tuple[Layer, ...]:
    windows = windows_of(config, architecture, len(blocks))
    keeping = keeping_layers(config, architecture, len(blocks))
    made: dict[Any, Layer] = {}
    layers = []
    for index, block in enumerate(blocks):
        mixer = mixer_of(config, architecture, block, index, windows[index], keeping)
        feed = feed_forward(config, block, index)
        key = (
            block.signature,
            mixer.kind,
            mixer.cache,
            mixer.state,
            mixer.score_heads,
            getattr(feed, "top_k", 0),
        )
        if key not in made:
            made[key] = Layer(mixer, feed, tuple(block.norms))
        layers.append(made[key])
    return tuple(layers)


def _dtype(tensors: TensorTable) -> str:
    """The type most bytes are in, where it is a plain one; llama.cpp's cache type otherwise."""
    return PLAIN.get(_commonest(tensors), "fp16")


def _commonest(tensors: TensorTable) -> str:
    sizes = {kind: table.total_bytes for kind, table in tensors.by_dtype().items()}
    return max(sizes, key=lambda kind: sizes[kind])


def _quantization(gguf: GgufModel) -> dict[str, Any] | None:
    commonest = _commonest(gguf.tensors)
    if commonest in PLAIN:
        return None
    file_type = gguf.metadata.get("general.file_type")
    return {"quant_method": "gguf", "file_type": file_type, "commonest_type": commonest}


def _notes(
    gguf: GgufModel, config: Config, architecture: str, embedding: Tensor, ahead: int
) -> list[str]:
    notes = []
    tokens = gguf.metadata.get("tokenizer.ggml.tokens")
    vocabulary = embedding.shape[0]
    if isinstance(tokens, Skipped) and tokens.count != vocabulary:
        notes.append(
            f"the tokenizer has {tokens.count:,} tokens, the embedding {vocabulary:,} rows"
        )
    if ahead:
        notes.append(
            f"{ahead} blocks that predict ahead (MTP) are counted as weights; their cache is not"
        )
    if architecture in LATENT and not config.has("attention.key_length_mla"):
        notes.append(
            "this file is from before key_length_mla: llama.cpp keeps expanded keys and values "
            "for it, engines that cache the latent do not"
        )
    if architecture == "phi3" and config.raw.get("attention.sliding_window"):
        notes.append("the file states a sliding window, which llama.cpp does not use for phi3")
    return notes
