"""Builds the page into the wheel where Node is there; without it the API stands alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STEPS = (("install", "--no-save", "--no-audit", "--no-fund"), ("run", "build"))


class PageHook(BuildHookInterface[Any]):
    """Runs the page's own build before the wheel's files are gathered.

    An editable install is left alone: ``scripts/page`` builds the page there.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and name the built files, which git ignores."""
        if version == "editable":
            return
        trouble = build(Path(self.root, "web"))
        if trouble:
            print(f"weighbridge: {trouble}; the API answers without its page", file=sys.stderr)
        build_data["artifacts"].append("src/weighbridge/serve/page/**")


def build(web: Path) -> str:
    """Build the page; what went wrong, or nothing."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "Node and npm are not here, so that the page was not built"
    for words in STEPS:
        done = subprocess.run([npm, *words], cwd=web, stdout=sys.stderr, check=False)
        if done.returncode:
            return f"`npm {' '.join(words)}` failed, so that the page was not built"
    return ""
