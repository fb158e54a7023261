"""A streamer for ``generate``: says text as it comes, and marks where prefill ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from transformers.generation.streamers import BaseStreamer

from weighbridge.measure.lab.meters import Meter


class Stream(BaseStreamer):  # type: ignore[misc]
    """Called by ``generate`` with the prompt, then with each token.

    Text is decoded anew from the last line break on, because a token may be part of a character.
    Without a tokenizer the numbers of the tokens are said.
    """

    def __init__(self, tokenizer: Any, meter: Meter, say: Callable[[str], None]) -> None:
        self.tokenizer, self.meter, self.say = tokenizer, meter, say
        self.text = ""
        self.tokens = 0
        self._ids: list[int] = []
        self._said = 0
        self._phases = ExitStack()
        self._prompted = False

    def __enter__(self) -> Stream:
        self._phases.enter_context(self.meter.phase("prefill"))
        return self

    def __exit__(self, *_: Any) -> None:
        self._phases.close()
        seconds = self.meter.seen.get(("seconds", "decode"), [0.0])[0]
        if seconds and self.tokens > 1:
            self.meter.see("rate", "decode", (self.tokens - 1) / seconds)

    def put(self, value: Any) -> None:
        """The prompt, or the next token."""
        if not self._prompted:
            self._prompted = True
            return
        if not self.tokens:
            self._phases.close()
            self._phases.enter_context(self.meter.phase("decode"))
        self.tokens += 1
        self._ids.append(int(value.reshape(-1)[0]))
        if self.tokenizer is None:
            self._tell(f"{self._ids[-1]} ")
            return
        text = self.tokenizer.decode(self._ids, skip_special_tokens=True)
        if text.endswith("\n"):
            self._tell(text[self._said :])
            self._ids, self._said = [], 0
        elif not text.endswith("�"):
            self._tell(text[self._said :])
            self._said = len(text)

    def end(self) -> None:
        """What was held back."""
        if self.tokenizer is not None and self._ids:
            text = self.tokenizer.decode(self._ids, skip_special_tokens=True)
            self._tell(text[self._said :])

    def _tell(self, text: str) -> None:
        if text:
            self.text += text
            self.say(text)
