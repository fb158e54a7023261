"""What is written for clusters and pipelines, against the schemas of those who read it."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

import weighbridge as wb
from weighbridge.launch import write

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "pipelines"
PLANS = [
    ("vllm", "qwen3-30b-a3b", "2xh100-sxm"),
    ("sglang", "llama-3.1-8b", "l40s"),
    ("vllm", "llama-3.1-8b", "mi300x"),
]
yaml = pytest.importorskip("yaml", reason="requirements/test.txt is not installed")


def documents(text: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(text) if each]


def written(engine: str, model: str, on: str, target: str) -> str:
    return write(wb.plan(model, on=on, engine=engine, context=8192), target)


@pytest.mark.parametrize("plan", PLANS, ids=" ".join)
def test_kubernetes_takes_the_manifests(plan: tuple[str, str, str]) -> None:
    import kubernetes_validate

    for document in documents(written(*plan, "k8s")):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_manifest_with_a_misspelt_key_would_be_refused() -> None:
    import kubernetes_validate

    deployment = documents(written(*PLANS[0], "k8s"))[0]
    deployment["spec"]["template"]["spec"]["containers"][0]["arg"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


class Stand(mock.MagicMock):
    """A module that a schema's file imports and that says nothing of what is checked here."""

    __path__ = ()


class Standing:
    """Finds stand-ins for the modules of ``package`` that are not in ``real``."""

    def __init__(self, package: str, real: set[str]) -> None:
        self.package, self.real = package, real

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if not name.startswith(self.package + ".") or name in self.real:
            return None
        return importlib.machinery.ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> Any:
        return Stand(name=spec.name)

    def exec_module(self, module: Any) -> None:
        pass


def bare(package: str) -> ModuleType:
    """The package without what its ``__init__`` would import."""
    for folder in sys.path:
        if (Path(folder) / package / "__init__.py").is_file():
            found = ModuleType(package)
            found.__path__ = [str(Path(folder) / package)]
            found.__dict__.update(__version__="0", __commit__="0", __root_dir__=folder)
            return found
    pytest.skip(f"{package} is not installed; scripts/setup test installs it")


@cache
def skypilot_schemas() -> tuple[Any, Any]:
    """The schemas of a task and of its resources."""
    real = {
        "sky.utils",
        "sky.skylet",
        "sky.utils.schemas",
        "sky.skylet.constants",
        "sky.utils.kubernetes_enums",
        "sky.setup_files",
        "sky.setup_files.dependencies",
    }
    finder = Standing("sky", real)
    sys.modules["sky"] = bare("sky")
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
    try:
        schemas = importlib.import_module("sky.utils.schemas")
        return schemas.get_task_schema(), schemas.get_resources_schema()
    finally:
        sys.meta_path.remove(finder)  # type: ignore[arg-type]


@pytest.mark.parametrize("plan", PLANS[:2], ids=" ".join)
def test_skypilot_takes_the_task(plan: tuple[str, str, str]) -> None:
    import jsonschema

    of_task, of_resources = skypilot_schemas()
    (task,) = documents(written(*plan, "skypilot"))
    jsonschema.validate(task, of_task)
    jsonschema.validate(task["resources"], of_resources)
    task["resources"]["acelerators"] = "H100"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(task["resources"], of_resources)


@cache
def kserve_keys(name: str) -> frozenset[str]:
    """The keys that a class of KServe's API has in JSON."""
    sys.modules.setdefault("kserve", bare("kserve"))
    models = sys.modules.setdefault("kserve.models", ModuleType("kserve.models"))
    models.__path__ = [f"{sys.modules['kserve'].__path__[0]}/models"]
    module = importlib.import_module(f"kserve.models.{name}")
    (found,) = [each for each in vars(module).values() if hasattr(each, "attribute_map")]
    return frozenset(found.attribute_map.values())


@pytest.mark.parametrize("plan", PLANS, ids=" ".join)
def test_kserve_takes_the_service(plan: tuple[str, str, str]) -> None:
    import kubernetes_validate

    service, *_ = documents(written(*plan, "kserve"))
    predictor = service["spec"]["predictor"]
    assert set(service) <= kserve_keys("v1beta1_inference_service")
    assert set(service["spec"]) <= kserve_keys("v1beta1_inference_service_spec")
    assert set(predictor) <= kserve_keys("v1beta1_predictor_spec")
    pod = {key: value for key, value in predictor.items() if key != "minReplicas"}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": service["metadata"], "spec": pod},
        kubernetes_validate.latest_version(), strict=True,
    )  # fmt: skip
    assert [each["name"] for each in predictor["containers"]] == ["kserve-container"]


@pytest.mark.parametrize("target", ["k8s", "kserve", "skypilot"])
def test_the_examples_are_what_is_written_today(target: str) -> None:
    made = wb.plan("qwen3-30b-a3b", on="2xh100-sxm", engine="vllm", context=40960)
    assert (EXAMPLES / f"{target}.yaml").read_text(encoding="utf-8") == write(made, target)


def command(*words: str) -> Iterator[str]:
    yield from (sys.executable, "-m", *words)


@pytest.mark.parametrize(
    ("schema", "file"),
    [("vendor.github-actions", ROOT / "action.yml"),
     ("vendor.github-workflows", EXAMPLES / "workflow.yml")],
)  # fmt: skip
def test_github_takes_the_action_and_the_workflow(schema: str, file: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="requirements/test.txt is not installed")
    words = command("check_jsonschema", "--builtin-schema", schema, str(file))
    done = subprocess.run([*words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("what", "file"),
    [("validate-manifest", ROOT / ".pre-commit-hooks.yaml"),
     ("validate-config", EXAMPLES / "pre-commit-config.yaml")],
)  # fmt: skip
def test_pre_commit_takes_the_hook_and_the_config(what: str, file: Path) -> None:
    pytest.importorskip("pre_commit", reason="requirements/test.txt is not installed")
    done = subprocess.run([*command("pre_commit", what, str(file))], check=False)
    assert done.returncode == 0


def test_the_action_runs_what_its_inputs_say(tmp_path: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    script = action["runs"]["steps"][-1]["run"]
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / "weigh").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m weighbridge "$@"\n', encoding="utf-8"
    )
    (bin_dir / "weigh").chmod(0o755)
    (tmp_path / "bad.toml").write_text(
        '[[plan]]\nmodel = "llama-3.1-8b"\non = "t4"\n', encoding="utf-8"
    )
    environ = {"PATH": f"{bin_dir}:/usr/bin:/bin", "JUNIT": str(tmp_path / "out.xml"),
               "PYTHONPATH": ":".join(sys.path), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
               "PYTHONIOENCODING": "utf-8"}  # fmt: skip
    for files, code in ((str(EXAMPLES / "plan.toml"), 0), (str(tmp_path / "bad.toml"), 1)):
        done = subprocess.run(["bash", "-c", script], env={**environ, "FILES": files}, check=False)
        assert done.returncode == code
    assert "hold" in (tmp_path / "summary").read_text(encoding="utf-8")
    assert json.dumps(action["inputs"])
