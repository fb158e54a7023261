"""``weigh card``: one accelerator in full, or one model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from weighbridge.commands.shared import Run, format_of, print_json, print_table
from weighbridge.errors import HardwareError, ModelReferenceError


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument(
        "name", metavar="NAME", help="a card's id, alias or marketed name; or a model"
    )

    def run(options: argparse.Namespace) -> int:
        from weighbridge.hardware.cards import look_up
        from weighbridge.hardware.table import card_details, card_to_dict
        from weighbridge.show.tables import markdown_table, table

        try:
            found = look_up(options.name)
        except HardwareError as no_card:
            return _model_card(options, no_card)
        data = {"schema": 1, "card": card_to_dict(found.card), "said": found.said}
        print_table(options, ("", ""), card_details(found.card), data, table, markdown_table)
        if found.said:
            print(found.said, file=sys.stderr)
        return 0

    return run


def _model_card(options: argparse.Namespace, no_card: HardwareError) -> int:
    """The facts of a model, where no card has the name but a model has."""
    from weighbridge.model.catalog import close_names
    from weighbridge.model.load import load_model
    from weighbridge.model.reference import MISSPELLING, looks_like_path, resolve
    from weighbridge.show.model_card import model_card, model_to_markdown, model_to_text
    from weighbridge.show.style import printed

    try:
        reference = resolve(options.name)
    except ModelReferenceError as no_model:
        if looks_like_path(options.name) or not close_names(options.name, MISSPELLING):
            raise (no_model if looks_like_path(options.name) else no_card) from None
        raise HardwareError(f"no card has this name, and {no_model}") from None
    if reference.size is not None and reference.size[0]:
        raise no_card
    model, style = load_model(options.name), format_of(options)
    if style == "json":
        print_json(model_card(model))
    elif style == "markdown":
        print(model_to_markdown(model))
    else:
        print(printed(model_to_text(model)))
    return 0
