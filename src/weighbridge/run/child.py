"""The child's side of a run: loads a checkpoint as the plan says, streams text, measures itself."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from weighbridge.measure.beside import MAPPED
from weighbridge.measure.lab import kernels
from weighbridge.measure.lab.inference import Passes, attention_of
from weighbridge.measure.lab.load import give_back, load_model
from weighbridge.measure.lab.meters import Meter, card, choose_device, versions
from weighbridge.measure.lab.observe import (
    cache_bytes,
    live_peaks,
    model_bytes,
    quantization_states,
    terms_of,
)
from weighbridge.run.source import has_tokenizer
from weighbridge.run.streaming import Stream
from weighbridge.trace.question import Question
from weighbridge.trace.tracker import StorageTracker

Say = Callable[..., None]
STEPS_FOLLOWED = 2
LONGEST_FOLLOWED = 180.0  # seconds of prefill beyond which it is not run again to be followed


def run(message: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Text, and what it took."""
    device = choose_device("cpu" if message["on_host"] else "auto")
    meter = Meter(device)
    with tempfile.TemporaryDirectory(prefix="weigh-run-") as scratch:
        folder = message["folder"]
        _settle(folder, message)
        meter.see("base", "resident", _base(meter))
        model = _loaded(message, folder, scratch, meter, say)
        give_back()
        held = model_bytes(model)
        found = _generated(message, model, folder, meter, say)
        say("phase", name="the prompt once more, to follow its tensors")
        followed = _followed(message, model, found.pop("ids"), meter)
    # After all that is measured of memory: what it frees would change where malloc puts the rest.
    rates = _rates(message["compute"]) if message["on_host"] else {}
    meter.see("buffers", "resident", held["buffers"])
    if message["on_host"] and meter.seen.pop(("resident_peak", "load"), None):
        meter.notes.append(MAPPED)
    weights = {"name": "weights", "phase": "resident", "bytes": held["parameters"], "number": "",
               "formula": "distinct storages of parameters and quantization states"}  # fmt: skip
    return {
        **found,
        "terms": [weights, *found.pop("cache"), *followed],
        "rates": rates,
        "quantities": [{"name": n, "phase": p, "values": v} for (n, p), v in meter.seen.items()],
        "machine": {"device": meter.runtime, **card(device), "threads": torch.get_num_threads()},
        "versions": versions(),
        "notes": meter.notes,
    }


def _rates(compute: str) -> dict[str, float]:
    """Bytes/s and operations/s of this processor now: what the floor of time is set by."""
    meter = Meter("cpu")
    kernels.copy({"bytes": 128 * 2**20, "direction": "device"}, meter, 3)
    kernels.product({"dtype": compute, "m": 64, "n": 2048, "k": 2048}, meter, 3)
    return {
        "bandwidth": 2 * max(meter.seen["copy_rate", "resident"]),
        "flops": max(meter.seen["product_rate", "resident"]),
    }


def _settle(folder: str, message: Mapping[str, Any]) -> None:
    """Import what the run will import, so that what follows is the model's."""
    from weighbridge.measure.lab.child import warm_up
    from weighbridge.measure.lab.load import auto_class
    from weighbridge.model.raw import raw_config
    from weighbridge.trace.build import build

    warm_up("cpu" if message["on_host"] else choose_device("auto"))
    if not message["trusted"]:
        auto_class(folder, trusted=False)
        config = raw_config(folder)
        build(Question(config=config, dtype="bf16", run="prefill",
                       attn_implementation=attention_of("auto", config)))  # fmt: skip
    if message["weights"] in {"int8", "nf4", "nf4-dq"}:
        import bitsandbytes  # noqa: F401
    gc.collect()


def _base(meter: Meter) -> int:
    from weighbridge.measure.lab.child import base_of

    return base_of(meter)


def _loaded(message: Mapping[str, Any], folder: str, scratch: str, meter: Meter, say: Say) -> Any:
    """The model on its devices; the bar of Transformers becomes events."""
    from transformers.utils import logging

    def bar(factory: Any, args: Any, options: Any) -> Any:
        items = args[0] if args else options.get("iterable")
        if items is None:
            return factory(*args, **{**options, "disable": True})
        return _told([*items], say)

    logging.set_tqdm_hook(bar)
    limits = message["max_memory"]
    limits = limits and {int(k) if k.isdecimal() else k: v for k, v in limits.items()}
    place = message["device_map"]
    with meter.phase("load"):
        return load_model(
            folder, message["weights"], place, attention=message["attention"], max_memory=limits,
            offload=os.path.join(scratch, "offload"), trusted=message["trusted"],
        )  # fmt: skip


