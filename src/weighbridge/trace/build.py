"""A config → the real model class, without weights: built on meta, then given fake storage.

Building on the meta device allocates nothing, also where a class makes all experts of a layer as
one tensor (DeepSeek-V3: 30 GB in fp32 for one layer on the host). PEFT is applied there too,
because it cannot swap parameters under fake tensors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from weighbridge.errors import ConfigError, RequestError
from weighbridge.trace.quantized import prepare_kbit, quantize
from weighbridge.trace.question import DTYPES, Question
from weighbridge.trace.settings import make_config

# The auto classes that may be asked, in this order; each maps a config class to one model class.
AUTO = ("AutoModelForCausalLM", "AutoModelForImageTextToText", "AutoModelForSeq2SeqLM",
        "AutoModelForMaskedLM", "AutoModel")  # fmt: skip


def model_class(config: Any, architectures: Any = None) -> Any:
    """The class of Transformers itself: the one that the config names, or the auto classes' first.

    Only classes that an auto class maps this config to are allowed.
    """
    import transformers

    wanted = architectures[0] if isinstance(architectures, (list, tuple)) and architectures else ""
    found = []
    for name in AUTO:
        mapping = getattr(transformers, name)._model_mapping
        if type(config) in mapping.keys():  # noqa: SIM118 (a lazy mapping without __contains__)
            kinds = mapping[type(config)]
            found += list(kinds) if isinstance(kinds, tuple) else [kinds]
    if not found:
        raise ConfigError(f"Transformers has no language model for {type(config).__name__}")
    return next((kind for kind in found if kind.__name__ == wanted), found[0])


def build(question: Question, device: str = "meta") -> nn.Module:
    """The model of a question on a device, adapters and stand-ins included; no weights are read."""
    config = make_config(question.config, question.layers)
    dtype = getattr(torch, DTYPES[question.dtype])
    attention = question.attn_implementation
    if attention == "flash_attention_2":
        from weighbridge.trace.flash import NAME, register

        register()
        attention = NAME
    options: dict[str, Any] = {"attn_implementation": attention, "dtype": dtype}
    kind = model_class(config, question.config.get("architectures"))
    try:
        with torch.device(device):
            model: nn.Module = kind._from_config(config, **options)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        raise ConfigError(f"{kind.__name__} cannot be built: {str(error)[:300]}") from None
    model.tie_weights()  # type: ignore[operator]
    return adapted(model, question)


def adapted(model: nn.Module, question: Question) -> nn.Module:
    """The model made ready for its method of training."""
    if question.run != "train":
        return model.eval().requires_grad_(False)
    model.train()
    model.config.use_cache = False  # type: ignore[union-attr]
    if question.method == "qlora":
        quantize(model, double=question.double_quant)
        if question.prepare_kbit:
            prepare_kbit(model)
    if question.checkpointing:
        kwargs = {"use_reentrant": question.reentrant}
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)  # type: ignore[operator]
    if question.method == "full":
        return model
    model = with_adapters(model, question)
    if question.checkpointing:
        # Nothing before the first layer is trained: its input has to ask for a gradient.
        model.enable_input_require_grads()  # type: ignore[operator]
    return model.train()


def with_adapters(model: nn.Module, question: Question) -> nn.Module:
    """LoRA by PEFT, as its users apply it."""
    try:
        import peft
    except ImportError:
        raise RequestError(f"method {question.method} needs the package peft") from None
    names = question.targets
    targets = names if names == "all-linear" else names.split(",")
    config = peft.LoraConfig(r=question.rank, lora_alpha=2 * question.rank, target_modules=targets,
                             lora_dropout=question.lora_dropout, use_dora=question.use_dora,
                             init_lora_weights=False, task_type="CAUSAL_LM")  # fmt: skip
    try:
        made: nn.Module = peft.get_peft_model(
            model, config, autocast_adapter_dtype=question.adapters_fp32
        )
    except ValueError as error:
        raise RequestError(f"PEFT refuses the adapters: {str(error)[:300]}") from None
    return made


def give_storage(model: nn.Module, device: str = "cpu") -> None:
    """Replace every meta parameter and buffer by an empty one; ties and views stay ties."""
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for name, parameter in [*module._parameters.items()]:
            if parameter is not None:
                module._parameters[name] = _once(made, parameter, device)  # type: ignore[assignment]
        for name, buffer in [*module._buffers.items()]:
            if buffer is not None:
                module._buffers[name] = _once(made, buffer, device)


def _once(made: dict[int, torch.Tensor], tensor: torch.Tensor, device: str) -> torch.Tensor:
    if id(tensor) not in made:
        empty = torch.empty_like(tensor, device=device)
        if isinstance(tensor, nn.Parameter):
            empty = nn.Parameter(empty, requires_grad=tensor.requires_grad)
        made[id(tensor)] = empty
    return made[id(tensor)]


def parameter_table(model: nn.Module) -> dict[str, list[list[Any]]]:
    """Names, shapes, types and bytes of distinct parameters, and of buffers."""
    return {
        "parameters": [_line(name, each) for name, each in model.named_parameters()],
        "buffers": [_line(name, each) for name, each in model.named_buffers()],
    }


def _line(name: str, tensor: torch.Tensor) -> list[Any]:
    kind = str(tensor.dtype).removeprefix("torch.")
    return [name, [*tensor.shape], kind, tensor.numel() * tensor.element_size()]
