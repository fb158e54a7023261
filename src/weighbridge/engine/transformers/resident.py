"""What lies on a device from loading on: weights, their packing, tables, workspaces."""

from __future__ import annotations

from typing import Any

from weighbridge.engine.transformers import versions
from weighbridge.engine.transformers.host import on_host, unread
from weighbridge.engine.transformers.setup import Setup
from weighbridge.engine.transformers.share import Share
from weighbridge.engine.transformers.terms import facts_basis
from weighbridge.memory.allocator import rounding
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Parameter
from weighbridge.records import replace
from weighbridge.term import Term, exact
from weighbridge.units import MIB

CUBLAS = 8 * MIB + 128 * 1024
CUBLAS_HOPPER = 32 * MIB
HOPPER = ("9.", "10.", "12.")

# Found in the published rows of Qwen, the smaller tied model of each fitted and the larger one
# reported; the cause was not proved from the source.
TIED_TWICE = {"fp8-block": ((4, 50, 3), (4, 52, 0))}
TIED_TWICE_WHILE_LOADING = {"int4-g128": ((4, 42, 4), (4, 50, 3))}
EXLLAMA_UNTIL = (4, 48, 0)


def parameters_of(setup: Setup, share: Share) -> list[tuple[Parameter, int]]:
    """The parameters of a share, each with the number of its layers that hold one.

    Where a format looks at the layer, each stands by itself under its full name.
    """
    found = [(parameter, 1) for parameter in share.outer]
    if setup.storage.by_layer:
        prefix, layers = setup.model.layer_prefix, setup.model.layers
        return found + [
            (replace(parameter, name=f"{prefix}{index}.{parameter.name}"), 1)
            for index in share.layers
            for parameter in layers[index].parameters
        ]
    for layer, count in share.kept(setup.model):
        found += [(parameter, count) for parameter in layer.parameters]
    return found


def weights(setup: Setup, share: Share) -> list[Term]:
    """Parameters in their storage format; the headers' own bytes where the files are loaded.

    An adapter's tensors are a term beside them.
    """
    beside = adapters(setup, share)
    if setup.as_stored and setup.model.stored is not None:
        return [_from_headers(setup, share), *beside]
    storage = setup.storage
    weighed = weigh_parameters(parameters_of(setup, share), storage)
    inputs: dict[str, Any] = {f"parameters in {storage.name}": weighed.elements_in_format}
    bits = weighed.in_format * 8 / max(weighed.elements_in_format, 1)
    inputs["bits each, scales included"] = round(bits, 4)
    formula = "parameters × bits / 8"
    if weighed.elements_left_alone:
        inputs["parameters left alone (embeddings, head, norms)"] = weighed.elements_left_alone
        inputs["bits of those"] = storage.rest_bits
        formula += " + parameters left alone × their bits / 8"
    spread = setup.model.rounding * weighed.total // max(setup.model.parameters, 1)
    found = [
        Term(
            "weights",
            share.device,
            "resident",
            weighed.total,
            max(weighed.total - spread - _unread(setup, share), 0),
            weighed.total + spread,
            facts_basis(setup),
            formula,
            inputs,
            storage.source,
        )
    ]
    if share.first and _between(TIED_TWICE, setup):
        found.append(_tied_copy(setup, share))
    return found + beside


def adapters(setup: Setup, share: Share) -> list[Term]:
    """The tensors of an adapter (``model.adapter.AdaptedModel``), each beside its layer."""
    table = getattr(setup.model, "adapters", ())
    here = set(share.layers)
    mine = []
    for tensor in table:
        number = tensor.name.partition("layers.")[2].partition(".")[0]
        inside = number.isdecimal() and int(number) < len(setup.model.layers)
        if int(number) in here if inside else share.last:
            mine.append(tensor)
    size = sum(tensor.nbytes for tensor in mine)
    if not size:
        return []
    wide = sum(max(tensor.nbytes, 4 * tensor.elements) for tensor in mine)
    known: Any = setup.model
    return [
        Term(
            "adapters",
            share.device,
            "resident",
            size,
            size,
            wide if known.adapter_basis == "header" else 2 * size,
            known.adapter_basis,
            "sum of the adapter's tensors; in fp32 at most",
            {"tensors": len(mine)},
            f"{known.adapter_source}; peft autocast_adapter_dtype casts 16 bit to fp32",
        )
    ]