def _told(items: list[Any], say: Say) -> Iterator[Any]:
    """The items of a loop; each that is done is said."""
    for number, item in enumerate(items, 1):
        yield item
        say("progress", what="loading", done=number, total=len(items))


def _generated(
    message: Mapping[str, Any], model: Any, folder: str, meter: Meter, say: Say
) -> dict[str, Any]:
    tokenizer = _tokenizer(folder, message)
    ids = _ids(message, tokenizer, model).to(model.device)
    say("prompt", tokens=int(ids.shape[1]))
    if not message["generates"]:
        return {**_encoded(model, ids, meter), "ids": ids}
    stream = Stream(tokenizer, meter, lambda text: say("text", text=text))
    torch.manual_seed(message["seed"])
    with torch.inference_mode(), stream:
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=message["max_new_tokens"],
            do_sample=message["sample"], streamer=stream, return_dict_in_generate=True,
            **({} if message["stops"] else {"min_new_tokens": message["max_new_tokens"]}),
        )  # fmt: skip
    cache = [
        {"name": name, "phase": "decode", "bytes": size, "number": "",
         "formula": "tensors of the cache after it"}
        for name, size in cache_bytes(out).items() if size
    ]  # fmt: skip
    return {"text": stream.text, "prompt_tokens": int(ids.shape[1]), "cache": cache, "ids": ids,
            "output_tokens": stream.tokens}  # fmt: skip


def _encoded(model: Any, ids: torch.Tensor, meter: Meter) -> dict[str, Any]:
    """An encoder's answer: the mean of its last hidden states, as a start of the vector."""
    with torch.inference_mode(), meter.phase("prefill"):
        out = model(input_ids=ids, output_hidden_states=True)
    vector = out.hidden_states[-1].float().mean(dim=1)[0]
    first = ", ".join(f"{float(each):+.4f}" for each in vector[:4])
    return {"text": f"[{first}, …] {vector.numel()} numbers", "prompt_tokens": int(ids.shape[1]),
            "cache": [], "output_tokens": 0}  # fmt: skip


def _tokenizer(folder: str, message: Mapping[str, Any]) -> Any:
    """The folder's tokenizer; None where it has none, as random weights have not."""
    if not has_tokenizer(os.listdir(folder)):
        return None
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=message["trusted"]
    )


def _ids(message: Mapping[str, Any], tokenizer: Any, model: Any) -> torch.Tensor:
    """The prompt's tokens; without a tokenizer each byte is one."""
    if tokenizer is None:
        size = model.config.get_text_config(decoder=True).vocab_size
        return torch.tensor([[byte % size for byte in message["prompt"].encode()]])
    if message["chat"]:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": message["prompt"]}], tokenize=False,
            add_generation_prompt=True,
        )  # fmt: skip
        return torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    return torch.tensor([tokenizer(message["prompt"])["input_ids"]])


def _followed(
    message: Mapping[str, Any], model: Any, ids: torch.Tensor, meter: Meter
) -> list[dict[str, Any]]:
    """The prompt once more with every storage followed; not where that would take long."""
    seconds = meter.seen.get(("seconds", "prefill"), [0.0])[0]
    if seconds > LONGEST_FOLLOWED:
        meter.notes.append(f"the prompt took {seconds:.0f} s and was not run again to follow its "
                           "tensors")  # fmt: skip
        return []
    question = Question(config={}, batch=1, seq_len=int(ids.shape[1]), run="decode",
                        decode_steps=STEPS_FOLLOWED if message["generates"] else 0,
                        target=meter.device, vocabulary=1)  # fmt: skip
    tracker = StorageTracker(model)
    tracker.adopt(model.parameters(), "parameter")
    tracker.adopt(quantization_states(model), "parameter")
    tracker.adopt(model.buffers(), "buffer")
    place = model.device if str(model.device) != "meta" else torch.device(meter.device)
    with torch.no_grad(), torch.device(place), tracker.running():
        Passes(model, question).run(tracker.phase, tracker.tag)
    log = tracker.log()
    peaks = live_peaks(log, meter.device)
    meter.see("live_peak", "prefill", peaks["prefill"])
    meter.see("inputs", "resident", 8 * question.seq_len)
    return [each for each in terms_of(log, meter.device, {}) if each["phase"] == "prefill"]
