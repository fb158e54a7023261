"""GGUF files that lie: name → (the bytes of the file, what the error must say).

Each one is small or quick to make, and none may cost more to refuse than to read.
"""

from __future__ import annotations

import struct

from gguf_files import ARRAY, BOOL, F32, I32, STRING, U8, U32, U64, entry, header, tensor, text

MIB = 2**20
ARCH = entry("general.architecture", "llama")


def array(kind: int, count: int, items: bytes = b"", key: str = "tokenizer.ggml.tokens") -> bytes:
    """A metadata entry with an array that claims ``count`` elements."""
    return text(key) + struct.pack("<IIQ", ARRAY, kind, count) + items


def typed(kind: int, raw: bytes, key: str | bytes = "k") -> bytes:
    """A metadata entry of this type with these bytes for a value."""
    return text(key) + struct.pack("<I", kind) + raw


def of(*entries: bytes, tail: bytes = b"") -> bytes:
    """A file of these metadata entries."""
    return header((ARCH, *entries)) + tail


def with_tensors(*tensors: bytes, data: int = 64, entries: tuple[bytes, ...] = ()) -> bytes:
    """A file of these tensors with so much data."""
    return header((ARCH, *entries), tensors) + bytes(data)


def aligned(value: bytes) -> bytes:
    """A file that states this alignment."""
    return with_tensors(tensor("a", [8]), entries=(typed(U32, value, "general.alignment"),))


def cut(content: bytes, count: int) -> bytes:
    """The first ``count`` bytes."""
    return content[:count]


GOOD = with_tensors(tensor("a", [8]), tensor("b", [8], offset=32))
# 113 bytes: one array that claims 2^40 numbers, on which gguf-py 0.19 loops for minutes.
HUGE_ARRAY = header((array(I32, 2**40),))
HUGE_ARRAY += bytes(113 - len(HUGE_ARRAY))
TWICE = (entry("k", 1), entry("k", 2))

