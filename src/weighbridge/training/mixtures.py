"""What PEFT makes of a mixture's feed-forward modules: one row for each kind of class.

Transformers 5 keeps the routed experts of a layer as two parameters of three dimensions, and most
routers as a parameter. For the families below, PEFT from 0.19 on takes the old names of modules
(``gate_proj``, ``w1``, ``gate``…) to mean those parameters, and gives the fused pair of gate and up
twice the rank (peft/utils/transformers_weight_conversion.py, 0.21: _MOE_TARGET_MODULE_MAPPING, and
transformers/conversion_mapping.py, 5.23: _MODEL_TO_CONVERSION_PATTERN). Modules of these names that
are plain linear layers, a shared expert's or a dense layer's, are then no longer adapted. For all
other families ``all-linear`` finds ``nn.Linear`` and its subclasses alone: no fused expert, and a
router where it is such a module.
"""

from __future__ import annotations

from weighbridge.model.facts import Parameter

_QWEN2 = frozenset({"gate", "gate_proj", "up_proj", "down_proj"})
_MIXTRAL = frozenset({"gate", "w1", "w2", "w3"})
_MAPPED = (
    (_MIXTRAL, "mixtral minimax minimax_m2"),
    (_QWEN2, "afmoe deepseek_v2 deepseek_v3 deepseek_v32 dots1 ernie4_5_moe glm4_moe "
     "glm4_moe_lite glm_moe_dsa glm4v_moe longcat_flash solar_open mellum qwen3_moe beam "
     "qwen3_omni_moe qwen3_next hunyuan_v1_moe flex_olmo olmoe exaone_moe cohere2_moe"),
)  # fmt: skip
MAPPED = {family: names for names, families in _MAPPED for family in families.split()}
# The names that stand for the fused pair; their adapter has twice the rank.
PAIRED = frozenset({"gate_proj", "up_proj", "w1", "w3"})
SECOND = frozenset({"up_proj", "w3"})
# Routers that are an nn.Linear, or a subclass: PEFT adapts them as any linear layer.
LINEAR_ROUTERS = frozenset({"dbrx", "gemma4", "gemma4_text", "hunyuan_v1_moe", "llama4",
                            "llama4_text", "phimoe", "zaya"})  # fmt: skip
SHARED_GATE = "shared_expert_gate"


def module_of(parameter: Parameter) -> str:
    """The last part of the module's name, as ``target_modules`` lists it."""
    return parameter.name.removesuffix(".weight").rsplit(".", 1)[-1]


def adaptable(family: str, parameter: Parameter) -> bool:
    """Whether PEFT finds this parameter when all linear layers are named."""
    name, mapped = module_of(parameter), MAPPED.get(family, frozenset())
    if len(parameter.shape) != 2:
        return False
    if parameter.role == "expert":
        return name in mapped
    if parameter.role == "router":
        return name == SHARED_GATE or name in mapped or family in LINEAR_ROUTERS
    return parameter.role == "linear" and name not in mapped


def fused(parameter: Parameter) -> bool:
    """Whether the parameter is a part of a stack of experts."""
    return parameter.role == "expert"


def tensors_of(parameter: Parameter) -> int:
    """Trained tensors that stand for the parameter: a stack of experts is one tensor, and so are
    the stacks of gate and up together."""
    if parameter.role != "expert" or parameter.copies == 1:
        return parameter.copies
    return 0 if module_of(parameter) in SECOND else 1
