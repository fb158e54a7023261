"""Backward formulas that fill zeros in place, and do it beside them where a dispatch mode watches.

Autograd asks whether any tensor is like a subclass, which under a dispatch mode all are, and then
takes the form that leaves the zeros alone: one more tensor of the input's size that a real run
never has. Sources (PyTorch 2.13): gather_backward and index_select_backward in
ATen/native/TensorAdvancedIndexing.cpp and TensorShape.cpp; index_backward and
value_selecting_reduction_backward in torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

from typing import Any

import torch

aten = torch.ops.aten
# By the node of the autograd graph: what a watched run calls, and what a real one does.
_SELECTING = {aten.scatter.src: aten.scatter_.src}
FILLED: dict[str, dict[Any, Any]] = {
    "GatherBackward0": {aten.scatter_add.default: aten.scatter_add_.default},
    "IndexSelectBackward0": {aten.index_add.default: aten.index_add_.default},
    "IndexBackward0": {aten.index_put.default: aten.index_put_.default},
    "TopkBackward0": _SELECTING,
    "SortBackward0": _SELECTING,
    "MaxBackward0": _SELECTING,
    "MinBackward0": _SELECTING,
}
_WATCHED = frozenset(operator for pairs in FILLED.values() for operator in pairs)


def as_real(operator: Any) -> Any:
    """The operator that a real run calls in place of this one."""
    if operator not in _WATCHED:
        return operator
    node = torch._C._current_autograd_node()
    return operator if node is None else FILLED.get(node.name(), {}).get(operator, operator)
