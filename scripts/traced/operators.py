"""Liger-Kernel's operator benchmarks, its plain PyTorch side, as functions over a traced device.

Each row of ``CASES`` is one benchmark script of Liger-Kernel (benchmark/scripts, 0.2.1 to 0.7.0):
it makes the inputs that the script makes, also those of the provider that does not run, and returns
what is measured. ``max_memory_allocated`` is read over ten calls, so that what one call leaves
(gradients, the results of the call before) is there in the next.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from weighbridge.trace.log import live
from weighbridge.trace.measure import workspace_of
from weighbridge.trace.passes import fake_world
from weighbridge.trace.tracker import StorageTracker

Case = Callable[[dict[str, Any], int, str], tuple[list[Any], Callable[[], Any]]]
ORPO_DRAFT_LENGTH = 4096
CALLS = 3  # the third call is as high as the tenth


class _Norm(nn.Module):
    """LlamaRMSNorm as the script spells it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Any) -> Any:
        kind = x.dtype
        x = x.to(torch.float32)
        variance = x.pow(2).mean(-1, keepdim=True)
        x = x * torch.rsqrt(variance + 1e-6)
        return self.weight * x.to(kind)


def cross_entropy(config: dict[str, Any], x: int, _: str) -> tuple[list[Any], Callable[[], Any]]:
    rows = config["B"] * config["T"]
    scores = torch.randn(rows, x, requires_grad=True)
    target = torch.zeros(rows, 1, dtype=torch.long).squeeze(1)
    return [scores, target], _loss_of(lambda: nn.functional.cross_entropy(scores, target))


def rms_norm(config: dict[str, Any], x: int, _: str) -> tuple[list[Any], Callable[[], Any]]:
    theirs, ours = nn.Parameter(torch.ones(x)), _Norm(x)
    data = torch.randn(config["M"], x, dtype=torch.bfloat16)
    grad = torch.randn_like(data)
    data.requires_grad_(True)
    return [theirs, ours.weight, data, grad], _retained(lambda: ours(data), grad)


def layer_norm(config: dict[str, Any], x: int, _: str) -> tuple[list[Any], Callable[[], Any]]:
    theirs = [nn.Parameter(torch.ones(x)), nn.Parameter(torch.zeros(x))]
    ours = nn.LayerNorm(x)
    data = torch.randn(config["M"], x)
    grad = torch.randn_like(data)
    data.requires_grad_(True)
    return [*theirs, *ours.parameters(), data, grad], _retained(lambda: ours(data), grad)


def gated(config: dict[str, Any], x: int, mode: str) -> tuple[list[Any], Callable[[], Any]]:
    """SwiGLU and GEGLU: LlamaMLP of Transformers."""
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    batch = config.get("B", config.get("bsz"))
    names = ("hidden_size", "intermediate_size", "hidden_act")
    torch.set_default_dtype(torch.bfloat16)
    layer = LlamaMLP(LlamaConfig(**{name: config[name] for name in names}))
    torch.set_default_dtype(torch.float32)
    data = torch.randn(batch, x, config["hidden_size"], dtype=torch.bfloat16, requires_grad=True)
    before = [*layer.parameters(), data]
    if mode == "forward":
        return before, lambda: layer(data)
    if mode == "backward":
        grad = torch.randn_like(data)
        return [*before, grad], _backward_alone(lambda: layer(data), grad)

    def full() -> None:
        out = layer(data)
        out.backward(torch.randn_like(out), retain_graph=True)

    return before, full


