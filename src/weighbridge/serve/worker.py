"""The process that answers: one question at a time, with limits of its own.

It reads questions from standard input and writes answers to standard output (:mod:`.frames`). It
opens no socket unless the Hub may be asked, starts no program, writes no file, reads no file
outside what was allowed, and takes no more memory than it was given.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from weighbridge.serve.frames import packed, read_frame

HANDLE = "header:"
MODELS_KEPT = 8
BRACKETS = {"headers": 2**19}
PROGRESS_SECONDS = 0.1
# A tenth of the time of one that is not quiet, where both want it.
QUIET = 10
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> int:
    """Answer until standard input ends. The first frame says what is allowed."""
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    first = read_frame(source)
    if first is None:
        return 0
    worker = Worker(first[0], source, answers)
    worker.warm()
    if first[0].get("quiet") and hasattr(os, "nice"):
        os.nice(QUIET)
    lock_down(memory=first[0]["memory"], hub=worker.access.hub, roots=worker.access.roots)
    worker.say({"ready": True})
    while True:
        frame = read_frame(source)
        if frame is None:
            return 0
        worker.answer(*frame)


class Worker:
    """Answers questions over a pair of pipes, and remembers the models that were sent."""

    def __init__(self, allowed: Mapping[str, Any], source: BinaryIO, answers: BinaryIO) -> None:
        from weighbridge.model.access import Access

        roots = (os.path.realpath(allowed["root"]),) if allowed["root"] else ()
        caches = (os.path.realpath(_hub_cache()),) if allowed["hub"] else ()
        self.access = Access(roots=roots, caches=caches, hub=bool(allowed["hub"]))
        self.most = int(allowed["answer_bytes"])
        self.source = source
        self.answers = answers
        self.models: OrderedDict[str, Any] = OrderedDict()

    def say(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Write a frame."""
        self.answers.write(packed(head, body))
        self.answers.flush()

    def warm(self) -> None:
        """Import what answers need before the first question is there."""
        from weighbridge import api

        api.plan("llama-3.1-8b", on="rtx-4090", engine="vllm").to_dict()
        api.plan("7B", on="8GiB")
        with suppress(ImportError):
            import_module("numpy")

    def answer(self, head: dict[str, Any], raw: bytes) -> None:
        """One question: an answer or a problem, whatever it is."""
        from weighbridge.errors import InputError
        from weighbridge.words import say, use

        use(head["lang"])
        try:
            body = self._answered(head, raw)
        except _Malformed as error:
            self.say({"problem": "malformed", "detail": str(error)})
        except _Gone as error:
            self.say({"problem": "gone", "detail": str(error)})
        except InputError as error:
            detail = say(_one_line(str(error)))
            self.say({"problem": "input", "detail": detail, "kind": type(error).__name__})
        except MemoryError:
            self.say({"problem": "too-much", "detail": "the answer takes more memory than this "
                      "server gives to one; ask for less"})  # fmt: skip
        except Refused as error:
            self.say({"problem": "input", "detail": str(error)})
        except RecursionError:
            self.say({"problem": "input", "detail": "the request is nested too deeply"})
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{os.path.basename(where.filename)}:{where.lineno}"
            log = {"event": "error", "work": head.get("work"), "kind": type(error).__name__,
                   "at": place}  # fmt: skip
            print(json.dumps(log), file=sys.stderr, flush=True)
            self.say({"problem": "error", "detail": f"this question met a fault of Weighbridge "
                      f"({type(error).__name__} at {place}); please report it"})  # fmt: skip
        else:
            self._send(body)

    def _send(self, body: bytes) -> None:
        if len(body) > self.most:
            detail = f"the answer has {len(body):,} bytes, more than {self.most:,}; ask for less"
            self.say({"problem": "too-much", "detail": detail})
        else:
            from weighbridge.words import language

            self.say({"done": True, "lang": language()}, body)

    def _answered(self, head: dict[str, Any], raw: bytes) -> bytes:
        from weighbridge.model.access import limited
        from weighbridge.serve.language import asked_language
        from weighbridge.serve.work import do
        from weighbridge.words import say_all, use

        work = head["work"]
        sent = _parsed(raw, work)
        if sent.get("lang") is not None:
            use(asked_language(sent["lang"]))
        sent.pop("lang", None)
        model, given = self._model(work, head, sent)
        with limited(self.access._replace(given=given)):
            found = do(work, model, sent, self._teller())
        text = json.dumps(
            say_all(found), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode("utf-8", "replace")

    def _model(
        self, work: str, head: Mapping[str, Any], sent: dict[str, Any]
    ) -> tuple[str | None, dict[str, Any]]:
        """The name of the model, and the model itself where it was sent."""
        from weighbridge.errors import RequestError
        from weighbridge.model.posted import posted_model

        if work == "headers":
            model = posted_model(sent)
            self._keep(head["handle"], model)
            sent.clear()
            sent["handle"] = head["handle"]
            return model.id, {model.id: model}
        name = sent.pop("model", None)
        if name is not None and not isinstance(name, str):
            raise RequestError(f"the model is a name, not {type(name).__name__}")
        if sent.get("config") is not None:
            model = posted_model({"config": sent.pop("config"), "name": name or "config.json"})
            return model.id, {model.id: model}
        sent.pop("config", None)
        if name is not None and name.startswith(HANDLE):
            model = self._sent(name)
            return model.id, {model.id: model}
        return name, {}

    def _keep(self, handle: str, model: Any) -> None:
        self.models[handle] = model
        self.models.move_to_end(handle)
        while len(self.models) > MODELS_KEPT:
            self.models.popitem(last=False)

    def _sent(self, handle: str) -> Any:
        """A model that was sent before; the server is asked for it where it is not here."""
        from weighbridge.model.posted import posted_model

        if handle not in self.models:
            self.say({"need": handle})
            frame = read_frame(self.source)
            if frame is None or not frame[0].get("found"):
                raise _Gone(f"{handle[:60]} is not kept here; send the header again")
            self._keep(handle, posted_model(_parsed(frame[1], "headers")))
        return self.models[handle]

    def _teller(self) -> Any:
        """Says how far a long answer is, a few times a second."""
        last = 0.0

        def told(*values: Any, **named: Any) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < PROGRESS_SECONDS:
                return
            last = now
            self.say({"progress": progress_of(values, named)})

        return told


def progress_of(values: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """What a function tells, whatever its order: a text, and how many are done of how many.

    >>> progress_of(("cards: 4", 0.25), {}), progress_of((3, 10), {})
    ({'text': 'cards: 4', 'done': 0.25, 'of': 1}, {'done': 3, 'of': 10})
    """
    every = [*values, *named.values()]
    texts = [each for each in every if isinstance(each, str)]
    numbers = [each for each in every if isinstance(each, (int, float))]
    found: dict[str, Any] = {"text": texts[0]} if texts else {}
    if numbers:
        found |= {"done": numbers[0], "of": numbers[1] if len(numbers) > 1 else 1}
    return found


class _Malformed(Exception):
    """A body that is no JSON object."""


class Refused(PermissionError):
    """What no answer needs, and no worker does."""


class _Gone(Exception):
    """A handle of what is no longer kept."""


def _parsed(raw: bytes, work: str) -> dict[str, Any]:
    from weighbridge.errors import FileFormatError
    from weighbridge.model.bounded import MAX_BRACKETS, parse_json_object

    try:
        return parse_json_object(raw, "the body", BRACKETS.get(work, MAX_BRACKETS))
    except FileFormatError as error:
        raise _Malformed(str(error)) from None


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())


def _hub_cache() -> str:
    try:
        from huggingface_hub import constants
    except ImportError:
        return os.devnull
    return str(constants.HF_HUB_CACHE)


def lock_down(*, memory: int, hub: bool, roots: tuple[str, ...] | None = ()) -> None:
    """Lower this process's own limits, and refuse what no answer needs.

    Where the Hub is not asked, no file is read beside the program's own and those under ``roots``;
    its client reads certificates and settings wherever they lie.
    """
    try:
        import resource
    except ImportError:  # no such limits on Windows; the server's time limit remains
        pass
    else:
        for kind, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
            most = resource.getrlimit(kind)[1]
            bound = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (bound, bound))
    refused = {"os.system", "subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec"}
    if not hub:
        refused |= {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"}

    own = {os.path.realpath(path) for path in (*sys.path, sys.prefix, sys.base_prefix) if path}
    readable = tuple(sorted(own | set(roots or ())))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in refused:
            raise Refused(f"a worker may not do this: {event}")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            raise Refused("a worker writes no files")
        if not hub and event in {"open", "os.listdir", "os.scandir"}:
            _check_readable(arguments[0], readable)

    sys.addaudithook(hook)


def _check_readable(path: Any, readable: tuple[str, ...]) -> None:
    if not isinstance(path, (str, bytes, os.PathLike)):
        return  # open already
    resolved = os.path.realpath(os.fsdecode(path))
    if not any(resolved == each or resolved.startswith(each + os.sep) for each in readable):
        raise Refused("a worker reads no file beside its own and those of --root")


if __name__ == "__main__":
    sys.exit(main())
