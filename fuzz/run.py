"""Run one target with atheris: ``python -m fuzz.run TARGET [libFuzzer's options]``."""

from __future__ import annotations

import importlib
import pkgutil
import sys

TARGETS = ("safetensors", "gguf", "config", "sizes")


def main() -> None:
    """Instrument the package, then fuzz until libFuzzer's limits."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"usage: python -m fuzz.run {'|'.join(TARGETS)} [libFuzzer's options]")
    name = sys.argv.pop(1)
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["weighbridge"]):
        package = importlib.import_module("weighbridge")
        for module in pkgutil.walk_packages(package.__path__, "weighbridge."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    target = importlib.import_module(f"fuzz.fuzz_{name}")
    atheris.Setup(sys.argv, target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
