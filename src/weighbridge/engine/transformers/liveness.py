"""How many tensors of each width a family's layer keeps alive, one row each.

Traced: the real classes under fake tensors, counting live storages, at 512, 2,048 and 8,192 tokens
and batches of 1 and 4 (transformers 5.23.0; Llama and Qwen2 also 4.38.2, 4.46.0 and 4.51.3). The
rows leave no remainder there, except Phi's and Gemma 2's attention, which rest on single traces.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Liveness(NamedTuple):
    """Copies alive at a layer's worst moments.

    ``residuals`` of the hidden width and ``widths`` of the feed-forward's during the feed-forward;
    ``stream`` of the hidden width during attention, with ``queries`` of the query width and
    ``keys`` of the key width beside them. ``scores`` says in which type eager attention takes its
    softmax, ``masks`` how many masks it builds, ``rotary`` how many cos/sin pairs a forward holds,
    ``normed`` whether each head's queries are normalised in fp32, ``shared`` how many of the hidden
    width all sequences share (learned positions).
    """

    residuals: int = 4
    widths: int = 3
    stream: int = 3
    queries: int = 4
    keys: int = 0
    scores: Literal["fp32", "model", "sinks"] = "fp32"
    masks: int = 1
    rotary: int = 1
    normed: bool = False
    shared: int = 0


COMMON = Liveness()
FAMILIES: dict[str, Liveness] = {
    "bert": Liveness(residuals=3, widths=2, stream=2, queries=4, scores="model", rotary=0),
    "gemma2": Liveness(masks=2),
    "gemma3": Liveness(masks=2, rotary=2, normed=True),
    "gemma3_text": Liveness(masks=2, rotary=2, normed=True),
    "gpt2": Liveness(
        residuals=5, widths=4, stream=5, queries=3, scores="model", rotary=0, shared=1
    ),
    # No gate: two of the feed-forward's width (models/gpt_neox, models/opt of transformers 5.23).
    "gpt_neox": Liveness(widths=2),
    "gpt_oss": Liveness(scores="sinks", masks=2),
    "opt": Liveness(widths=2, rotary=0),
    "phi": Liveness(widths=4),
    "phi3": Liveness(widths=4, keys=2),
    "qwen3": Liveness(normed=True),
    "qwen3_moe": Liveness(normed=True),
}


TRACED = frozenset(
    {"bert", "deepseek_v3", "gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "gpt_oss", "llama",
     "mamba", "mistral", "mixtral", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"}
)  # fmt: skip


def liveness(family: str) -> Liveness:
    """The family's row, or what almost all decoders share."""
    return FAMILIES.get(family, COMMON)
