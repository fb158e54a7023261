"""Whatever a GGUF file says of a model, reading it gives facts or one of our errors."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st

import gguf_models
from gguf_files import file_of
from weighbridge.errors import InputError
from weighbridge.model.families.gguf import read_gguf_model
from weighbridge.model.gguf import parse_gguf
from weighbridge.model.gguf_cursor import Cursor
from weighbridge.model.gguf_splits import GgufModel

METADATA, TENSORS = gguf_models.model(
    "gemma3",
    layers=3,
    hidden=64,
    heads=4,
    kv_heads=2,
    head_dim=16,
    intermediate=128,
    vocab=100,
    experts=(4, 2, 32),
    attention__sliding_window=16,
    attention__sliding_window_pattern=[True, True, False],
    nextn_predict_layers=0,
)
VALUES = (
    st.integers(-5, 5)
    | st.sampled_from([2**31, 2**32 - 1, True, False, "", "x", 0.5, [], [1], [2, 2, 2], ["a"]])
    | st.lists(st.integers(-1, 3) | st.booleans(), max_size=5)
)


def facts(metadata: dict, tensors: dict) -> None:
    raw, size = file_of({}, tensors)
    file = io.BytesIO(raw + bytes(size - len(raw)))
    header = parse_gguf(Cursor(file, size, 2**20, "it"))  # type: ignore[arg-type]
    as_read = {k: tuple(v) if isinstance(v, list) else v for k, v in metadata.items()}
    try:
        model = read_gguf_model(GgufModel(as_read, header.tensors, (("it", header),), ()), "it")
    except InputError as error:
        message = str(error)
    else:
        assert 0 <= model.active_parameters <= model.parameters
        assert all(stream.width > 0 for layer in model.layers for stream in layer.mixer.cache)
        return
    assert message.isprintable()


@given(changes=st.dictionaries(st.sampled_from(sorted(METADATA)), VALUES, max_size=3))
@settings(max_examples=600, deadline=None)
def test_any_metadata(changes: dict) -> None:
    facts(METADATA | changes, TENSORS)


@given(
    architecture=st.sampled_from(["llama", "gpt-oss", "deepseek2", "bert", "gemma2", "phi3"]),
    changes=st.dictionaries(st.sampled_from(sorted(METADATA)), VALUES, max_size=2),
)
@settings(max_examples=300, deadline=None)
def test_any_architecture(architecture: str, changes: dict) -> None:
    changed = {
        key.replace("gemma3.", f"{architecture}."): v for key, v in (METADATA | changes).items()
    }
    facts(changed | {"general.architecture": architecture}, TENSORS)


@given(dropped=st.sets(st.sampled_from(sorted(TENSORS)), max_size=4), keep=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_tensors_missing(dropped: set, keep: bool) -> None:
    facts(METADATA, {k: v for k, v in TENSORS.items() if (k in dropped) == keep})


@given(
    name=st.sampled_from(sorted(TENSORS)),
    shape=st.lists(st.integers(0, 9), max_size=4),
    renamed=st.sampled_from(["blk.99.x", "blk.0.", "output.weight", "blk.1.ffn_norm.weight", "zz"]),
)
@settings(max_examples=200, deadline=None)
def test_any_shapes_and_names(name: str, shape: list, renamed: str) -> None:
    facts(METADATA, TENSORS | {name: (shape, "F32")})
    facts(METADATA, TENSORS | {renamed: (shape, "F32")})