def rope(config: dict[str, Any], x: int, _: str) -> tuple[list[Any], Callable[[], Any]]:
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    hidden, length = config.get("hidden_size", x), config.get("seq_len", x)
    heads, kv = config["num_q_heads"], config["num_kv_heads"]
    dim = hidden // heads
    kind = torch.bfloat16
    q = torch.randn(1, length, heads, dim, dtype=kind, requires_grad=True).transpose(1, 2)
    k = torch.randn(1, length, kv, dim, dtype=kind, requires_grad=True).transpose(1, 2)
    dq, dk = torch.randn_like(q), torch.randn_like(k)
    positions = torch.arange(length).unsqueeze(0)
    inverse = torch.zeros(dim // 2)
    cos, sin = (torch.randn(1, length, dim, dtype=kind) for _ in range(2))

    def full() -> None:
        out = apply_rotary_pos_emb(q, k, cos, sin)
        torch.autograd.grad(out, (q, k), (dq, dk), allow_unused=True, retain_graph=True)

    return [q, k, dq, dk, positions, inverse, cos, sin], full


def linear_cross_entropy(
    config: dict[str, Any], x: int, _: str
) -> tuple[list[Any], Callable[[], Any]]:
    hidden, words = config["H"], config["V"]
    head = nn.Linear(hidden, words, bias=False, dtype=torch.bfloat16)
    data = torch.randn(x, hidden, dtype=torch.bfloat16, requires_grad=True)
    target = torch.zeros(x, 1, dtype=torch.long).squeeze(1)
    run = _loss_of(lambda: nn.functional.cross_entropy(head(data), target))
    theirs = torch.empty_like(head.weight)
    return [head.weight, theirs, data, target], run


def linear_jsd(config: dict[str, Any], x: int, _: str) -> tuple[list[Any], Callable[[], Any]]:
    """The generalized Jensen-Shannon divergence of two heads, beta 0.5, in fp32."""
    hidden, words, kind = config["H"], config["V"], torch.bfloat16
    student, teacher = (nn.Linear(hidden, words, bias=False, dtype=kind) for _ in range(2))
    data = torch.rand(x, hidden, dtype=kind, requires_grad=True)
    other = torch.rand(x, hidden, dtype=kind)

    def divergence(log_q: Any, log_p: Any) -> Any:
        log_p, log_q = log_p.to(torch.float), log_q.to(torch.float)
        log_p, log_q = log_p.view(-1, words), log_q.view(-1, words)
        middle = torch.lerp(torch.exp(log_q), torch.exp(log_p), 0.5)
        kl = nn.KLDivLoss(reduction="none", log_target=True)
        loss = 0.5 * kl(torch.log(middle), log_p).sum(dim=-1) + 0.5 * kl(
            torch.log(middle), log_q
        ).sum(dim=-1)
        return (loss / log_q.shape[0]).sum().to(kind)

    def loss() -> Any:
        ours, theirs = student(data), teacher(other)
        q, p = torch.log_softmax(ours / 1.0, dim=-1), torch.log_softmax(theirs / 1.0, dim=-1)
        return divergence(q, p)

    return [student.weight, teacher.weight, data, other], _loss_of(loss)


def linear_orpo(config: dict[str, Any], x: int, _: str) -> tuple[list[Any], Callable[[], Any]]:
    """ORPO on one head: the odds ratio of the halves of a batch beside cross-entropy.

    The rows of T = 4,096 were measured an hour before those of T = 1,024, with the script's first
    draft: no fp32 copy of the logits, and the mean over the vocabulary in place of the labels'.
    """
    hidden, words, length, kind = config["H"], config["V"], config["T"], torch.bfloat16
    head = nn.Linear(hidden, words, bias=False, dtype=kind)
    theirs = torch.empty_like(head.weight)
    data = torch.randn(x, length, hidden, dtype=kind, requires_grad=True)
    target = torch.zeros(x, length, dtype=torch.long)
    half, draft = x // 2, length == ORPO_DRAFT_LENGTH

    def loss() -> Any:
        scores = head(data) if draft else head(data).float()
        chosen = nn.functional.cross_entropy(scores[:half].view(-1, words), target[:half].view(-1))
        made = scores.log_softmax(-1)
        sums = made.mean(dim=-1) if draft else _of_labels(made, target)
        better, worse = sums[:half], sums[half:]
        odds = (better - worse) - (torch.log1p(-torch.exp(better)) - torch.log1p(-torch.exp(worse)))
        return chosen - (0.1 * nn.functional.logsigmoid(odds)).mean()

    kept = left_by_compiling(hidden, words, length)
    return [head.weight, theirs, data, target, *kept], _loss_of(loss)


def _of_labels(logarithms: Any, target: Any) -> Any:
    """Mean logarithm of each sequence's labels."""
    mask = target != -100
    labels = torch.where(target == -100, 0, target)
    picked = torch.gather(logarithms, dim=2, index=labels.unsqueeze(2)).squeeze(2)
    return (picked * mask).sum(-1) / mask.sum(-1)


def left_by_compiling(hidden: int, words: int, length: int) -> list[Any]:
    """What Liger's side of the script leaves behind, which runs first in the same process.

    Its loss is wrapped by torch.compile anew in each chunk of two sequences; the first call, which
    compiles, stays alive in cycles that nothing collects (pytorch/pytorch#119607 is of that time,
    and #155778). How many tensors of each shape was counted from one row (T = 1,024, B = 2; `use:
    fit`); the other rows are of other lengths and batches, and agree.
    """
    heads = [torch.empty(words, hidden, dtype=torch.bfloat16) for _ in range(2)]
    chunks = [torch.empty(2, length, hidden, dtype=torch.bfloat16) for _ in range(5)]
    labels = [torch.empty(2, length, dtype=torch.long) for _ in range(3)]
    return [*heads, *chunks, *labels, torch.empty(())]


def _loss_of(loss: Callable[[], Any]) -> Callable[[], Any]:
    def full() -> None:
        made = loss()
        made.backward()

    return full


def _retained(forward: Callable[[], Any], grad: Any) -> Callable[[], Any]:
    def full() -> None:
        out = forward()
        out.backward(grad, retain_graph=True)

    return full


def _backward_alone(forward: Callable[[], Any], grad: Any) -> Callable[[], Any]:
    held: list[Any] = []

    def backward() -> None:
        if not held:
            held.append(forward())
        held[0].backward(grad, retain_graph=True)

    return backward


CASES: dict[str, Case] = {
    "cross_entropy": cross_entropy,
    "rms_norm": rms_norm,
    "layer_norm": layer_norm,
    "swiglu": gated,
    "geglu": gated,
    "rope": rope,
    "fused_linear_cross_entropy": linear_cross_entropy,
    "fused_linear_jsd": linear_jsd,
    "fused_linear_orpo_loss": linear_orpo,
}

# Workspaces of cuBLAS that are there before the measured call.
LEFT_BEFORE = {"rope": 1, "geglu": 2, "swiglu": 2}


def traced_bytes(row: dict[str, Any]) -> int:
    """What ``max_memory_allocated`` would say of a row: over its later calls.

    RoPE's tables come from a matrix product, which leaves one workspace behind; the scripts of
    gated units measure the whole step first, which leaves both.
    """
    with fake_world(fake=True):
        tracker = StorageTracker(None, workspace_of(row["gpu"]))
        before, run = CASES[row["kernel"]](row["config"], row["x"], row["mode"])
        tracker.adopt(before, "input")
        with tracker.running():
            for call in range(CALLS):
                with tracker.phase(str(call)):
                    kept = run()
                del kept
        log = tracker.log()
    gc.collect()
    last = log.phases[-1]
    seen = sum(storage.category == "workspace" for storage in log.storages)
    left = LEFT_BEFORE.get(row["kernel"], 0) - seen
    return max([*live(log)][last.start : last.end]) + max(left, 0) * workspace_of(row["gpu"])