def _from_headers(setup: Setup, share: Share) -> Term:
    """Bytes as stored: all of them on one device, or those of the layers that lie here."""
    stored = setup.model.stored
    assert stored is not None
    prefix, last = setup.model.layer_prefix, len(setup.model.layers) - 1
    mine = set(share.layers)
    total = count = 0
    by_dtype: dict[str, int] = {}
    for tensor in stored:
        number = tensor.name.removeprefix(prefix).partition(".")[0]
        inside = tensor.name.startswith(prefix) and number.isdecimal()
        here = (
            (int(number) in mine if int(number) <= last else share.last)
            if inside
            else (share.first if "emb" in tensor.name else share.last)
        )
        if here:
            total += tensor.nbytes
            count += 1
            by_dtype[tensor.dtype] = by_dtype.get(tensor.dtype, 0) + tensor.nbytes
    found = exact(
        "weights",
        total,
        device=share.device,
        basis="header",
        formula="sum of the tensors' bytes in the files' headers",
        inputs={"tensors": count, **{f"{k} bytes": v for k, v in by_dtype.items()}},
        source=setup.model.source,
    )
    return found._replace(low=max(total - _unread(setup, share), 0))


def _unread(setup: Setup, share: Share) -> int:
    """Rows of the embedding that may stay in their file, where host memory is the device."""
    if not (on_host(setup, share.device) and share.first):
        return 0
    return unread(setup.model, setup.storage.name)


def _between(table: dict[str, tuple[Any, Any]], setup: Setup) -> bool:
    if not setup.model.tied or setup.storage.name not in table:
        return False
    since, until = table[setup.storage.name]
    return bool(since <= setup.version < until)


def _tied_copy(setup: Setup, share: Share) -> Term:
    size = setup.model.vocab * setup.model.hidden * setup.element
    return exact(
        "weights",
        size,
        device=share.device,
        basis="calibrated",
        formula="vocabulary × hidden × bytes: the head's own copy of a tied embedding",
        inputs={"vocabulary": setup.model.vocab, "hidden": setup.model.hidden},
        source="QwenLM/Qwen3 speed benchmark, FP8 rows of tied models in transformers 4.51.3",
    )


def loading(setup: Setup, share: Share) -> list[Term]:
    """What loading needs for a while beside what stays."""
    if not (share.first and _between(TIED_TWICE_WHILE_LOADING, setup)):
        return []
    size = setup.model.vocab * setup.model.hidden * setup.element
    return [
        exact(
            "workspace",
            size,
            device=share.device,
            phase="load",
            basis="calibrated",
            formula="vocabulary × hidden × bytes: a stored head, until it is tied",
            inputs={"vocabulary": setup.model.vocab, "hidden": setup.model.hidden},
            source="QwenLM/Qwen2.5 speed benchmark, AWQ rows of tied models at a prompt of 1",
        )
    ]


def visitors(setup: Setup, share: Share) -> list[Term]:
    """Room for the largest module that comes from host memory or disk to run here."""
    together = setup.version >= versions.GROUPED_EXPERTS
    sizes = [
        setup.bytes_of((p,)) // p.copies
        for p in share.visitors
        if not (together and p.role == "expert")
    ]
    if together:
        sizes += [
            setup.bytes_of(p for p in setup.model.layers[index].parameters if p.role == "expert")
            for index in share.visiting
        ]
    if not sizes:
        return []
    return [
        Term(
            "workspace",
            share.device,
            "resident",
            max(sizes),
            max(sizes),
            2 * max(sizes),
            facts_basis(setup),
            "the largest module that lies in host memory or on disk, while it runs here",
            {"modules": len(sizes), "layers elsewhere": len(share.visiting)},
            "accelerate hooks.py, AlignDevicesHook: pre_forward brings a module's own tensors; "
            "from transformers 5.0 the experts of a layer are one module (integrations/moe.py)",
        )
    ]


