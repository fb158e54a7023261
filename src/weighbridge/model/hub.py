"""The Hugging Face Hub: the only module that opens a socket.

Requests go through ``huggingface_hub``'s own client, which brings the user's proxies and
certificates, and honour HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE. What comes back is bounded:
by bytes and seconds per request and for all requests together. The token goes to the endpoint
and to no other host, and stands in no error.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from weighbridge.errors import FileFormatError, HubError, HubUnreachable
from weighbridge.model.access import access
from weighbridge.model.bounded import label, quoted
from weighbridge.model.hub_rules import (
    LIMITS,
    PUBLIC,
    Limits,
    is_inner,
    origin,
    redirect_problem,
    refusal,
)
from weighbridge.model.parallel import run_all

Found = TypeVar("Found")

REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (429, 500, 502, 503, 504)
MAX_REDIRECTS = 5
MAX_REDIRECT_BODY = 16_384
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_INSTALL = (
    "is not in the catalogue, and the Hugging Face Hub is read by huggingface_hub 2.4 or newer; "
    "pip install 'weighbridge[hub]', or give a local folder or a config.json"
)


_NOT_ASKED = (
    "is not in the catalogue, and this server does not ask the Hugging Face Hub (weigh serve --hub "
    "does); give the model's config.json"
)


class Hub:
    """Bounded reads from the configured endpoint, for one plan.

    Raises HubError, with one sentence that needs no traceback, wherever a read does not end well.
    """

    def __init__(self, limits: Limits = LIMITS, what: str = "this") -> None:
        if not access().hub:
            raise HubError(f"{what} {_NOT_ASKED}")
        try:
            import httpx2
            from huggingface_hub import constants, get_session, get_token
        except ImportError:
            raise HubError(f"{what} {_INSTALL}") from None
        self.limits = limits
        self.endpoint: str = constants.ENDPOINT.rstrip("/")
        self.offline: bool = constants.is_offline_mode()
        self.cache: str = constants.HF_HUB_CACHE
        self.host = urlsplit(self.endpoint).hostname or ""
        if urlsplit(self.endpoint).scheme not in {"http", "https"} or not self.host:
            raise HubError("HF_ENDPOINT is no http(s) URL, such as https://huggingface.co")
        self._http = httpx2
        self._session = get_session
        self._token = None
        if not self.offline and not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
            try:
                self._token = get_token()
            except Exception:
                raise HubError("the token of the Hub cannot be read; set HF_TOKEN") from None
        self._deadline = time.monotonic() + limits.total_seconds
        self._read = 0
        self._lock = threading.Lock()
        self._streams: list[Any] = []
        self._over = False

    def whole(self, path: str, what: str, limit: int, size: int | None = None) -> bytes:
        """A whole file or answer of at most ``limit`` bytes, and of exactly ``size`` if known."""

        def take(response: Any, until: float) -> bytes:
            if response.status_code != 200:
                raise self._lie(what, f"answers with status {response.status_code}")
            data = self._body(response, what, limit if size is None else min(limit, size), until)
            if size is not None and len(data) != size:
                raise self._lie(what, f"sends {len(data):,} of its {size:,} bytes")
            return data

        return self._within_time(lambda: self._retried(path, {}, what, take))

    def part(self, path: str, what: str, begin: int, count: int, size: int) -> bytes:
        """Exactly ``count`` bytes from ``begin`` on of a file of ``size`` bytes."""
        end = begin + count - 1

        def take(response: Any, until: float) -> bytes:
            if response.status_code != 206:
                raise self._lie(what, "ignores byte ranges and would send the whole file")
            stated = str(response.headers.get("content-range", ""))
            match = _CONTENT_RANGE.fullmatch(stated)
            if match is None or tuple(map(int, match.groups())) != (begin, end, size):
                raise self._lie(
                    what,
                    f"sends {quoted(stated)} where bytes {begin}-{end}/{size} were asked for",
                )
            data = self._body(response, what, count, until)
            if len(data) != count:
                raise self._lie(what, f"sends {len(data):,} of {count:,} bytes")
            return data

        return self._retried(path, {"Range": f"bytes={begin}-{end}"}, what, take)

    def all_of(
        self, jobs: Sequence[Callable[[], Found]], done: Callable[[int], None] | None = None
    ) -> list[Found]:
        """The results of the jobs in their order, several at a time; the first error ends all."""
        return run_all(
            jobs,
            threads=self.limits.threads,
            seconds_left=self._left,
            done=done,
            late=self._too_slow,
            stop=self._stop,
        )

    def _within_time(self, job: Callable[[], bytes]) -> bytes:
        return self.all_of([job])[0]

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def _too_slow(self) -> HubError:
        return HubUnreachable(f"{self.host} took too long to answer; try again later")

    def _lie(self, what: str, problem: str) -> FileFormatError:
        return FileFormatError(f"{what}: {self.host} {problem}, so that nothing can be read")

    def _stop(self) -> None:
        """Shut the sockets that were opened here, so that threads which wait on them end."""
        self._over = True
        for stream in self._streams:
            with contextlib.suppress(Exception):
                stream.get_extra_info("socket").shutdown(2)

    def _retried(
        self,
        path: str,
        headers: Mapping[str, str],
        what: str,
        take: Callable[[Any, float], bytes],
    ) -> bytes:
        """One request, again after a while where the server is busy or the connection broke."""
        for wait in (*self.limits.waits, None):
            try:
                return self._request(path, headers, what, take)
            except _Again as again:
                if wait is None or self._over or not self._left():
                    raise again.error from None
                time.sleep(min(max(wait, again.after), self._left()))
        raise AssertionError("unreachable")

    def _request(
        self,
        path: str,
        headers: Mapping[str, str],
        what: str,
        take: Callable[[Any, float], bytes],
    ) -> bytes:
        http, url = self._http, self.endpoint + path
        until = time.monotonic() + min(self.limits.request_seconds, self._left())
        try:
            for _ in range(MAX_REDIRECTS + 1):
                with self._open(url, headers) as response:
                    if response.status_code not in REDIRECTS:
                        self._refuse_status(response, what)
                        return take(response, until)
                    to = str(response.headers.get("location", ""))
                    problem = redirect_problem(self.endpoint, url, to)
                    if problem is not None:
                        raise self._lie(what, problem)
                    self._drain(response, what, until)
                    url = urljoin(url, to)
        except http.TimeoutException:
            raise self._too_slow() from None
        except (http.HTTPError, http.InvalidURL, OSError) as error:
            gone = HubUnreachable(
                f"{self.host} cannot be reached ({type(error).__name__}); check the network, or "
                "give a local folder or a config.json"
            )
            raise (gone if isinstance(error, http.ConnectError) else _Again(gone)) from None
        raise self._lie(what, f"redirects more than {MAX_REDIRECTS} times")

    @contextlib.contextmanager
    def _open(self, url: str, headers: Mapping[str, str]) -> Any:
        """A response whose body is not read yet; the token goes to the endpoint alone."""
        sent = {**headers, "Accept-Encoding": "identity", "User-Agent": "weighbridge"}
        if self._token and origin(url) == origin(self.endpoint):
            sent["Authorization"] = f"Bearer {self._token}"
        seconds = min(self.limits.silent_seconds, self._left() or 0.001)
        with self._session().stream(
            "GET",
            url,
            headers=sent,
            follow_redirects=False,
            timeout=self._http.Timeout(seconds),
            extensions={"trace": self._watch(url)},
        ) as response:
            yield response

    def _watch(self, url: str) -> Callable[[str, Mapping[str, Any]], None]:
        """Keep the socket, and look at the address behind a redirect's name before a word is said.

        Through a proxy the address is the proxy's, which the user chose.
        """
        host = urlsplit(url).hostname or ""
        direct = False

        def trace(event: str, about: Mapping[str, Any]) -> None:
            nonlocal direct
            if event == "connection.connect_tcp.started":
                direct = str(about.get("host", "")).strip("[]") == host
            if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
                stream = about["return_value"]
                self._streams.append(stream)
                if direct and host != self.host and event.endswith("tcp.complete"):
                    peer = stream.get_extra_info("server_addr")
                    if peer and is_inner(str(peer[0]), strict=self.host in PUBLIC):
                        stream.close()
                        raise self._lie(label(host), "redirects to an address inside this network")

        return trace

    def _drain(self, response: Any, what: str, until: float) -> None:
        """Read a redirect's short body, so that the connection can be used again."""
        length = str(response.headers.get("content-length", ""))
        if length.isdecimal() and len(length) < 6 and int(length) <= MAX_REDIRECT_BODY:
            self._body(response, what, MAX_REDIRECT_BODY, until, encoded=True)

    def _body(
        self, response: Any, what: str, limit: int, until: float, *, encoded: bool = False
    ) -> bytes:
        """The raw body within ``limit`` bytes, the total budget and the time."""
        encoding = str(response.headers.get("content-encoding", "identity")).lower()
        if encoding != "identity" and not encoded:
            raise self._lie(what, f"compresses its answer ({quoted(encoding)}) though asked not to")
        data = bytearray()
        for piece in response.iter_raw():
            data += piece
            with self._lock:
                self._read += len(piece)
            if len(data) > limit:
                raise self._lie(what, f"sends more than the {limit:,} bytes that are right")
            if self._read > self.limits.total_bytes:
                raise HubError(
                    f"{what}: more than {self.limits.total_bytes:,} bytes would be read in all, "
                    "which no model's headers need"
                )
            if time.monotonic() > until:
                raise self._too_slow()
        return bytes(data)

    def _refuse_status(self, response: Any, what: str) -> None:
        code = response.status_code
        if code < 400:
            return
        said = str(response.headers.get("x-error-code", ""))
        if code in BUSY:
            after = str(response.headers.get("retry-after", ""))
            seconds = min(int(after), 10) if after.isdecimal() and len(after) < 6 else 0
            why = "limits how often it is asked" if code == 429 else f"answers with status {code}"
            raise _Again(HubUnreachable(f"{self.host} {why}; try again later"), seconds)
        raise refusal(self.host, code, said, what, token=bool(self._token))


def snapshot(repo: str, commit: str, files: Sequence[str]) -> str:
    """The folder of these files of a repository at a commit, downloaded into the Hub's own cache.

    Whole weights: called only where a user asked to run the model and saw what it costs.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise HubError(f"{repo} {_INSTALL}") from None
    try:
        return str(snapshot_download(repo, revision=commit, allow_patterns=list(files)))
    except Exception as error:  # its errors are its own, and any of them ends the run
        said = " ".join(str(error).split())[:200]
        raise HubError(f"{repo} cannot be downloaded: {type(error).__name__}: {said}") from None


class _Again(Exception):
    """An error that may pass: ``after`` so many seconds."""

    def __init__(self, error: HubError, after: float = 0) -> None:
        super().__init__()
        self.error = error
        self.after = after
