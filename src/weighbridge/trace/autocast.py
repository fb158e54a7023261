"""``torch.autocast`` over fp32 weights, cast as a card casts and not as a CPU does.

Autocast's lists of operators differ by device: on a CPU neither softmax nor a norm is widened to
fp32. A trace runs on tensors that say they lie on a CPU, so that the card's list (AT_FORALL_*
of aten/src/ATen/autocast_mode.h, PyTorch 2.13) is laid over the CPU's while it runs. Casts of
trained weights are kept by PyTorch's own cache (cached_cast) until autocast ends, and by autograd
until their layer's backward; both are left to PyTorch.

``TrainingArguments(bf16=True)`` adds one thing: accelerate turns the outputs of 16 bit into fp32
(utils/operations.py, convert_outputs_to_fp32).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from weighbridge.trace.question import AUTOCAST, Question

DEVICE, KEY = "cpu", "AutocastCPU"
# What a card computes in 16 bit and a CPU leaves alone; what a card widens; what it tells to give
# fp32; and what it runs in the widest type of its arguments.
NARROW = "mv addmv addr einsum chain_matmul linalg_multi_dot"
WIDE = """acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan
pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm rms_norm
group_norm cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d
hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss
multilabel_margin_loss soft_margin_loss triplet_margin_loss multi_margin_loss
binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp"""
GIVES_WIDE = """prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm
linalg_matrix_norm sum sum.dim_IntList"""
WIDEST = "addcdiv addcmul atan2 bilinear cross dot vdot index_put tensordot scatter_add"

Kernel = Callable[..., Any]


@contextmanager
def card_casts() -> Iterator[None]:
    """Within the block, autocast on a CPU follows a card's list."""
    rules: dict[str, Callable[[Any], Kernel]] = {
        NARROW: _narrowed, WIDE: _widened, GIVES_WIDE: _giving_wide, WIDEST: _in_the_widest,
    }  # fmt: skip
    library = torch.library.Library("aten", "IMPL")
    try:
        for names, rule in rules.items():
            for name in names.split():
                packet, _, overload = name.partition(".")
                operator = getattr(getattr(torch.ops.aten, packet), overload or "default")
                library.impl(name, rule(operator), KEY, allow_override=True)
        yield
    finally:
        library._destroy()


def casting(question: Question) -> Any:
    """Autocast around a forward pass, or nothing."""
    if question.dtype not in AUTOCAST:
        return nullcontext()
    return torch.autocast(DEVICE, dtype=getattr(torch, AUTOCAST[question.dtype]))


def widen_outputs(out: Any, question: Question) -> None:
    """Outputs of 16 bit become fp32, as accelerate makes them after the forward pass."""
    if question.dtype not in AUTOCAST:
        return
    wide = {name: each.float() for name, each in out.items() if _is_half(each)}
    for name, each in wide.items():
        out[name] = each


def in_product_type(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Attention's inputs in the type of autocast, where it is on."""
    if not torch.is_autocast_enabled(DEVICE):
        return tensors
    kind = torch.get_autocast_dtype(DEVICE)
    return tuple(_cast(each, kind) for each in tensors)


@contextmanager
def below() -> Iterator[None]:
    """What an operator calls inside is not cast again."""
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)
    with torch._C._ExcludeDispatchKeyGuard(keys):
        yield


def _narrowed(operator: Any) -> Kernel:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        return _called(operator, args, kwargs, torch.get_autocast_dtype(DEVICE))

    return kernel


def _widened(operator: Any) -> Kernel:
    return lambda *args, **kwargs: _called(operator, args, kwargs, torch.float32)


def _giving_wide(operator: Any) -> Kernel:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        named = any(isinstance(each, torch.dtype) for each in given)
        if _is_float(args[0]) and not named:
            kwargs = {**kwargs, "dtype": torch.float32}
        with below():
            return operator(*args, **kwargs)

    return kernel


def _in_the_widest(operator: Any) -> Kernel:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        flat = [each for arg in args for each in (arg if isinstance(arg, (list, tuple)) else [arg])]
        wide = any(_is_float(each) and each.dtype == torch.float32 for each in flat)
        kind = torch.float32 if wide else torch.get_autocast_dtype(DEVICE)
        return _called(operator, args, kwargs, kind)

    return kernel


def _called(operator: Any, args: Any, kwargs: Any, kind: torch.dtype) -> Any:
    with below():
        return operator(*(_cast(each, kind) for each in args),
                        **{name: _cast(each, kind) for name, each in kwargs.items()})  # fmt: skip


def _cast(value: Any, kind: torch.dtype) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(each, kind) for each in value)
    return value.to(kind) if _is_float(value) else value


def _is_float(value: Any) -> bool:
    """What autocast may cast: floating point other than fp64."""
    return (
        isinstance(value, torch.Tensor)
        and value.is_floating_point()
        and value.dtype != torch.float64
    )


def _is_half(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in (torch.float16, torch.bfloat16)
