"""config.json → a config object of Transformers, from an allow-list of keys.

A config is untrusted: keys such as ``auto_map``, ``_attn_implementation_internal`` (CVE-2026-4372)
or ``trust_remote_code`` have made it run code. Only fields that the class itself declares pass,
none that starts with an underscore or names code, a repository or a path, and only plain values of
bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from weighbridge.errors import ConfigError

# Declared by every config class, but about files, code or tensors' placement rather than shape.
DENIED = frozenset({
    "base_config_key", "sub_configs_defaults", "attribute_map", "base_model_tp_plan",
    "base_model_fsdp_plan", "base_model_pp_plan", "base_model_ep_plan", "extra_files",
    "extra_config_files", "transformers_version", "architectures", "id2label", "label2id",
    "auto_map", "trust_remote_code", "quantization_config", "compression_config", "name_or_path",
    "dtype", "torch_dtype", "use_kernels", "backbone", "use_timm_backbone", "backbone_kwargs",
    "attn_implementation", "experts_implementation", "task_specific_params", "return_dict",
    "output_attentions", "output_hidden_states", "tokenizer_class", "problem_type",
})  # fmt: skip
# Older spellings that the classes still read, by the value that they may have.
LEGACY = frozenset({"rope_theta", "rope_scaling", "partial_rotary_factor", "rope_local_base_freq",
                    "sliding_window_pattern", "rotary_pct", "rotary_emb_base"})  # fmt: skip
# Shapes that a class reads from its config without declaring them (Qwen3-MoE's head_dim).
UNDECLARED = frozenset({"head_dim", "num_key_value_heads", "sliding_window", "layer_types",
                        "attention_bias", "mlp_bias", "rotary_dim", "v_head_dim",
                        "hybrid_override_pattern"})  # fmt: skip
_WORD = re.compile(r"[A-Za-z0-9_.\-+* ]{0,256}")
MOST_ITEMS, DEEPEST = 4096, 6


def allowed(kind: Any, raw: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The part of ``raw`` that the config class ``kind`` declares and that is plain data."""
    if depth > DEEPEST:
        raise ConfigError("the config is nested too deeply to be traced")
    names = {*getattr(kind, "__dataclass_fields__", ()), *getattr(kind, "attribute_map", ()),
             *LEGACY, *UNDECLARED} - DENIED  # fmt: skip
    nested = getattr(kind, "sub_configs", {}) or {}
    found: dict[str, Any] = {}
    for name, value in raw.items():
        if name.startswith("_") or name not in names:
            continue
        if name in nested and isinstance(value, Mapping):
            found[name] = section(_class_of(nested[name], value), value, depth + 1)
        else:
            found[name] = plain(name, value)
    return found


def section(kind: Any, raw: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """A nested config; its model_type goes along, as the outer class asks for it."""
    inside = allowed(kind, raw, depth)
    if "model_type" in raw:
        inside["model_type"] = plain("model_type", raw["model_type"])
    return inside


def plain(name: str, value: Any, depth: int = 0) -> Any:
    """Numbers, short words, and lists and maps of them; ConfigError for anything else."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    if depth < DEEPEST and isinstance(value, (list, tuple)) and len(value) <= MOST_ITEMS:
        return [plain(name, each, depth + 1) for each in value]
    if depth < DEEPEST and isinstance(value, Mapping) and len(value) <= MOST_ITEMS:
        return {str(plain(name, key)): plain(name, each, depth + 1) for key, each in value.items()}
    raise ConfigError(f"the config's {name[:60]} is not a value that a traced model may have")


def model_type_of(raw: Mapping[str, Any]) -> str:
    """The config's model_type, of those that Transformers knows."""
    from transformers import CONFIG_MAPPING

    kind = raw.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ConfigError(
            f"Transformers has no model_type {str(kind)[:60]!r}, so that there is no code to trace"
        )
    return kind


def make_config(raw: Mapping[str, Any], layers: int = 0) -> Any:
    """The config object, with ``layers`` decoder layers where that is not 0."""
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[model_type_of(raw)]
    values = allowed(kind, raw)
    try:
        config = kind(**values)
    except Exception as error:
        raise ConfigError(f"Transformers refuses the config: {str(error)[:300]}") from None
    if layers:
        _cut(config.get_text_config(decoder=True), layers)
    return config


def _cut(config: Any, layers: int) -> None:
    """Fewer or more layers; lists that speak of each layer are cut, or repeated by their period."""
    before = config.num_hidden_layers
    config.num_hidden_layers = layers
    for name, value in [*vars(config).items()]:
        if isinstance(value, list) and len(value) == before:
            setattr(config, name, (value * (layers // before + 1))[:layers])


def _class_of(kind: Any, raw: Mapping[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING

    if hasattr(kind, "__dataclass_fields__"):
        return kind
    return CONFIG_MAPPING[model_type_of(raw)]
