"""A real PostgreSQL for a test run: its own cluster in a temporary folder, on a free port."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USERS = ("postgres", "nobody")


def tool(name: str) -> str | None:
    """A program of PostgreSQL: on the path, or where Debian puts those of a server."""
    newest = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))[-1:]
    return shutil.which(name) or next(iter(newest), None)


def missing() -> str:
    """Why no server can be started here; nothing where it can."""
    if tool("initdb") is None or tool("postgres") is None:
        return "PostgreSQL is not installed (apt-get install postgresql; scripts/setup test does)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and setpriv is not there to change the user"
    return ""


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as; None for who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server() -> Iterator[str]:
    """The URL of a database of a server that ends with the block."""
    user, port = _user(), _free_port()
    prefix = [] if user is None else [
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
    ]  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="weigh-pg-", dir="/tmp"))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    postgres, initdb = tool("postgres"), tool("initdb")
    assert postgres is not None
    assert initdb is not None
    try:
        made = [initdb, "-D", str(data), "-A", "trust", "-U", "weigh", "-E", "UTF8", "--no-locale"]
        subprocess.run([*prefix, *made, "--no-sync"], cwd=folder, capture_output=True, check=True)
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(
                [*prefix, postgres, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k",
                 str(folder), "-c", "fsync=off", "-c", "max_connections=40"],
                cwd=folder, stdout=log, stderr=log)  # fmt: skip
        try:
            url = f"postgresql://weigh@127.0.0.1:{port}/postgres"
            _wait(url, running, folder / "log")
            yield url
        finally:
            running.send_signal(signal.SIGINT)  # the stop that does not wait for its clients
            running.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    import time

    import psycopg

    for _ in range(200):
        assert running.poll() is None, log.read_text()
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError(f"PostgreSQL did not start: {log.read_text()}")
