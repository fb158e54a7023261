"""What loading leaves on a rank: its pieces of the weights, drafting layers, LoRA slots."""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.engine.sharding import layer_pieces, rank_parameters
from weighbridge.engine.storage import ELEMENT
from weighbridge.engine.vllm.mxfp4 import padded, swizzled
from weighbridge.engine.vllm.setup import Setup
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Parameter
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.records import replace
from weighbridge.units import GIB

# Families whose router adds a learned correction per expert, an fp32 parameter in vLLM
# (deepseek_v2.py, glm4_moe.py: e_score_correction_bias); it is a buffer elsewhere.
CORRECTED = ("deepseek_v3", "deepseek_v32", "kimi_k2", "glm4_moe", "glm_moe_dsa", "axk1")
# Kept in fp32 whatever the weights' type (layers/mamba/mamba_mixer*.py, qwen3_next.py).
WIDE_NAMES = ("A_log",)
CORRECTION = 4
# Thousandths by which "Model loading took" lies below and above: 0.2 % on 11 starts in 16 bit;
# kernels of other formats repack, pad and leave layers out, up to 2.6 % on published starts.
KERNELS = {True: (3, 5), False: (25, 40)}


class Loaded(NamedTuple):
    """Bytes on one rank, and the parameters behind them."""

    bytes: int
    elements: int
    offloaded: int
    adapters: int
    drafting: int
    tables: int
    slack: tuple[int, int] = (0, 0)

    @property
    def low(self) -> int:
        """The least that loading may take; see ``KERNELS``."""
        return self.total - self.total * self.slack[0] // 1000

    @property
    def high(self) -> int:
        """The most."""
        return self.total + self.total * self.slack[1] // 1000

    @property
    def total(self) -> int:
        """What "Model loading took" says: everything allocated until then."""
        return self.bytes + self.adapters + self.tables


def loaded(setup: Setup, stage: int) -> Loaded:
    """What one rank of a stage holds after loading."""
    pieces = _pieces(setup, stage)
    size = weigh_parameters(pieces, setup.storage).total + _wide(setup, pieces)
    size = _as_stored(setup, size)
    drafting = _drafting(setup, stage)
    elements = sum(piece.elements * count for piece, count in pieces)
    spared = int(float(setup.own.get("cpu_offload_gb") or 0) * GIB)
    offloaded = min(spared, size)
    slots = adapters(pieces, setup)
    weights = size + drafting - offloaded
    plain = setup.storage.name in ELEMENT
    slack = KERNELS[plain]
    if setup.model.rounding:
        rounding = 1000 * setup.model.rounding // max(setup.model.parameters, 1) + 1
        slack = (slack[0] + rounding, slack[1] + rounding)
    return Loaded(weights, elements, offloaded, slots, drafting, tables(setup), slack)


def tables(setup: Setup) -> int:
    """The cosines and sines of all positions, one table for all layers of a kind.

    vLLM layers/rotary_embedding: cos_sin_cache (positions, rotary width) in the model's type. It is
    what "Model loading took 14.9889 GiB" has beyond the parameters of Llama-3.1-8B.
    """
    positions = max(setup.model.max_positions or 0, setup.length)
    kinds = {each.spec.kind for each in setup.placed if each.spec.kind in {"full", "sliding"}}
    several = 2 if len(kinds) > 1 and setup.model.family.startswith("gemma3") else 1
    return several * positions * setup.model.rotary_width * setup.element


def _pieces(setup: Setup, stage: int) -> list[tuple[Parameter, int]]:
    model = setup.model
    if setup.own.get("language_model_only"):
        model = replace(model, towers=())
    pieces = rank_parameters(model, setup.layout, stage)
    if "mxfp4" in setup.storage.name:
        pieces = [(padded(piece, setup), count) for piece, count in pieces]
    return pieces


def _wide(setup: Setup, pieces: list[tuple[Parameter, int]]) -> int:
    """Bytes by which a rank holds more than the format counts: fp32 parameters, layouts."""
    if setup.storage.rest_bits >= 32:
        return 0
    extra = swizzled(pieces, setup) if "mxfp4" in setup.storage.name else 0
    extra += sum(
        piece.elements * count * (4 - setup.storage.rest_bits // 8)
        for piece, count in pieces
        if piece.name.endswith(WIDE_NAMES)
    )
    if setup.model.family in CORRECTED:
        routers = sum(
            count for piece, count in pieces if piece.role == "router" and ".gate." in piece.name
        )
        extra += CORRECTION * routers * _experts(setup)
    return extra


def _experts(setup: Setup) -> int:
    return max(
        (
            layer.feed_forward.experts
            for layer, _ in setup.model.layer_groups()
            if isinstance(layer.feed_forward, MixtureOfExperts)
        ),
        default=0,
    )


def _as_stored(setup: Setup, size: int) -> int:
    """The files' own bytes in place of the format's, in the proportion that a rank holds."""
    if not setup.as_stored or setup.model.stored is None:
        return size
    whole = weigh_parameters(setup.model.every_parameter(), setup.storage).total
    return size * setup.model.stored.total_bytes // max(whole, 1)


def _drafting(setup: Setup, stage: int) -> int:
    """Weights of drafting layers, which stand on the last stage."""
    if stage != setup.layout.pipeline - 1:
        return 0
    pieces = [
        (piece, 1)
        for layer in setup.draft_layers
        for piece in layer_pieces(layer, setup.layout, setup.model.hidden)
    ]
    return weigh_parameters(pieces, setup.storage).total


def adapters(pieces: list[tuple[Parameter, int]], setup: Setup) -> int:
    """LoRA slots: for each linear layer both factors of the largest rank, for each adapter.

    vLLM lora/layers/*.py, create_lora_weights: lora_a (max_loras, rank, in), lora_b (max_loras,
    out, rank), of the rank's own piece.
    """
    if not setup.own.get("enable_lora"):
        return 0
    rank = int(setup.own.get("max_lora_rank") or 16)
    slots = int(setup.own.get("max_loras") or 1)
    widths = sum(
        (piece.shape[-1] + piece.shape[-2]) * piece.copies * count
        for piece, count in pieces
        if piece.role in {"linear", "expert"} and len(piece.shape) == 2
    )
    return slots * rank * widths * setup.element
