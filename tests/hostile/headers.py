"""Safetensors files that lie: name → (the bytes of the file, what the error must say).

Each one is small or quick to make, and none may cost more to refuse than to read.
"""

from __future__ import annotations

import json

MIB = 2**20


def packed(header: bytes | str | dict, data: bytes = b"", length: int | None = None) -> bytes:
    """A file of this header and data; ``length`` overrides what the first eight bytes claim."""
    if isinstance(header, dict):
        header = json.dumps(header)
    raw = header.encode() if isinstance(header, str) else header
    claimed = len(raw) if length is None else length
    return claimed.to_bytes(8, "little") + raw + data


def entry(shape="[2]", offsets="[0,8]", dtype='"F32"', name='"a"') -> str:
    """One member of a header as text, any part of it replaced."""
    return f'{name}:{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}'


def one(data: int = 8, **parts: str) -> bytes:
    """A file of one tensor, any part of it replaced."""
    return packed("{" + entry(**parts) + "}", bytes(data))


def two(first: str, second: str, data: int, name: str = '"b"') -> bytes:
    """A file of two F32 tensors of two elements each at the offsets given."""
    header = "{" + entry(offsets=first) + "," + entry(offsets=second, name=name) + "}"
    return packed(header, bytes(data))


GOOD = one()
NESTED = 100_000
HEADERS: dict[str, tuple[bytes, str]] = {
    "negative-shape": (one(shape="[-2]"), "'-2' is not a whole number"),
    "negative-shapes-of-positive-product": (one(shape="[-1,-2]"), "'-1' is not a whole number"),
    "shape-1e300": (one(shape="[1e300]"), "'1e300' is not a whole number"),
    "shape-nan": (one(shape="[NaN]"), "'NaN' is not a whole number"),
    "shape-infinity": (one(shape="[-Infinity]"), "'-Infinity' is not a whole number"),
    "shape-minus-zero": (one(0, shape="[-0]", offsets="[0,0]"), "'-0' is not"),
    "shape-float": (one(shape="[2.0]"), "'2.0' is not a whole number"),
    "shape-bool": (one(4, shape="[true]", offsets="[0,4]"), "shape [True]"),
    "shape-string": (one(shape='"2"'), "shape '2'"),
    "shape-of-strings": (one(shape='["2"]'), "shape ['2']"),
    "shape-null": (one(shape="null"), "shape None"),
    "shape-object": (one(shape='{"0":2}'), "not described in JSON"),
    "shape-leading-zero": (one(shape="[02]"), "not described in JSON"),
    "shape-holes": (one(shape="[2,,]"), "not described in JSON"),
    "shape-above-2^48": (one(0, shape=f"[{2**48 + 1},0]", offsets="[0,0]"), "2^48"),
    "shape-overflow": (one(shape="[281474976710656,281474976710656]"), "more than can be counted"),
    "shape-overflow-times-zero": (
        one(0, shape="[281474976710656,281474976710656,0]", offsets="[0,0]"),
        "more than can be counted",
    ),
    "shape-wraps-to-size": (one(shape=f"[{2**48},{2**16}]"), "more than can be counted"),
    "shape-is-not-size": (one(shape="[3]"), "takes 12 bytes"),
    "shape-of-100000-digits": (one(shape="[" + "9" * 100_000 + "]"), "a few numbers"),
    "shape-of-4000-digits": (one(shape="[" + "9" * 4_000 + "]"), "is not a whole number"),
    "shape-of-100000-dimensions": (one(shape="[" + "1," * 99_999 + "1]"), "a few numbers"),
    "offsets-reversed": (one(offsets="[8,0]"), "data_offsets [8, 0]"),
    "offsets-negative": (one(offsets="[-8,0]"), "'-8' is not a whole number"),
    "offsets-three": (one(offsets="[0,8,8]"), "data_offsets [0, 8, 8]"),
    "offsets-missing": (packed('{"a":{"dtype":"F32","shape":[2]}}', bytes(8)), "data_offsets None"),
    "offsets-float": (one(offsets="[0,8.0]"), "'8.0' is not a whole number"),
    "offsets-bool": (one(1, dtype='"U8"', shape="[1]", offsets="[false,true]"), "[False, True]"),
    "offsets-beyond-64-bit": (one(offsets=f"[{2**64},{2**64 + 8}]"), "data_offsets [184"),
    "overlap": (two("[0,8]", "[4,12]", 12), "inside another tensor"),
    "same-place": (two("[0,8]", "[0,8]", 8), "inside another tensor"),
    "hole": (two("[0,8]", "[12,20]", 20), "leaving a hole"),
    "hole-at-start": (one(16, offsets="[8,16]"), "leaving a hole"),
    "hole-of-terabytes": (one(offsets=f"[{2**45},{2**45 + 8}]"), "leaving a hole"),
    "duplicate-name": (two("[0,8]", "[8,16]", 16, name='"a"'), "'a' is described 2 times"),
    "duplicate-name-escaped": (two("[0,8]", "[8,16]", 16, name='"\\u0061"'), "described 2 times"),
    "duplicate-key-in-tensor": (
        packed('{"a":{"dtype":"F32","shape":[9],"shape":[2],"data_offsets":[0,8]}}', bytes(8)),
        "'shape' appears twice",
    ),
    "duplicate-key-in-metadata": (packed('{"__metadata__":{"a":"1","a":"2"}}'), "'a' twice"),
    "metadata-twice": (packed('{"__metadata__":{},"__metadata__":{}}'), "twice"),
    "metadata-number": (packed('{"__metadata__":{"a":1}}'), "not a string"),
    "metadata-object": (packed('{"__metadata__":{"a":{}}}'), "not a string"),
    "metadata-null": (packed('{"__metadata__":null}'), "not an object of strings"),
    "metadata-list": (packed('{"__metadata__":["a"]}'), "not an object of strings"),
    "metadata-as-tensor": (one(name='"__metadata__"'), "not a string"),
    "metadata-nested": (packed('{"__metadata__":{"a":' + "[" * NESTED), "not a string"),
    "metadata-bomb": (packed('{"__metadata__":{"a":[' + "[]," * MIB), "not a string"),
    "unknown-dtype": (one(dtype='"F128"'), "dtype 'F128', which is not known"),
    "lower-case-dtype": (one(dtype='"f32"'), "dtype 'f32'"),
    "dtype-number": (one(dtype="32"), "dtype 32"),
    "dtype-list": (one(dtype='["F32"]'), "dtype ['F32']"),
    "dtype-missing": (packed('{"a":{"shape":[2],"data_offsets":[0,8]}}', bytes(8)), "dtype None"),
    "half-a-byte": (one(1, dtype='"F4"', shape="[3]", offsets="[0,1]"), "whole bytes"),
    "six-bits": (one(1, dtype='"F6_E2M3"', shape="[1]", offsets="[0,1]"), "whole bytes"),
    "not-utf8": (packed(b'{"\xff\xfe":1}'), "not UTF-8 at byte 2"),
    "utf8-of-a-surrogate": (packed(b'{"\xed\xa0\x80":1}'), "not UTF-8"),
    "half-a-surrogate-pair": (one(name='"\\ud800"'), "surrogate"),
    "byte-order-mark": (packed(b"\xef\xbb\xbf{}"), "does not begin with {"),
    "utf-16": (packed("{}".encode("utf-16")), "does not begin with {"),
    "array": (packed("[1,2]"), "does not begin with {"),
    "number": (packed("12345678"), "does not begin with {"),
    "space-first": (packed("  {}"), "does not begin with {"),
    "no-closing-brace": (packed('{"a"'), "no colon"),
    "only-a-brace": (packed("{"), "no string"),
    "comma-last": (packed('{"__metadata__":{},}'), "no string"),
    "key-without-quotes": (packed("{a:1}"), "no string"),
    "two-objects": (packed("{}{}"), "goes on behind its closing brace"),
    "nul-padding": (packed("{}\x00\x00\x00\x00\x00\x00"), "goes on behind its closing brace"),
    "tensor-is-a-list": (packed('{"a":[1,2]}'), "a few numbers"),
    "tensor-is-a-number": (packed('{"a":1}'), "a few numbers"),
    "deep-list": (packed('{"a":' + "[" * NESTED + "]" * NESTED + "}"), "a few numbers"),
    "deep-object": (packed('{"a":' * NESTED + "1" + "}" * NESTED), "a few numbers"),
    "deep-shape": (one(shape="[" * 2_000 + "]" * 2_000), "nested too deeply"),
    "bomb-of-lists": (packed('{"a":{"shape":[' + "[]," * MIB + "]}}"), "a few numbers"),
    "bomb-of-numbers": (packed('{"a":' + "9" * MIB + "}"), "a few numbers"),
    "bomb-of-tensors": (packed("{" + '"aaaaa":{},' * 2_000_001 + '"b":{}}'), "dtype None"),
    "name-with-nul": (one(name='"a\\u0000b"'), "cannot be printed"),
    "name-with-raw-nul": (one(name='"a\x00b"'), "not JSON"),
    "name-with-escape": (one(name='"\\u001b[2J"'), "cannot be printed"),
    "name-right-to-left": (one(name='"\\u202egnp.exe"'), "cannot be printed"),
    "name-raw-right-to-left": (
        packed("{" + entry(name='"\u202ea"') + "," + entry(offsets="[8,16]") + "}", bytes(16)),
        "cannot be printed",
    ),
    "name-of-1-MB": (one(name='"' + "a" * MIB + '"'), "too long"),
    "name-without-end": (packed('{"' + "a" * MIB), "Unterminated string"),
    "length-0": (packed(b"", length=0), "does not begin with {"),
    "length-2^63": (packed("{}", length=2**63), "safetensors allows 100,000,000"),
    "length-2^64-1": (packed("{}", length=2**64 - 1), "safetensors allows 100,000,000"),
    "length-over-cap": (packed("{}", length=100_000_001), "safetensors allows 100,000,000"),
    "length-over-file": (packed("{}", length=3), "has only 10 in all"),
    "length-over-file-below-cap": (packed("{}", length=100_000_000), "has only 10 in all"),
    "length-into-data": (packed("{}", b"    xxxx", length=10), "goes on behind"),
    "length-too-short": (packed("{}      ", length=1), "no string"),
    "truncated-data": (one(7), "it is cut off"),
    "trailing-data": (one(9), "followed by other data"),
    "no-tensors-but-data": (packed("{}", b"12345678"), "followed by other data"),
    "empty-file": (b"", "has 0 bytes"),
    "seven-bytes": (b"\x02" + bytes(6), "has 7 bytes"),
    "git-lfs-pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs"),
    "gguf": (b"GGUF\x03\x00\x00\x00" + bytes(64), "GGUF"),
    "zip": (b"PK\x03\x04\x14\x00\x00\x00" + bytes(64), "zip archive"),
    "web-page": (b"<!DOCTYPE html><html></html>", "web page"),
    "json-file": (b'{"model_type": "llama"}', "JSON file"),
}
