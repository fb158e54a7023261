"""What bitsandbytes packs of a model that Transformers loads: modules, not tensors.

Transformers 5.23 replaces modules whose very type is ``nn.Linear`` (or GPT-2's ``Conv1D``):
replace_with_bnb_linear of integrations/bitsandbytes.py. Since version 5 the routed experts of a
layer are one parameter of three dimensions, which stays in 16 bit; so does a subclass of
``nn.Linear``. Version 4 asked for subclasses too, and most mixtures had a module for each expert.
"""

from __future__ import annotations

from weighbridge.formats.format import StorageFormat
from weighbridge.model.facts import Model, Parameter
from weighbridge.records import fields_of, record

NAMES = frozenset({"nf4", "nf4-dq", "fp4", "fp4-dq", "int8"})
# FalconLinear, a subclass (models/falcon/modeling_falcon.py).
SUBCLASSED = frozenset({"falcon"})
# Routers that are an nn.Linear of their own; elsewhere they are parameters of a routing module.
LINEAR_ROUTERS = frozenset({"afmoe", "dbrx", "gemma4", "gemma4_text", "hunyuan_v1_moe", "zaya"})
SHARED_GATE = "shared_expert_gate"
EXPERTS_STAY = (
    "bitsandbytes packs nn.Linear modules alone: the routed experts, one parameter per layer since "
    "Transformers 5, stay in 16 bit"
)
SUBCLASSES_STAY = (
    "bitsandbytes packs nothing of this model's layers: they are a subclass of nn.Linear, and "
    "Transformers 5 asks for the type itself"
)


@record
class PackedModules(StorageFormat):
    """A bitsandbytes format of the modules that Transformers 5 replaces."""

    subclassed: bool = False
    routers: bool = False

    def stores(self, parameter: Parameter) -> bool:
        """Matrices of ``nn.Linear`` modules."""
        if self.subclassed or len(parameter.shape) != 2:
            return False
        router = parameter.role == "router" and (self.routers or SHARED_GATE in parameter.name)
        return parameter.role == "linear" or router


def packed_by_transformers(storage: StorageFormat, model: Model) -> StorageFormat:
    """The format as Transformers 5 applies it to this model; other formats as they are."""
    if storage.name not in NAMES:
        return storage
    values = {name: getattr(storage, name) for name in fields_of(StorageFormat)}
    return PackedModules(**values, subclassed=model.family in SUBCLASSED,
                         routers=model.family in LINEAR_ROUTERS)  # fmt: skip


def left_in_16_bit(storage: StorageFormat | None, model: Model) -> str:
    """What of the model bitsandbytes leaves as it is, as a sentence; empty where nothing is."""
    if not isinstance(storage, PackedModules):
        return ""
    if storage.subclassed:
        return SUBCLASSES_STAY
    experts = any(p.role == "expert" for layer, _ in model.layer_groups() for p in layer.parameters)
    return EXPERTS_STAY if experts else ""
