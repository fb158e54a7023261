"""XLM-RoBERTa (arXiv:1911.02116) and its embedding models: BERT with a larger vocabulary."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, VOCABULARY, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.bert import encoder_layer
from weighbridge.model.families.decoder import architecture_of
from weighbridge.model.families.parts import Parameters, embedding, linear, norm

BARE = "XLMRobertaModel"


def read(config: Config) -> Model:
    """XLMRobertaModel, and XLMRobertaFor… with the heads whose size the config tells."""
    architecture = architecture_of(config) or BARE
    hidden = config.integer("hidden size", "hidden_size")
    heads = config.integer("heads", "num_attention_heads", high=COUNT)
    if hidden % heads:
        raise config.refuse("hidden_size", f"is no multiple of the {heads} heads")
    width = config.integer("feed-forward width", "intermediate_size")
    vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
    positions = config.integer(
        "longest sequence", "max_position_embeddings", default=512, high=POSITIONS
    )
    types = config.integer("token types", "type_vocab_size", default=2)
    prefix = "" if architecture == BARE else "roberta."
    layer = encoder_layer(hidden, heads, width)
    name = f"{prefix}embeddings."
    embeddings = (
        *embedding(f"{name}word_embeddings", vocab, hidden),
        *embedding(f"{name}position_embeddings", positions, hidden),
        *embedding(f"{name}token_type_embeddings", types, hidden),
        *norm(f"{name}LayerNorm", hidden, bias=True),
    )
    pooler = linear("pooler.dense", hidden, hidden, bias=True) if not prefix else ()
    return Model(
        id=config.where,
        family="",
        architecture=architecture,
        hidden=hidden,
        vocab=vocab,
        layers=(layer,) * config.integer("layers", "num_hidden_layers", high=LAYERS),
        outer=(*embeddings, *pooler, *_heads(config, architecture, hidden, vocab)),
        tied=architecture.endswith("ForMaskedLM"),
        dtype=config.dtype() or "",
        layer_prefix=f"{prefix}encoder.layer.",
        generates=False,
        max_positions=positions,
    )


def _heads(config: Config, architecture: str, hidden: int, vocab: int) -> Parameters:
    if architecture == "XLMRobertaForMaskedLM":
        return (
            *linear("lm_head.dense", hidden, hidden, bias=True),
            *norm("lm_head.layer_norm", hidden, bias=True),
            Parameter("lm_head.bias", (vocab,), "bias"),
        )
    labels = config.raw.get("id2label")
    count = len(labels) if isinstance(labels, dict) and labels else 2
    if architecture == "XLMRobertaForTokenClassification":
        return linear("classifier", count, hidden, bias=True)
    if architecture == "XLMRobertaForSequenceClassification":
        return (
            *linear("classifier.dense", hidden, hidden, bias=True),
            *linear("classifier.out_proj", count, hidden, bias=True),
        )
    if architecture == "XLMRobertaForQuestionAnswering":
        return linear("qa_outputs", 2, hidden, bias=True)
    return ()
