"""Index files that lie: name → (the bytes of the file, what the error must say)."""

from __future__ import annotations

import json

SHARD = "model-00001-of-00001.safetensors"


def mapped(*shards: object) -> bytes:
    """An index that maps one tensor to each shard."""
    weight_map = {f"tensor.{number}": shard for number, shard in enumerate(shards)}
    return json.dumps({"metadata": {"total_size": 8}, "weight_map": weight_map}).encode()


PLAIN_NAME = "a plain file name in the same folder"
INDEXES: dict[str, tuple[bytes, str]] = {
    "parent": (mapped("../../etc/passwd"), PLAIN_NAME),
    "parent-safetensors": (mapped("../model.safetensors"), PLAIN_NAME),
    "absolute": (mapped("/etc/passwd"), PLAIN_NAME),
    "drive": (mapped("C:\\x"), PLAIN_NAME),
    "drive-relative": (mapped("C:x.safetensors"), PLAIN_NAME),
    "unc": (mapped("\\\\host\\share"), PLAIN_NAME),
    "device": (mapped("\\\\.\\PhysicalDrive0"), PLAIN_NAME),
    "backslash-parent": (mapped("..\\..\\x.safetensors"), PLAIN_NAME),
    "folder": (mapped("sub/model.safetensors"), PLAIN_NAME),
    "dot": (mapped("."), PLAIN_NAME),
    "dots": (mapped(".."), PLAIN_NAME),
    "empty": (mapped(""), PLAIN_NAME),
    "nul": (mapped("model\x00.safetensors"), PLAIN_NAME),
    "newline": (mapped("model\n.safetensors"), PLAIN_NAME),
    "escape": (mapped("\x1b[2J.safetensors"), PLAIN_NAME),
    "right-to-left": (mapped("\u202esrotcafe.safetensors"), PLAIN_NAME),
    "alternate-stream": (mapped("model.safetensors:evil"), PLAIN_NAME),
    "url": (mapped("https://example.com/model.safetensors"), PLAIN_NAME),
    "long": (mapped("a" * 10_000 + ".safetensors"), PLAIN_NAME),
    "surrogate": (mapped("\ud800.safetensors"), "half a surrogate pair"),
    "pickle": (mapped("pytorch_model.bin"), "not a safetensors file"),
    "number": (mapped(1), "which is no file name"),
    "null": (mapped(None), "which is no file name"),
    "list": (mapped([SHARD]), "which is no file name"),
    "missing-shard": (mapped(SHARD, "model-00002-of-00001.safetensors"), "1 are missing"),
    "many-missing-shards": (mapped(*(f"m{i}.safetensors" for i in range(9_000))), "9000 are"),
    "too-many-shards": (mapped(*(f"m{i}.safetensors" for i in range(10_001))), "more than 10,000"),
    "tensor-not-in-shard": (mapped(SHARD), "shards that do not hold them"),
    "no-map": (b"{}", "has no weight_map"),
    "empty-map": (b'{"weight_map": {}}', "has no weight_map"),
    "map-is-a-list": (b'{"weight_map": ["a"]}', "has no weight_map"),
    "duplicate-key": (b'{"weight_map": {"a": "x", "a": "y"}}', "'a' appears twice"),
    "duplicate-map": (b'{"weight_map": {"a": "x"}, "weight_map": {}}', "'weight_map' appears"),
    "array": (b"[1, 2]", "where an object is needed"),
    "not-json": (b"weight_map", "is not JSON"),
    "empty-file": (b"", "is not JSON"),
    "not-utf8": (b'{"\xff": 1}', "is not UTF-8"),
    "deep": (b'{"weight_map":' * 40_000, "nested too deeply"),
    "deep-list": (b"[" * 90_000, "nested too deeply"),
    "bomb": (b'{"weight_map": [' + b"[]," * 1_000_000, "brackets"),
    "digits": (b'{"weight_map": ' + b"9" * 100_000 + b"}", "thousands of digits"),
    "50-MB": (b'{"weight_map": {}}' + b" " * 50_000_000, "at most"),
    "git-lfs-pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
}
