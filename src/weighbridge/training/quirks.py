"""Families whose code keeps other tensors than its kind of layer does elsewhere, one row each.

Each row was read off the code of Transformers 5.23 with its saved tensors listed on the meta
device (``torch.autograd.graph.saved_tensors_hooks``).
"""

from __future__ import annotations

from typing import NamedTuple


class Quirk(NamedTuple):
    """``wide_norm``: the weight multiplies in fp32, so that the normalised input is kept so too.

    ``plain_saves``: tensors of the inner width that a plain feed-forward keeps before its product;
    ``attended_twice``: attention's output is copied before the closing projection;
    ``fp32_router``: the router works on an fp32 copy of its input; ``views``: without rotary
    positions, attention keeps the fused projection itself; ``masks``: one-byte dropout masks of the
    hidden width, where the config's default is to drop; ``centred``: the norm keeps x − mean too;
    ``capped``: scores and logits pass a tanh, whose output is kept; ``drops``: probabilities pass a
    dropout by the config's default; ``layer_norm``: norms without a bias are ``nn.LayerNorm`` too,
    ``head_layer_norm``: those of heads are; ``wide_scores``: eager attention multiplies queries and
    keys in fp32; ``narrow_softmax``: it has its softmax in the type of the products, over one score
    more (a sink); ``parallel``: both norms read the layer's input; ``clamped``: experts clamp gate
    and up before they multiply; ``embedding_apart``: the first layer's input is not the embedding's
    output, which stays too where it has to ask for a gradient; ``byte_mask``: eager attention's
    mask is of one byte; ``broadcasts``: sdpa is given a mask, and where there is one head of keys
    that head alone, which no fused kernel takes.
    """

    wide_norm: bool = False
    plain_saves: int = 1
    attended_twice: bool = False
    fp32_router: bool = False
    views: bool = False
    masks: int = 0
    centred: bool = False
    capped: bool = False
    drops: bool = False
    layer_norm: bool = False
    head_layer_norm: bool = False
    wide_scores: bool = False
    narrow_softmax: bool = False
    parallel: bool = False
    clamped: bool = False
    embedding_apart: bool = False
    byte_mask: bool = False
    broadcasts: bool = False


PLAIN = Quirk()
_ROWS = (
    (Quirk(wide_norm=True, capped=True), "gemma2"),
    (Quirk(wide_norm=True), "gemma gemma3 gemma3_text gemma3n_text gemma4 gemma4_text olmo2 "
     "olmo3 nemotron_h"),
    (Quirk(wide_norm=True, centred=True), "cohere cohere2"),
    (Quirk(plain_saves=4, views=True, masks=2, embedding_apart=True), "gpt2 gpt_bigcode"),
    (Quirk(plain_saves=4, views=True, masks=2, embedding_apart=True, wide_scores=True), "gpt_neo"),
    (Quirk(plain_saves=4, wide_scores=True), "gptj"),
    (Quirk(plain_saves=4, attended_twice=True), "phi"),
    (Quirk(plain_saves=0, masks=2, embedding_apart=True), "opt"),
    (Quirk(masks=2, drops=True), "seed_oss"),
    (Quirk(masks=3), "bert roberta xlm-roberta"),
    (Quirk(views=True, embedding_apart=True), "bloom"),
    (Quirk(views=True, layer_norm=True, byte_mask=True), "mpt"),
    (Quirk(layer_norm=True), "dbrx modernbert"),
    (Quirk(parallel=True, attended_twice=True), "gpt_neox"),
    (Quirk(parallel=True, broadcasts=True), "falcon"),
    (Quirk(embedding_apart=True), "granite granitemoehybrid minicpm3"),
    (Quirk(wide_norm=True, narrow_softmax=True, clamped=True), "gpt_oss"),
    (Quirk(attended_twice=True), "phi3 glm glm4"),
    (Quirk(attended_twice=True, head_layer_norm=True), "stablelm"),
    (Quirk(fp32_router=True), "deepseek_v2 deepseek_v3 deepseek_v32 glm4_moe"),
)  # fmt: skip
QUIRKS = {family: quirk for quirk, families in _ROWS for family in families.split()}


def quirk_of(family: str) -> Quirk:
    """The row of a family (its ``model_type``), or the plain one."""
    return QUIRKS.get(family, PLAIN)
