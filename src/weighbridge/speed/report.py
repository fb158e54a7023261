"""``weigh speed`` as one object: what was asked, the answer, and what each remedy is worth."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.request import Request
from weighbridge.speed.ask import Answer, ask
from weighbridge.speed.calibration import read_calibration
from weighbridge.speed.result import speed_to_dict
from weighbridge.speed.whatif import Outcome, what_if


class SpeedReport(NamedTuple):
    """The speed of a request; ``outcomes`` is None where no remedies were asked for."""

    request: Request
    answer: Answer
    outcomes: tuple[Outcome, ...] | None = None

    def __str__(self) -> str:
        from weighbridge.show.speed import speed_to_text, what_if_to_text

        text = speed_to_text(self.answer)
        return f"{text}\n\n{what_if_to_text(list(self.outcomes))}" if self.outcomes else text

    def _repr_html_(self) -> str:
        from weighbridge.show.html import text_to_html

        return text_to_html(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON prints it."""
        subject = self.answer.subject
        data: dict[str, Any] = {
            "schema": 1,
            "version": __version__,
            "model": {"id": subject.model.id, "parameters": subject.model.parameters},
            "request": self.request.to_dict(),
            "device": {"name": subject.card.name, "count": len(subject.cards)},
            "speed": speed_to_dict(self.answer),
            "assumed": list(self.answer.notes),
        }
        if self.outcomes is not None:
            data["what_if"] = [row._asdict() for row in self.outcomes]
        return data


def speed_report(request: Request, *, drafts: int = 0, remedies: bool = False) -> SpeedReport:
    """The report; the request's ``calibration`` is the file that ``weigh calibrate`` wrote."""
    named = request.deployment.calibration
    own = read_calibration(named) if named and named != "none" else None
    found = ask(request, drafts, fitted=own)
    return SpeedReport(request, found, tuple(what_if(found)) if remedies else None)
