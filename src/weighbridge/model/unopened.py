"""Weights that are never opened, pickled or ONNX: the size of the files is all that is read.

A pickle can run code when it is opened, so that nothing here opens one. Where config.json is of a
known family, the family's count gives the weights, and the files' size is compared with it.
"""

from __future__ import annotations

import re

from weighbridge.errors import ModelReferenceError
from weighbridge.model.assumed import assumed_model
from weighbridge.model.bounded import label
from weighbridge.model.checkpoint import CONFIG_NAME, MAX_CONFIG_BYTES
from weighbridge.model.facts import Model
from weighbridge.model.files import Files
from weighbridge.model.local import known_or_assumed, of_config
from weighbridge.records import replace

PICKLES = (".bin", ".pt", ".pth", ".ckpt")
ONNX = (".onnx", ".onnx_data", ".onnx.data")
ELEMENT = {"fp32": 4, "bf16": 2, "fp16": 2}
# What trainers write beside the weights.
_NO_WEIGHTS = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state|sampler)[\w.-]*")
_MAIN = re.compile(r"pytorch_model(-\d{1,5}-of-\d{1,5})?\.bin|consolidated\.\d+\.pth")
SAME = 0.03


def from_unopened(text: str, files: Files) -> Model:
    """The facts of a model whose weights are only pickles or ONNX files, by their sizes."""
    chosen = chosen_files(files.names())
    if not chosen and CONFIG_NAME in files.names():
        place = files.place(CONFIG_NAME)
        return of_config(text, files.read_json(CONFIG_NAME, MAX_CONFIG_BYTES), place)
    if not chosen:
        raise ModelReferenceError(
            f"{files.where} holds no weights that can be read; "
            "give a folder of safetensors, or a config.json"
        )
    total = sum(files.size(name) for name in chosen)
    kind = "ONNX" if chosen[0].endswith(ONNX) else "pickled"
    named = chosen[0] if len(chosen) == 1 else f"{len(chosen)} files, such as {chosen[0]}"
    held = f"the {kind} weights ({label(named)}, {total:,} bytes) are never opened"
    source = f"size of {label(named)}{files.origin}"
    if CONFIG_NAME not in files.names():
        return _from_size(text, total, held, source)
    content = files.read_json(CONFIG_NAME, MAX_CONFIG_BYTES)
    model = known_or_assumed(content, files.place(CONFIG_NAME))
    dtype, said = _compared(model, total)
    return replace(model, id=text, dtype=dtype, notes=(*model.notes, f"{held}; {said}"),
                   source=f"{files.place(CONFIG_NAME)}; {source}")  # fmt: skip


def chosen_files(names: set[str]) -> tuple[str, ...]:
    """The files that make up the weights: pickles as Transformers picks them, else ONNX."""
    pickles = sorted(n for n in names if n.endswith(PICKLES) and not _NO_WEIGHTS.fullmatch(n))
    main = [name for name in pickles if _MAIN.fullmatch(name)]
    if "pytorch_model.bin" in main:
        return ("pytorch_model.bin",)
    if pickles:
        return tuple([n for n in main if n.startswith("pytorch_model")] or main or pickles)
    onnx = sorted(name for name in names if name.endswith(ONNX))
    return tuple([name for name in onnx if name.startswith("model.onnx")] or onnx)


def _compared(model: Model, total: int) -> tuple[str, str]:
    """The dtype, inferred from the size where the config states none, and the comparison."""
    count = max(model.parameters, 1)
    dtype, inferred = model.dtype, ""
    if not dtype and not model.quantization:
        near = {4 * count: "fp32", 2 * count: "bf16"}
        fits = [name for size, name in near.items() if abs(total - size) <= SAME * size]
        if fits:
            dtype, inferred = fits[0], f", taken for {fits[0]} by their size"
    if model.quantization or dtype not in ELEMENT:
        return dtype, f"that is {total / count:.2f} bytes for each of {count:,} parameters"
    expected = count * ELEMENT[dtype]
    share = abs(total - expected) / expected
    if share <= SAME:
        return dtype, f"{count:,} parameters in {dtype} are {expected:,} bytes, as large{inferred}"
    way = "more" if total > expected else "less"
    return dtype, (
        f"they take {share:.0%} {way} than {count:,} parameters in {dtype} ({expected:,} bytes), "
        "which the weights are counted as"
    )


def _from_size(text: str, total: int, held: str, source: str) -> Model:
    """A model of which only the bytes are known: as many parameters as they hold in 16 bit."""
    count = total // 2
    if not 10**6 <= count <= 10**14:
        raise ModelReferenceError(
            f"{text}: {held}, and there is no config.json; put the model's config.json there"
        )
    model = assumed_model(text, "", count)
    return replace(
        model,
        id=text,
        dtype="bf16",
        rounding=count // 2,
        answers={**model.answers, "parameters": f"{count:,}: {total:,} bytes / 2"},
        notes=(
            f"{held}, and there is no config.json: their bytes are taken for 16-bit weights, and "
            f"the architecture is assumed to be {model.architecture}",
        ),
        source=source,
    )
