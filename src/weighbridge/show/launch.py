"""What a launch command means, as a person reads it."""

from __future__ import annotations

from weighbridge.launch.reading import Launch
from weighbridge.show.page import Page, page_width
from weighbridge.show.style import painter
from weighbridge.show.width import clean


def launch_to_text(launch: Launch, *, colour: bool = False, width: int | None = None) -> str:
    """The flags that were read, those without effect, and those that no model reads."""
    page = Page(page_width(width), painter(colour))
    return page.bullets("the command", [clean(line) for line in lines(launch)])


def launch_to_markdown(launch: Launch) -> str:
    """The same as a list."""
    return "\n".join(["**The command**", "", *(f"- {clean(line)}" for line in lines(launch))])


def lines(launch: Launch) -> list[str]:
    """A sentence for each thing that the command says."""
    found = [f"{words} → {means}" for words, means in launch.read]
    if launch.idle:
        found.append("no effect on device memory: " + ", ".join(launch.idle))
    if launch.unmodelled:
        found.append("may change memory, not modelled: " + ", ".join(launch.unmodelled))
    return [*found, *launch.notes] or ["nothing but the model is named"]
