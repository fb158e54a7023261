"""Which device holds what: layers, the head, tensors sent elsewhere by pattern.

Source: ``load_tensors`` (src/llama-model.cpp), ``--cpu-moe`` (common/arg.cpp) of llama 0.5.0-dev.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from weighbridge.engine.llama_cpp.patterns import target_of
from weighbridge.engine.llama_cpp.settings import Settings
from weighbridge.engine.llama_cpp.weights import HEAD, LOOKUP, Piece, Weights
from weighbridge.errors import RequestError

EXPERTS = re.compile(r"^ffn_(?:up|down|gate|gate_up)_(?:ch|)exps$")
# What reads a tensor in the graph, by its stem.
READERS: dict[str, tuple[str, ...]] = {
    "attn_q": ("Qcur", "q"),
    "attn_k": ("Kcur",),
    "attn_v": ("Vcur",),
    "attn_qkv": ("wqkv", "qkv_mixed"),
    "attn_gate": ("z",),
    "attn_output": ("attn_out",),
    "attn_q_a": ("q_a",),
    "attn_q_b": ("q",),
    "attn_kv_a_mqa": ("kv_cmpr_pe",),
    "attn_k_b": ("q_nope_absorbed",),
    "attn_v_b": ("fattn_mla", "kqv_mla"),
    "ssm_in": ("zxBCdt", "xz", "qkv_mixed"),
    "ssm_out": ("ssm_out",),
    "ffn_gate_inp": ("ffn_moe_logits",),
    "ffn_gate_up_exps": ("ffn_moe_gate_up",),
    **{f"ffn_{part}": (f"ffn_{part}",) for part in ("up", "gate", "down")},
    **{f"ffn_{part}_shexp": (f"ffn_{part}",) for part in ("up", "gate", "down")},
    **{f"ffn_{part}_exps": (f"ffn_moe_{part}",) for part in ("up", "gate", "down")},
}


class Placement(NamedTuple):
    """Devices by number, ``host`` the last: of each layer, of the head, and bytes of each.

    ``in_host`` are, for each layer, bytes in host memory by the operation that reads them;
    ``overridden`` whether any tensor lies elsewhere than its layer.
    """

    host: int
    layers: tuple[int, ...]
    output: int
    sizes: tuple[int, ...]
    in_host: tuple[dict[str, int], ...]
    overridden: bool

    @property
    def on_gpu(self) -> int:
        """Layers on GPUs, the head counted as one."""
        here = sum(device != self.host for device in self.layers)
        return here + (self.output != self.host)

    @property
    def in_use(self) -> int:
        """GPUs that hold a layer or the head."""
        return len({*self.layers, self.output} - {self.host})


def place(
    weights: Weights, settings: Settings, layers: int, free: Sequence[int], names: Sequence[str]
) -> Placement:
    """Spread a model of ``layers`` over GPUs with ``free`` bytes each, called ``names``."""
    host = len(free)
    devices = _devices(settings, layers, free)
    sizes = [0] * (host + 1)
    in_host: list[dict[str, int]] = [{} for _ in range(layers)]
    overridden = False
    for piece in weights.pieces:
        home = _home(piece, devices, host, layers)
        device = _sent(piece, settings, names, host)
        overridden = overridden or device not in {None, home}
        where = home if device is None else device
        _add(sizes, piece.size, where, settings, free)
        if where == host and piece.layer is not None and piece.layer < layers:
            for reader in READERS.get(piece.stem, ()):
                in_host[piece.layer][reader] = piece.size
    if weights.tied and devices[-1] != host:
        _add(sizes, _embedding(weights), devices[-1], settings, free)
    return Placement(
        host, tuple(devices[:-1]), devices[-1], tuple(sizes), tuple(in_host), overridden
    )


def _devices(settings: Settings, layers: int, free: Sequence[int]) -> list[int]:
    """The device of each layer and of the head, by the shares of the devices."""
    host, count = len(free), min(settings.layers, layers + 1)
    if host == 0:
        return [0] * (layers + 1)
    if settings.main_gpu >= host:
        raise RequestError(f"main_gpu {settings.main_gpu} is not among {host} devices, from 0")
    first = layers + 1 - count
    if settings.split == "none":
        return [host] * first + [settings.main_gpu] * count
    shares = [*settings.shares, *[0.0] * host][:host] if settings.shares else [*free]
    total = sum(shares)
    ends = [end / total for end in accumulate(shares)]
    return [host] * first + [
        min(bisect_right(ends, index / count), host - 1) for index in range(count)
    ]


def _home(piece: Piece, devices: Sequence[int], host: int, layers: int) -> int:
    if piece.layer is None:
        return host if piece.stem in LOOKUP else devices[-1]
    return devices[min(piece.layer, layers)]


def _sent(piece: Piece, settings: Settings, names: Sequence[str], host: int) -> int | None:
    """Where a pattern or an option sends a tensor; None where it stays with its layer."""
    if piece.layer is not None and piece.layer < settings.cpu_moe and EXPERTS.match(piece.stem):
        return host
    target = target_of(piece.name, settings.patterns)
    if target is None:
        return None
    if target in names:
        return names.index(target)
    if target == "CPU" or target.endswith("_Host"):
        return host
    raise RequestError(
        f"override_tensor sends tensors to {target[:40]!r}; the buffers here are CPU, "
        + ", ".join(names)
    )


def _add(sizes: list[int], size: int, device: int, settings: Settings, free: Sequence[int]) -> None:
    """Count a tensor; in row mode the matrices of all layers are spread over the devices."""
    if settings.split != "row" or device == len(free):
        sizes[device] += size
        return
    shares = settings.shares or tuple(free)
    total = sum(shares[: len(free)])
    left = size
    for index in range(len(free) - 1):
        part = int(size * (shares[index] if index < len(shares) else 0) / total)
        sizes[index] += part
        left -= part
    sizes[len(free) - 1] += left


def _embedding(weights: Weights) -> int:
    return sum(p.size for p in weights.pieces if p.layer is None and p.stem == "token_embd") * (
        not any(p.layer is None and p.stem == HEAD for p in weights.pieces)
    )
