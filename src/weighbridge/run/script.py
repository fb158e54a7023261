"""A run as a plain program of Transformers, which needs nothing of ours."""

from __future__ import annotations

import json
from typing import Any

from weighbridge.launch.shell import join
from weighbridge.launch.transformers import imports, loading
from weighbridge.launch.writing import comment, safe
from weighbridge.run.choose import BY_BITSANDBYTES, ON_HOST, Choice

_HEAD = """\
import resource
import time

import torch
from transformers import {imports}

name = {name}
prompt = {prompt}
"""
# The shape of the model with weights at random, written once and loaded like any checkpoint.
_RANDOM = """
import tempfile

config = AutoConfig.for_model(**{config})
folder = tempfile.TemporaryDirectory()
name = folder.name
{kind}.from_config(config, dtype={stored}).save_pretrained(name)
"""
# What measure.lab.load.give_back does.
_TRIM = """
# Quantizing leaves freed pages in the C heap; glibc gives them back when asked.
import ctypes
import sys

if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):
    ctypes.CDLL(None).malloc_trim(0)
"""
_TEXT = """
tokenizer = AutoTokenizer.from_pretrained(name)
ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device)
streamer = TextStreamer(tokenizer, skip_prompt=True)
"""
_BYTES = """
# Random weights have no tokenizer: each byte of the prompt is a token.
vocabulary = model.config.get_text_config(decoder=True).vocab_size
ids = torch.tensor([[byte % vocabulary for byte in prompt.encode()]]).to(model.device)
streamer = None
"""
_GENERATE = """
start = time.perf_counter()
with torch.inference_mode():
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens={output},
        do_sample=False,
        streamer=streamer,
    )
seconds = time.perf_counter() - start
if streamer is None:
    print(*out[0, ids.shape[1]:].tolist())
print(f"{{out.shape[1] - ids.shape[1]}} tokens in {{seconds:.2f}} s")
"""
_ENCODE = """
with torch.inference_mode():
    out = model(input_ids=ids, output_hidden_states=True)
print(out.hidden_states[-1].float().mean(dim=1)[0])
"""
_TAIL = """\
for device in range(torch.cuda.device_count()):
    peak = torch.cuda.max_memory_allocated(device) / 2**30
    print(f"device {device}: {peak:.2f} GiB allocated at most")
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"{held:.2f} GiB resident at most")
"""


def write(choice: Choice, name: str, prompt: str, output: int, config: dict[str, Any] | None,
          stored: str) -> str:  # fmt: skip
    """The program of a choice; with a ``config`` its weights are random, in the ``stored`` type."""
    plan = choice.plan
    generates = plan.model.generates
    kind = "AutoModelForCausalLM" if generates else "AutoModelForMaskedLM"
    if plan.model.encodes_prompt:
        kind = "AutoModelForSeq2SeqLM"
    used = [kind, *(("AutoConfig",) if config else ("AutoTokenizer",))]
    if config is None and generates:
        used.append("TextStreamer")
    head = _HEAD.format(imports=", ".join(imports(plan, *used)), name=json.dumps(safe([name])[0]),
                        prompt=json.dumps(prompt))  # fmt: skip
    random = ""
    if config is not None:
        random = _RANDOM.format(config=repr(config), kind=kind, stored=stored)
    check = ["weigh", "run", *safe([name]), "--prompt", "…"]
    parts = [
        "\n".join(comment(plan, None))
        + "\n# the same with a measurement: "
        + join(check, width=10**9)
        + "\n",
        head,
        random,
        "\n" + loading(plan, "name", kind) + "\n",
        _TRIM if choice.weights in BY_BITSANDBYTES and choice.placement == ON_HOST else "",
        _TEXT if config is None else _BYTES,
        _GENERATE.format(output=output) if generates else _ENCODE,
        _TAIL,
    ]
    text = "".join(parts)
    return text if generates else text.replace("import time\n", "").replace(_STREAMER, "")


_STREAMER = "streamer = TextStreamer(tokenizer, skip_prompt=True)\n"
