"""Command lines as the engines' own documentation prints them, read without edits."""

from __future__ import annotations

import shlex
from typing import Any, NamedTuple

import pytest

from weighbridge.launch import read_command
from weighbridge.launch.shell import words_of
from weighbridge.request import make_request


class Case(NamedTuple):
    """A command, where it stands, and what it means."""

    id: str
    source: str
    command: str
    engine: str
    model: str
    options: dict[str, Any]


CASES = (
    Case(
        "vllm-serve",
        "docs.vllm.ai, CLI: vllm serve, data parallel deployment",
        "vllm serve meta-llama/Llama-3.2-1B-Instruct --data-parallel-size 4 "
        "--tensor-parallel-size 2",
        "vllm",
        "meta-llama/Llama-3.2-1B-Instruct",
        {"data_parallel_size": 4, "tensor_parallel_size": 2},
    ),
    Case(
        "vllm-memory",
        "docs.vllm.ai, CLI: vllm serve, configure memory and context length",
        "vllm serve mistralai/Mistral-7B-v0.1 --gpu-memory-utilization 0.95 --max-model-len 8192",
        "vllm",
        "mistralai/Mistral-7B-v0.1",
        {"gpu_memory_utilization": 0.95, "max_model_len": 8192, "tensor_parallel_size": 1},
    ),
    Case(
        "vllm-awq",
        "docs.vllm.ai, CLI: vllm serve, serve with quantization",
        "vllm serve TheBloke/Llama-2-13B-AWQ --quantization awq",
        "vllm",
        "TheBloke/Llama-2-13B-AWQ",
        {"quantization": "awq", "tensor_parallel_size": 1},
    ),
    Case(
        "vllm-docker",
        "docs.vllm.ai v0.4.0, Deploying with Docker",
        """docker run --runtime nvidia --gpus all \\
    -v ~/.cache/huggingface:/root/.cache/huggingface \\
    --env "HUGGING_FACE_HUB_TOKEN=<secret>" \\
    -p 8000:8000 \\
    --ipc=host \\
    vllm/vllm-openai:latest \\
    --model mistralai/Mistral-7B-v0.1""",
        "vllm",
        "mistralai/Mistral-7B-v0.1",
        {"tensor_parallel_size": 1},
    ),
    Case(
        "sglang-tp",
        "docs.sglang.io, Server Arguments, common launch commands",
        "python -m sglang.launch_server --model-path meta-llama/Meta-Llama-3-8B-Instruct --tp 2",
        "sglang",
        "meta-llama/Meta-Llama-3-8B-Instruct",
        {"tensor_parallel_size": 2},
    ),
    Case(
        "sglang-deepseek",
        "huggingface.co/deepseek-ai/DeepSeek-V3.2-Exp, README, SGLang",
        "python -m sglang.launch_server --model deepseek-ai/DeepSeek-V3.2-Exp --tp 8 --dp 8 "
        "--enable-dp-attention",
        "sglang",
        "deepseek-ai/DeepSeek-V3.2-Exp",
        {"tensor_parallel_size": 8, "data_parallel_size": 8, "enable_dp_attention": True},
    ),
    Case(
        "sglang-serve",
        "docs.sglang.io, Launch server, common launch options",
        """sglang serve \\
  --model-path meta-llama/Llama-3.1-8B-Instruct \\
  --host 0.0.0.0 \\
  --port 30000 \\
  --tp-size 2 \\
  --mem-fraction-static 0.8""",
        "sglang",
        "meta-llama/Llama-3.1-8B-Instruct",
        {"tensor_parallel_size": 2, "gpu_memory_utilization": 0.8},
    ),
    Case(
        "sglang-eagle3",
        "huggingface.co/AQ-MedAI/Kimi-K2-Instruct-eagle3, README",
        """python3 -m sglang.launch_server \\
  --model-path moonshotai/Kimi-K2-Instruct \\
  --host 0.0.0.0 --port 30012 \\
  --trust-remote-code \\
  --attention-backend flashinfer \\
  --mem-fraction-static 0.9 \\
  --tp-size 8 \\
  --speculative-algorithm EAGLE3 \\
  --speculative-draft-model-path AQ-MedAI/Kimi-K2-Instruct-eagle3 \\
  --speculative-num-steps 3""",
        "sglang",
        "moonshotai/Kimi-K2-Instruct",
        {
            "gpu_memory_utilization": 0.9,
            "tensor_parallel_size": 8,
            "speculative_algorithm": "EAGLE3",
            "speculative_draft_model_path": "AQ-MedAI/Kimi-K2-Instruct-eagle3",
            "speculative_num_steps": 3,
        },
    ),
    Case(
        "trtllm-serve",
        "TensorRT-LLM documentation, trtllm-serve, basic configuration",
        """trtllm-serve meta-llama/Llama-3.1-8B-Instruct \\
  --host localhost \\
  --port 8000 \\
  --backend pytorch \\
  --tp_size 2 \\
  --max_batch_size 128 \\
  --max_num_tokens 8192""",
        "tensorrt-llm",
        "meta-llama/Llama-3.1-8B-Instruct",
        {
            "backend": "pytorch",
            "tensor_parallel_size": 2,
            "max_num_seqs": 128,
            "max_num_batched_tokens": 8192,
        },
    ),
    Case(
        "llama-server-hf",
        "llama.cpp README, Quick start",
        "llama-server -hf ggml-org/gemma-3-1b-it-GGUF",
        "llama.cpp",
        "google/gemma-3-1b-it",
        {"program": "llama-server", "weights": "q4_k_m"},
    ),
    Case(
        "ollama-context",
        "docs.ollama.com, Context length, CLI",
        "OLLAMA_CONTEXT_LENGTH=64000 ollama serve",
        "ollama",
        "",
        {"max_model_len": 64000},
    ),
    Case(
        "ollama-docker",
        "hub.docker.com/r/ollama/ollama, NVIDIA GPU",
        "docker run -d --gpus=all -v ollama:/root/.ollama -p 11434:11434 --name ollama "
        "ollama/ollama",
        "ollama",
        "",
        {},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_documented_command_is_read_as_it_stands(case: Case) -> None:
    launch = read_command(words_of([case.command]))
    assert (launch.engine, launch.model) == (case.engine, case.model)
    assert dict(launch.options) == case.options
    if launch.model:
        make_request(launch.model, {"engine": launch.engine, **launch.options})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_shell_that_split_the_command_changes_nothing(case: Case) -> None:
    whole, split = words_of([case.command]), shlex.split(case.command)
    assert read_command(whole) == read_command(split)