def packing(setup: Setup, share: Share) -> list[Term]:
    """Rounding of the weights' blocks, until version 4.50 cut them from one block."""
    version = setup.version
    if setup.as_stored and setup.model.stored is not None and version >= (5, 0, 0):
        return []
    if version >= versions.WEIGHTS_FROM_ONE_BLOCK and (
        not setup.quantized or version >= versions.WARM_UP_COVERS_QUANTIZED
    ):
        return []
    covered = 2 if version >= versions.WEIGHTS_FROM_ONE_BLOCK else 1
    spare = rounding(
        size
        for parameter, count in parameters_of(setup, share)
        for size in _stored_tensors(setup, parameter) * (parameter.copies * count)
    )
    return [
        Term(
            "workspace",
            share.device,
            "resident",
            spare // covered,
            spare // 2 // covered,
            spare * 3 // 2,
            facts_basis(setup),
            "Σ tensors of what their block takes beyond them" + (" / 2" if covered == 2 else ""),
            {"bytes": spare},
            "pytorch c10/cuda/CUDACachingAllocator.cpp; transformers modeling_utils.py, "
            "caching_allocator_warmup from 4.50",
        )
    ]


def _stored_tensors(setup: Setup, parameter: Parameter) -> list[int]:
    """Sizes of the tensors that store one copy of a parameter: values, and what is beside."""
    values = setup.storage.value_bytes(parameter) // parameter.copies
    beside = setup.storage.bytes_of(parameter) // parameter.copies - values
    return [values, beside] if beside > 0 else [values]


def tables(setup: Setup, share: Share) -> list[Term]:
    """Tables that are no parameters: rotary cosines and sines, GPT-2's masks."""
    model, count = setup.model, len(share.layers)
    if model.family == "gpt2" and setup.version < versions.WITHOUT_GPT2_MASKS:
        return [
            _table(
                setup,
                share,
                count * (model.max_positions or 0) ** 2,
                "layers × positions² × 1 byte",
                "transformers models/gpt2/modeling_gpt2.py to 5.1: attn.bias",
            )
        ]
    if model.rotary_width and versions.rotary_tables(model.family, setup.version):
        prompt = setup.question.tokens.context
        positions = max(model.max_positions or 0, prompt if isinstance(prompt, int) else 0)
        return [
            _table(
                setup,
                share,
                count * positions * 2 * model.rotary_width * setup.element,
                "layers × positions × (cosines + sines) × head dim × bytes",
                "transformers models/*/modeling_*.py of that time: cos_cached, sin_cached",
            )
        ]
    return []


def _table(setup: Setup, share: Share, size: int, formula: str, source: str) -> Term:
    return exact(
        "workspace",
        size,
        device=share.device,
        basis=facts_basis(setup),
        formula=formula,
        inputs={
            "layers": len(share.layers),
            "positions": setup.model.max_positions,
            "head dim": setup.model.rotary_width,
            "bytes": setup.element,
        },
        source=source,
    )


def workspaces(setup: Setup, share: Share) -> list[Term]:
    """The matrix library's workspace, and the scratch of quantized kernels."""
    if on_host(setup, share.device):
        return []
    size = CUBLAS_HOPPER if _since_hopper(setup, share.device) else CUBLAS
    found = [
        Term(
            "workspace",
            share.device,
            "resident",
            size,
            0,
            2 * size,
            "config",
            "cuBLAS workspace of one stream: 32 MiB from Hopper on, 8.125 MiB before",
            {"bytes": size},
            "pytorch aten/src/ATen/cuda/CublasHandlePool.cpp, _parseChosenWorkspaceSize",
        )
    ]
    if setup.storage.name == "gptq-int4" and setup.version < EXLLAMA_UNTIL:
        shapes = [p.shape for p, _ in parameters_of(setup, share) if p.role == "linear"]
        size = max((r * c * 2 for r, c in shapes), default=0)
        found.append(
            exact(
                "workspace",
                size,
                device=share.device,
                basis=facts_basis(setup),
                formula="largest linear layer × 2 bytes",
                inputs={"bytes": size},
                source="AutoGPTQ exllama v1: temp_dq holds one dequantized matrix",
            )
        )
    return found


def _since_hopper(setup: Setup, device: int) -> bool:
    cards = setup.question.cards
    capability = cards[device].compute_capability if cards else None
    return capability is not None and str(capability).startswith(HOPPER)
