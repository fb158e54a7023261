"""BERT (arXiv:1810.04805): an encoder with learned positions, and its architectures' heads."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, VOCABULARY, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.decoder import architecture_of
from weighbridge.model.families.parts import Parameters, embedding, linear, norm
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.bidirectional import BidirectionalAttention

WITHOUT_POOLER = ("BertForMaskedLM", "BertForTokenClassification", "BertForQuestionAnswering")


def read(config: Config) -> Model:
    """BertModel, and BertFor… with the heads whose size the config tells."""
    architecture = architecture_of(config) or "BertModel"
    hidden = config.integer("hidden size", "hidden_size")
    heads = config.integer("heads", "num_attention_heads", high=COUNT)
    width = config.integer("feed-forward width", "intermediate_size")
    vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
    positions = config.integer(
        "longest sequence", "max_position_embeddings", default=512, high=POSITIONS
    )
    types = config.integer("token types", "type_vocab_size", default=2)
    if hidden % heads:
        raise config.refuse("hidden_size", f"is no multiple of the {heads} heads")
    layer = encoder_layer(hidden, heads, width)
    prefix = "" if architecture == "BertModel" else "bert."
    pooled = not architecture.endswith(WITHOUT_POOLER)
    return Model(
        id=config.where,
        family="",
        architecture=architecture,
        hidden=hidden,
        vocab=vocab,
        layers=(layer,) * config.integer("layers", "num_hidden_layers", high=LAYERS),
        outer=(
            *embedding(f"{prefix}embeddings.word_embeddings", vocab, hidden),
            *embedding(f"{prefix}embeddings.position_embeddings", positions, hidden),
            *embedding(f"{prefix}embeddings.token_type_embeddings", types, hidden),
            *norm(f"{prefix}embeddings.LayerNorm", hidden, bias=True),
            *(linear(f"{prefix}pooler.dense", hidden, hidden, bias=True) if pooled else ()),
            *_heads(config, architecture, hidden, vocab),
        ),
        tied=architecture.endswith(("ForPreTraining", "ForMaskedLM")),
        dtype=config.dtype() or "",
        layer_prefix=f"{prefix}encoder.layer.",
        generates=False,
        max_positions=positions,
    )


def encoder_layer(hidden: int, heads: int, width: int) -> Layer:
    """One layer of the encoder: attention and feed-forward, each with a norm behind it."""
    attention = BidirectionalAttention(
        (
            *linear("attention.self.query", hidden, hidden, bias=True),
            *linear("attention.self.key", hidden, hidden, bias=True),
            *linear("attention.self.value", hidden, hidden, bias=True),
            *linear("attention.output.dense", hidden, hidden, bias=True),
        ),
        heads,
        hidden // heads,
    )
    feed_forward = Dense(
        (
            *linear("intermediate.dense", width, hidden, bias=True),
            *linear("output.dense", hidden, width, bias=True),
        ),
        width,
        gated=False,
    )
    norms = (
        *norm("attention.output.LayerNorm", hidden, bias=True),
        *norm("output.LayerNorm", hidden, bias=True),
    )
    return Layer(attention, feed_forward, norms)


def _heads(config: Config, architecture: str, hidden: int, vocab: int) -> Parameters:
    if architecture in {"BertForPreTraining", "BertForMaskedLM"}:
        masked: Parameters = (
            *linear("cls.predictions.transform.dense", hidden, hidden, bias=True),
            *norm("cls.predictions.transform.LayerNorm", hidden, bias=True),
            Parameter("cls.predictions.bias", (vocab,), "bias"),
        )
        if architecture == "BertForMaskedLM":
            return masked
        return (*masked, *linear("cls.seq_relationship", 2, hidden, bias=True))
    if architecture in {"BertForSequenceClassification", "BertForTokenClassification"}:
        labels = config.raw.get("id2label")
        count = len(labels) if isinstance(labels, dict) and labels else 2
        return linear("classifier", count, hidden, bias=True)
    if architecture == "BertForQuestionAnswering":
        return linear("qa_outputs", 2, hidden, bias=True)
    return ()