GGUF_HEADERS: dict[str, tuple[bytes, str]] = {
    "array-of-2^40-in-113-bytes": (HUGE_ARRAY, "claims 1,099,511,627,776 elements"),
    "array-of-2^64-1": (of(array(U8, 2**64 - 1)), "for which its"),
    "array-of-2^61-u64": (of(array(U64, 2**61)), "for which its"),
    "array-that-wraps-to-0": (of(array(U64, 2**61 + 1)), "for which its"),
    "array-of-bool-2^40": (of(array(BOOL, 2**40)), "for which its"),
    "strings-2^40": (of(array(STRING, 2**40)), "for which its"),
    "strings-2^61": (of(array(STRING, 2**61)), "for which its"),
    "strings-more-than-file": (of(array(STRING, 3, text("abcd") * 2)), "cut off in the array"),
    "string-of-2^64-1-in-array": (
        of(array(STRING, 1, struct.pack("<Q", 2**64 - 1))),
        "cut off in the array",
    ),
    "string-of-2^63-in-array-then-more": (
        of(array(STRING, 2, struct.pack("<Q", 2**63) + text("a"))),
        "cut off in the array",
    ),
    "strings-run-then-2^64-1": (
        of(array(STRING, 200, text("abc") * 199 + struct.pack("<Q", 2**64 - 1))),
        "cut off in the array",
    ),
    "5M-empty-strings": (of(array(STRING, 2**22 + 1, bytes(8 * (2**22 + 1)))), "any tokenizer"),
    "4M-strings-in-two-arrays": (
        of(
            array(STRING, 2**17, bytes(2**20)),
            array(STRING, 2**22 - 2**17 + 1, bytes(2**25), key="b"),
        ),
        "more than any tokenizer has",
    ),
    "array-of-arrays": (of(array(ARRAY, 1, struct.pack("<IQ", U8, 0))), "further arrays"),
    "array-nested-1000": (of(array(ARRAY, 1, struct.pack("<IQ", ARRAY, 1) * 1000)), "further"),
    "array-of-type-13": (of(array(13, 1, bytes(8))), "in type 13, which GGUF does not have"),
    "array-of-type-2^32-1": (of(array(2**32 - 1, 1, bytes(8))), "in type 4,294,967,295"),
    "array-cut-off": (cut(of(array(U32, 8, bytes(32))), -1), "for which its"),
    "array-bool-of-2s": (of(array(BOOL, 2, b"\1\2")), "neither 0 nor 1"),
    "value-of-type-13": (of(typed(13, bytes(8))), "in type 13, which GGUF does not have"),
    "value-bool-2": (of(typed(BOOL, b"\2")), "neither 0 nor 1"),
    "value-cut-off": (of(typed(U64, b"\1\2")), "cut off in the value"),
    "string-of-2^64-1": (of(typed(STRING, struct.pack("<Q", 2**64 - 1))), "cut off in the value"),
    "string-of-1-MB-cut-off": (of(typed(STRING, struct.pack("<Q", MIB))), "cut off in the value"),
    "string-not-utf8": (of(typed(STRING, text(b"\xff\xfe"))), "not UTF-8"),
    "string-of-a-surrogate": (of(typed(STRING, text(b"\xed\xa0\x80"))), "not UTF-8"),
    "key-twice": (of(*TWICE), "the metadata key 'k' twice"),
    "key-twice-far-apart": (
        of(entry("k", 1), *(entry(f"x{i}", i) for i in range(4_000)), entry("k", 1)),
        "the metadata key 'k' twice",
    ),
    "architecture-twice": (of(ARCH), "'general.architecture' twice"),
    "key-empty": (of(entry("", 1)), "empty or not printable"),
    "key-with-nul": (of(entry("a\0b", 1)), "empty or not printable"),
    "key-with-escape": (of(entry("\x1b[2J", 1)), "empty or not printable"),
    "key-right-to-left": (of(entry("\u202egnp", 1)), "empty or not printable"),
    "key-not-utf8": (of(entry(b"\xff", 1)), "not UTF-8"),
    "key-of-2^63": (of(struct.pack("<Q", 2**63) + bytes(64)), "cut off in a metadata key"),
    "key-of-1-MB": (of(entry("k" * MIB, 1)), "at most 1,024 can be right"),
    "entries-2^63": (header((ARCH,), counts=(0, 2**63)), "metadata entries, for which"),
    "entries-2^64-1": (header((ARCH,), counts=(0, 2**64 - 1)), "metadata entries, for which"),
    "entries-one-more": (header((ARCH,), counts=(0, 2)), "cut off in a metadata key"),
    "entries-100000": (
        header(counts=(0, 100_000)) + b"".join(entry(f"{i:05}", 1) for i in range(100_000)),
        "claims 100,000 metadata entries, where at most",
    ),
    "tensors-2^63": (header((ARCH,), counts=(2**63, 1)), "tensors, for which"),
    "tensors-2^64-1": (header((ARCH,), counts=(2**64 - 1, 1)), "tensors, for which"),
    "tensors-one-more": (header((ARCH,), [tensor("a", [8])], counts=(2, 1)), "tensor"),
    "tensors-200000": (
        header(counts=(200_000, 0)) + bytes(200_000 * 25),
        "claims 200,000 tensors, where at most",
    ),
    "tensor-twice": (
        with_tensors(tensor("a", [8]), tensor("a", [8], offset=32)),
        "describes tensor 'a' twice",
    ),
    "tensor-name-empty": (with_tensors(tensor("", [8])), "no printable name"),
    "tensor-name-newline": (with_tensors(tensor("a\nb", [8])), "no printable name"),
    "tensor-name-not-utf8": (with_tensors(tensor(b"\xff", [8])), "not UTF-8"),
    "tensor-name-of-2^62": (
        header((ARCH,), [struct.pack("<Q", 2**62) + bytes(64)]),
        "cut off in a tensor's name",
    ),
    "tensor-name-of-1-MB": (with_tensors(tensor("a" * MIB, [8])), "at most 512 can be right"),
    "five-dimensions": (with_tensors(tensor("a", [1] * 5)), "5 dimensions"),
    "2^32-1-dimensions": (
        header((ARCH,), [text("a") + struct.pack("<I", 2**32 - 1) + bytes(64)]),
        "4,294,967,295 dimensions",
    ),
    "dimension-2^64-1": (with_tensors(tensor("a", [2**64 - 1])), "more than can be counted"),
    "dimension-negative": (with_tensors(tensor("a", [2**63 + 5, 0])), "more than can be counted"),
    "product-wraps": (with_tensors(tensor("a", [2**40, 2**24, 2, 8])), "more than can be counted"),
    "product-2^63": (with_tensors(tensor("a", [2**32, 2**31])), "more than can be counted"),
    "rows-not-of-blocks": (with_tensors(tensor("a", [255], "Q4_K")), "blocks of 256"),
    "type-removed": (with_tensors(tensor("a", [32], 31)), "Q4_0_4_4, which llama.cpp has removed"),
    "type-unknown": (with_tensors(tensor("a", [32], 43)), "type 43, which is not known"),
    "type-2^32-1": (with_tensors(tensor("a", [32], 2**32 - 1)), "type 4,294,967,295"),
    "offset-odd": (with_tensors(tensor("a", [8], offset=4)), "no multiple of the alignment 32"),
    "offset-outside": (with_tensors(tensor("a", [8], offset=2**40)), "leaving a hole"),
    "offset-2^64-32": (with_tensors(tensor("a", [8], offset=2**64 - 32)), "leaving a hole"),
    "overlap": (
        with_tensors(tensor("a", [16]), tensor("b", [8], offset=32)),
        "inside another tensor",
    ),
    "same-place": (with_tensors(tensor("a", [8]), tensor("b", [8])), "inside another tensor"),
    "hole": (with_tensors(tensor("a", [8]), tensor("b", [8], offset=64), data=96), "a hole"),
    "hole-at-start": (with_tensors(tensor("a", [8], offset=32)), "leaving a hole"),
    "data-missing": (with_tensors(tensor("a", [8]), data=0), "it is cut off"),
    "data-one-byte-short": (with_tensors(tensor("a", [8]), data=31), "it is cut off"),
    "data-of-terabytes": (with_tensors(tensor("a", [2**40])), "it is cut off"),
    "padding-missing": (
        cut(with_tensors(tensor("a", [0]), data=0), -1),
        "it is cut off",
    ),
    "alignment-0": (aligned(struct.pack("<I", 0)), "a power of two"),
    "alignment-3": (aligned(struct.pack("<I", 3)), "a power of two"),
    "alignment-2^31": (aligned(struct.pack("<I", 2**31)), "a power of two"),
    "alignment-float": (
        with_tensors(
            tensor("a", [8]), entries=(typed(F32, struct.pack("<f", 32.0), "general.alignment"),)
        ),
        "a power of two",
    ),
    "alignment-bool": (
        with_tensors(tensor("a", [8]), entries=(typed(BOOL, b"\1", "general.alignment"),)),
        "a power of two",
    ),
    "alignment-text": (
        with_tensors(tensor("a", [8]), entries=(entry("general.alignment", "32"),)),
        "a power of two",
    ),
    "alignment-array": (of(array(U32, 1, bytes(4), key="general.alignment")), "a power of two"),
    "version-0": (header((ARCH,), version=0), "is GGUF version 0"),
    "version-1": (header((ARCH,), version=1), "is GGUF version 1"),
    "version-4": (header((ARCH,), version=4), "is GGUF version 4"),
    "version-2^32-1": (header((ARCH,), version=2**32 - 1), "is GGUF version 4294967295"),
    "big-endian": (header((ARCH,), version=3 << 24), "is a big-endian GGUF file"),
    "magic-reversed": (header((ARCH,), magic=b"FUGG"), "is not a GGUF file"),
    "magic-lower-case": (header((ARCH,), magic=b"gguf"), "is not a GGUF file"),
    "ggjt": (b"tjgg" + bytes(64), "from before GGUF"),
    "ggml": (b"lmgg" + bytes(64), "from before GGUF"),
    "zip": (b"PK\x03\x04" + bytes(64), "zip archive"),
    "git-lfs-pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs"),
    "web-page": (b"<!DOCTYPE html><html></html>", "web page"),
    "safetensors": (struct.pack("<Q", 2) + b"{}" + bytes(64), "safetensors"),
    "empty-file": (b"", "has 0 bytes"),
    "only-magic": (b"GGUF", "has 4 bytes"),
    "23-bytes": (cut(header(), 23), "has 23 bytes"),
    "zeros": (bytes(MIB), "is not a GGUF file"),
    "cut-in-tensor": (cut(header((ARCH,), [tensor("abcdefgh", [8])]), 90), "cut off in the desc"),
}
