"""Hugging Face Transformers: a Python script, which is written and not read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weighbridge.engine.transformers.device_map import HOST, is_map, parse_limits
from weighbridge.launch.vllm import model_word
from weighbridge.launch.writing import comment, request_words, safe, settled_of
from weighbridge.planner import Plan

ENGINE = "transformers"
DTYPES = {"auto": '"auto"', "bf16": "torch.bfloat16", "fp16": "torch.float16",
          "fp32": "torch.float32"}  # fmt: skip
# A format of the weights → what quantizes to it on loading (transformers quantizers/).
QUANTIZERS = {
    "nf4": ("BitsAndBytesConfig", 'load_in_4bit=True, bnb_4bit_quant_type="nf4"'),
    "nf4-dq": (
        "BitsAndBytesConfig",
        'load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True',
    ),
    "fp4": ("BitsAndBytesConfig", 'load_in_4bit=True, bnb_4bit_quant_type="fp4"'),
    "fp4-dq": (
        "BitsAndBytesConfig",
        'load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=True',
    ),
    "int8": ("BitsAndBytesConfig", "load_in_8bit=True"),
    "quanto-int8": ("QuantoConfig", 'weights="int8"'),
    "quanto-int4": ("QuantoConfig", 'weights="int4"'),
    "hqq-int4": ("HqqConfig", "nbits=4, group_size=64"),
    "hqq-int8": ("HqqConfig", "nbits=8, group_size=64"),
    "hqq-int3": ("HqqConfig", "nbits=3, group_size=64"),
    "hqq-int2": ("HqqConfig", "nbits=2, group_size=64"),
    "fp8-block": ("FineGrainedFP8Config", ""),
}
_LOADING = """\
model = {kind}.from_pretrained(
    {name},
    dtype={dtype},
    device_map={device_map},{more}
)"""
_SCRIPT = """\
import torch
from transformers import {imports}

name = {name}
{loading}

# The workload of the plan, with random tokens.
if torch.cuda.is_available():
    torch.cuda.reset_peak_memory_stats()
ids = torch.randint(5, model.config.get_text_config().vocab_size, ({sequences}, {prompt}))
ids = ids.to(model.device)
with torch.inference_mode():
    model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        min_new_tokens={output},
        max_new_tokens={output},{cache}
    )
for device in range(torch.cuda.device_count()):
    peak = torch.cuda.max_memory_allocated(device) / 2**30
    held = torch.cuda.max_memory_reserved(device) / 2**30
    print(f"device {{device}}: {{peak:.2f}} GiB allocated at most, {{held:.2f}} GiB reserved")
"""


def loading(plan: Plan, name: str = "name", kind: str = "AutoModelForCausalLM") -> str:
    """The call that loads the model as the plan says; ``name`` is an expression of the script."""
    deployment = settled_of(plan).deployment
    own, attention = deployment.own, deployment.attn_implementation
    quantizer = QUANTIZERS.get(deployment.weights)
    more = []
    if own.get("max_memory"):
        more += [f"max_memory={_limits(plan, own['max_memory'])}", 'offload_folder="offload"']
    if attention != "auto":
        more.append(f"attn_implementation={json.dumps(attention)}")
    if quantizer is not None:
        more.append(f"quantization_config={quantizer[0]}({quantizer[1]})")
    return _LOADING.format(
        kind=kind,
        name=name,
        dtype="torch.bfloat16" if quantizer else DTYPES.get(deployment.weights, '"auto"'),
        device_map=_device_map(plan, own.get("device_map")),
        more="".join(f"\n    {each}," for each in more),
    )


def imports(plan: Plan, *names: str) -> list[str]:
    """What the script takes from Transformers, in order."""
    quantizer = QUANTIZERS.get(settled_of(plan).deployment.weights)
    return sorted([*names, *([quantizer[0]] if quantizer else [])])


def _on_host(plan: Plan) -> bool:
    return plan.machine is not None and plan.machine.devices[0].kind == "host"


def _device_map(plan: Plan, named: str | None) -> str:
    """The argument in Python: a map of modules, a word, or what a plan takes."""
    if is_map(named):
        return json.dumps(json.loads(named or ""), indent=4).replace("\n", "\n    ")
    if named is not None:
        return json.dumps(named)
    if len(plan.devices) > 1 or plan.request.deployment.own.get("max_memory"):
        return '"auto"'
    return '{"": "cpu"}' if _on_host(plan) else '{"": 0}'


def _limits(plan: Plan, text: str) -> str:
    """``max_memory`` as Python writes it; what the host holds is the processor's."""
    found = parse_limits(text, max(len(plan.devices), 1))
    if _on_host(plan):
        found = {HOST: found[0]}
    parts = (f'"cpu": {size}' if device == HOST else f"{device}: {size}"
             for device, size in found.items())  # fmt: skip
    return "{" + ", ".join(parts) + "}"


def write(plan: Plan) -> str:
    """A script that loads the model and runs the plan's workload, with the plan's numbers."""
    request = settled_of(plan)
    weights = request.deployment.weights
    cache = request.deployment.cache_implementation
    lines = comment(plan, ["weigh", *safe([request.model]), *request_words(request)])
    if weights not in DTYPES and weights not in QUANTIZERS:
        lines.append(
            f"# weights in {weights}: give the repository of a checkpoint that is stored so"
        )
    script = _SCRIPT.format(
        imports=", ".join(imports(plan, "AutoModelForCausalLM")),
        name=json.dumps(safe([model_word(request.model)])[0]),
        loading=loading(plan),
        sequences=request.workload.concurrency,
        prompt=plan.tokens.prompt,
        output=plan.tokens.output,
        cache=f"\n        cache_implementation={json.dumps(cache)}," * (cache != "dynamic"),
    )
    return "\n".join([*lines, script])


def device_map_text(placement: Mapping[str, Any]) -> str:
    """``device_map`` and ``max_memory`` of a placement as JSON.

    JSON has no numbers as keys: those of ``max_memory`` are to be read with ``int`` again.
    """
    kept = {name: placement[name] for name in ("device_map", "max_memory")}
    return json.dumps(kept, indent=2)
