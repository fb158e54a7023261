"""The command of an engine itself, written for a plan."""

from __future__ import annotations

import shlex
from typing import Any

from weighbridge.launch import ollama, tensorrt_llm
from weighbridge.launch.shell import join
from weighbridge.launch.writing import comment, safe, settled_of, verify
from weighbridge.planner import Plan


def write_engine(plan: Plan, module: Any) -> str:
    """The command with the plan's numbers before it, and the file that it needs."""
    request = settled_of(plan)
    words, carried = module.written(request)
    lines = comment(plan, safe(verify(request, words, carried)))
    stored = request.deployment.weights
    if stored != "auto" and "weights" not in carried:
        lines.append(
            f"# weights in {stored}: give the repository of a checkpoint that is stored so"
        )
    if module is tensorrt_llm and (text := tensorrt_llm.config_text(request)):
        lines += [_heredoc(tensorrt_llm.CONFIG_FILE, text)]
    if module is ollama:
        return "\n".join([*lines, *_ollama_lines(plan)]) + "\n"
    return "\n".join([*lines, join(words)]) + "\n"


def _heredoc(name: str, text: str) -> str:
    return f"cat > {shlex.quote(name)} <<'END'\n{text.rstrip()}\nEND"


def _ollama_lines(plan: Plan) -> list[str]:
    request = settled_of(plan)
    environment = [
        f"{name}={shlex.quote(value)}" for name, value in ollama.environment_of(request).items()
    ]
    return [
        _heredoc("Modelfile", ollama.modelfile_of(request)),
        " ".join([*environment, "ollama serve &"]),
        "ollama create weighed -f Modelfile",
        "ollama run weighed",
    ]
