"""What a layer keeps for its backward, against what the real class saves on the meta device."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from weighbridge.model.load import load_model
from weighbridge.training.layers import layer_tape
from weighbridge.training.quirks import quirk_of
from weighbridge.training.style import Style
from weighbridge.training.tape import saved

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")

TOKENS = 512
BASE: dict[str, Any] = {
    "hidden_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1408,
    "vocab_size": 1024,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "head_dim": 64,
}
MODELS: dict[str, dict[str, Any]] = {
    "llama": {"architectures": ["LlamaForCausalLM"]},
    "mistral": {"architectures": ["MistralForCausalLM"], "sliding_window": None},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": False},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "use_sliding_window": False},
    "granite": {"architectures": ["GraniteForCausalLM"]},
    "olmo2": {"architectures": ["Olmo2ForCausalLM"]},
    "gemma2": {"architectures": ["Gemma2ForCausalLM"], "layer_types": ["full_attention"] * 2},
    "phi3": {"architectures": ["Phi3ForCausalLM"], "pad_token_id": 0},
    "glm": {"architectures": ["GlmForCausalLM"], "pad_token_id": 0},
    "cohere": {"architectures": ["CohereForCausalLM"]},
    "starcoder2": {"architectures": ["Starcoder2ForCausalLM"], "sliding_window": None},
    "stablelm": {"architectures": ["StableLmForCausalLM"]},
    "gpt_neox": {"architectures": ["GPTNeoXForCausalLM"], "num_key_value_heads": 8},
    "mixtral": {"architectures": ["MixtralForCausalLM"], "num_local_experts": 4,
                "num_experts_per_tok": 2, "sliding_window": None},
    "qwen3_moe": {"architectures": ["Qwen3MoeForCausalLM"], "num_experts": 8,
                  "num_experts_per_tok": 2, "moe_intermediate_size": 256,
                  "decoder_sparse_step": 1, "mlp_only_layers": []},
}  # fmt: skip


def flash(_module: Any, q: Any, k: Any, v: Any, _mask: Any, scaling: Any = None, **_: Any) -> Any:
    """The attention that a card takes for causal heads of one width."""
    out = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, True, scale=scaling)[0]
    return out.transpose(1, 2).contiguous(), None


def saved_by_layers(config: Any) -> list[int]:
    """Bytes of storages that each layer adds to what autograd keeps."""
    transformers.AttentionInterface.register("card", flash)
    transformers.masking_utils.ALL_MASK_ATTENTION_FUNCTIONS.register("card", lambda *_, **__: None)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation="card"
        )
        ids = torch.zeros(1, TOKENS, dtype=torch.long)
        positions = torch.arange(TOKENS)[None]
    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, Any] = {}
    marks = [0]

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    stack = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
    for layer in stack:
        layer.register_forward_hook(
            lambda *_: marks.append(sum(each.nbytes() for each in kept.values()))
        )
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=ids, position_ids=positions, use_cache=False)
    return [after - before for before, after in pairwise(marks)]


@pytest.mark.parametrize("kind", MODELS)
def test_a_layer_keeps_what_the_real_class_saves(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly for most; the rest differ by constants such as an fp32 copy of a norm's weight."""
    monkeypatch.setattr(transformers.masking_utils, "find_packed_sequence_indices", lambda _: None)
    settings = {**BASE, **MODELS[kind], "model_type": kind}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    model = load_model(str(path))
    style = Style(tokens=TOKENS, seen=TOKENS, quirk=quirk_of(model.family))
    mine = saved(layer_tape(model.layers[1], model.hidden, style).ops) * TOKENS
    settings.pop("model_type")
    config = transformers.AutoConfig.for_model(kind, **settings)
    assert mine == pytest.approx(saved_by_layers(config)[1], rel=6e-3)
