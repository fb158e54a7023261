"""The tables of options as JSON Schema: the bodies and queries that OpenAPI describes.

The schema is made from the rows by which requests are read (:func:`weighbridge.options.read_value`)
and is not asked when they are: there is one reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.model.posted import FORMATS, MAX_NAME, MAX_TENSORS
from weighbridge.options import LARGEST_COUNT, Option
from weighbridge.request import ALIASES, TRAINING_ALIASES
from weighbridge.serve.routes import Route, engines_of, options_of
from weighbridge.serve.work import LONGEST, MOST_USERS
from weighbridge.words import LANGUAGES

Schema = dict[str, Any]
MOST_SIZE = 2**63 - 1
TEXT: Schema = {"type": "string", "maxLength": 40}
MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 4096,
    "description": "a name of the catalogue, a bare size (7B), org/name where the server asks the "
    "Hub, a path where it reads a root, or a handle of /headers",
}
CONFIG: Schema = {"type": "object", "description": "the content of a config.json"}
LANGUAGE: Schema = {"type": "string", "maxLength": 35,
                    "description": f"of words; there are {', '.join(LANGUAGES)}"}  # fmt: skip


def body_schema(route: Route) -> Schema:
    """What a ``POST`` of the route holds."""
    properties: dict[str, Schema] = {}
    if route.subject != "none":
        properties |= {"model": MODEL, "config": CONFIG}
    for option in options_of(route):
        schema = _list(option) if option.name in route.lists else option_schema(option)
        properties[option.name] = _described(option, schema)
    for alias, name in _aliases(route).items():
        if name in properties and alias not in properties:
            described = f"another name of {name}"
            properties[alias] = {**properties[name], "description": described}
    properties["lang"] = LANGUAGE
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if route.subject == "model":
        found["anyOf"] = [{"required": ["model"]}, {"required": ["config"]}]
    if route.example is not None:
        found["example"] = route.example
    required = [each.name for each in route.own if each.name in {"target", "command"}]
    return found | ({"required": required} if required else {})


def query_schema(route: Route) -> Schema:
    """What a ``GET`` of the route may ask: the same names, values as text."""
    body = body_schema(route)
    properties = {
        name: {**_as_text(schema), "description": schema.get("description", "")}
        for name, schema in body["properties"].items()
        if name != "config"
    }
    found = {**body, "properties": properties}
    if found.pop("anyOf", None):
        found["required"] = ["model"]
    return found


def option_schema(option: Option) -> Schema:
    """The values that an option takes; null is its default."""
    if option.kind == "text":
        choices = {"enum": [*option.choices, None]} if option.choices else {}
        return {"type": ["string", "null"], "maxLength": 4096, **choices}
    if option.kind == "flag":
        words = {"type": "string", "enum": ["true", "false", "1", "0", "on", "off"]}
        return {"anyOf": [{"type": "boolean"}, words, {"type": "null"}]}
    most = {"count": option.most, "size": MOST_SIZE, "number": LARGEST_COUNT}[option.kind]
    kind = "number" if option.kind == "number" else "integer"
    number = {"type": kind, "minimum": -1 if option.auto else 0, "maximum": most}
    return {"anyOf": [number, TEXT, {"type": "null"}]}


def _list(option: Option) -> Schema:
    most = LONGEST if option.name == "max_model_len" else MOST_USERS
    item: Schema = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": most}, TEXT]}
    return {"type": "array", "items": item, "minItems": 1, "maxItems": 1000}


def _as_text(schema: Schema) -> Schema:
    """The schema of a value in a query, where there are only texts."""
    if schema.get("type") == "string":
        return schema
    if "enum" in schema:
        return {"type": "string", "enum": [each for each in schema["enum"] if each is not None]}
    words = [each for each in schema.get("anyOf", []) if "enum" in each]
    return words[0] if words else {"type": "string", "maxLength": schema.get("maxLength", 40)}


def _described(option: Option, schema: Schema) -> Schema:
    engines = engines_of(option.name)
    of = f" (of {', '.join(engines)})" if engines else ""
    return {**schema, "description": option.help + of}


def _aliases(route: Route) -> Mapping[str, str]:
    return {"plan": ALIASES, "training": TRAINING_ALIASES}.get(route.base, {})


HEADERS: Schema = {
    "type": "object",
    "properties": {
        "format": {"type": "string", "enum": list(FORMATS)},
        "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
        "config": CONFIG,
        "metadata": {"type": "object", "description": "of a GGUF file; a long list as {count: N}"},
        "tensors": {
            "type": "array",
            "maxItems": MAX_TENSORS,
            "items": {
                "type": "object",
                "required": ["name", "dtype", "shape"],
                "properties": {
                    "name": {"type": "string", "maxLength": 512},
                    "dtype": {"type": "string", "maxLength": 40},
                    "shape": {
                        "type": "array",
                        "maxItems": 8,
                        "items": {"type": "integer", "minimum": 0, "maximum": 2**48},
                    },
                },
            },
        },
    },
    "required": ["format"],
    "example": {
        "format": "config",
        "name": "a model of mine",
        "config": {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
        },
    },
}
