"""The real llama.cpp, asked what it would allocate, without a weight being read.

Through the Python package ``llama-cpp-python`` (``requirements/oracle.txt``): a model is loaded
with ``no_alloc`` from a GGUF file that is a header and a hole, a context is made, and the log
lines that state buffers are read. Where the library was built with RPC
(``CMAKE_ARGS=-DGGML_RPC=ON``), a server of the same library stands in for a GPU, so that the split
between device and host is seen as well.

Traps: the C API keeps every token of sliding layers unless told otherwise (``swa_full``), and with
``no_alloc`` it prints model buffers of 0.
"""

from __future__ import annotations

import ctypes
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

LINE = re.compile(r"(\S+)\s+(model|KV|RS|compute|output)\s+buffer size\s*=\s*([\d.]+) MiB")
TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "bf16": 30}
FLASH = {"auto": -1, "off": 0, "on": 1}
CPU = 0


class Answer(NamedTuple):
    """MiB as printed, by device (``CPU``, ``RPC0``) and kind; ``log`` is everything it said."""

    sizes: Mapping[tuple[str, str], float]
    log: str
    refused: bool


class LlamaCpp:
    """One loaded library; ``devices`` of its own kind stand in for GPUs, through RPC."""

    def __init__(self, devices: int = 0) -> None:
        import llama_cpp.llama_cpp as library

        self.api: Any = library
        self.said: list[str] = []
        self._servers: list[subprocess.Popen[bytes]] = []
        self._callback = library.llama_log_callback(self._hear)
        library.llama_log_set(self._callback, None)
        library.llama_backend_init()
        for _ in range(devices):
            self._add_device()

    def _hear(self, _level: int, text: bytes, _data: Any) -> None:
        self.said.append(text.decode("utf-8", "replace"))

    def _add_device(self) -> None:
        rpc = load_rpc()
        if rpc is None:
            raise SystemExit("this build of llama.cpp has no RPC; set CMAKE_ARGS=-DGGML_RPC=ON")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        where = f"127.0.0.1:{port}"
        command = [sys.executable, "-m", "scripts.llama_cpp_oracle", where]
        quiet = subprocess.DEVNULL
        self._servers.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
        for _ in range(100):
            time.sleep(0.05)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        rpc.ggml_backend_rpc_add_server.restype = ctypes.c_void_p
        found = rpc.ggml_backend_rpc_add_server(where.encode())
        base = ctypes.CDLL(str(beside("libggml.so")))
        base.ggml_backend_register.argtypes = [ctypes.c_void_p]
        base.ggml_backend_register(found)

    def close(self) -> None:
        """End the servers."""
        for server in self._servers:
            server.terminate()
            server.wait()

    def ask(self, path: Path, **settings: Any) -> Answer:
        """What it would allocate for the file: settings are named as llama.cpp's own flags."""
        self.said.clear()
        api, kept = self.api, []
        model_parameters = api.llama_model_default_params()
        model_parameters.no_alloc, model_parameters.load_mode = True, api.LLAMA_LOAD_MODE_NONE
        model_parameters.n_gpu_layers = settings.get("n_gpu_layers", 0)
        if settings.get("override_tensor"):
            rules = _overrides(settings["override_tensor"])
            kept.append(rules)
            model_parameters.tensor_buft_overrides = ctypes.cast(rules, ctypes.c_void_p)
        model = api.llama_model_load_from_file(str(path).encode(), model_parameters)
        if not model:
            return Answer({}, "".join(self.said), True)
        context = api.llama_init_from_model(model, self._context(settings))
        sizes: dict[tuple[str, str], float] = {}
        log = "".join(self.said)
        for device, kind, size in LINE.findall(log):
            if kind != "model":
                name = device.split("[")[0]
                sizes[name, kind] = sizes.get((name, kind), 0.0) + float(size)
        if context:
            api.llama_free(context)
        api.llama_model_free(model)
        return Answer(sizes, log, not context)

    def _context(self, settings: Mapping[str, Any]) -> Any:
        wanted = self.api.llama_context_default_params()
        wanted.n_ctx = settings["ctx_size"]
        wanted.n_batch = settings.get("batch_size", 2048)
        wanted.n_ubatch = settings.get("ubatch_size", 512)
        wanted.n_seq_max = settings.get("parallel", 1)
        wanted.n_outputs_max = settings.get("outputs", 0)
        wanted.kv_unified = settings.get("kv_unified", False)
        wanted.swa_full = settings.get("swa_full", False)
        wanted.offload_kqv = not settings.get("no_kv_offload", False)
        wanted.flash_attn_type = FLASH[settings.get("flash_attn", "auto")]
        wanted.type_k = TYPES[settings.get("cache_type_k", "f16")]
        wanted.type_v = TYPES[settings.get("cache_type_v", "f16")]
        return wanted


class _Override(ctypes.Structure):
    _fields_ = (("pattern", ctypes.c_char_p), ("kind", ctypes.c_void_p))


def _overrides(patterns: list[str]) -> Any:
    """Patterns of tensors that stay in host memory, ended by an empty one."""
    base = ctypes.CDLL(str(beside("libggml-cpu.so")))
    base.ggml_backend_cpu_buffer_type.restype = ctypes.c_void_p
    host = base.ggml_backend_cpu_buffer_type()
    rows = [_Override(pattern.encode(), host) for pattern in patterns]
    return (_Override * (len(rows) + 1))(*rows, _Override(None, None))


def beside(name: str) -> Path:
    """A library of ggml that lies beside the loaded one."""
    import llama_cpp.llama_cpp as library

    return Path(library._lib._name).parent / name


def load_rpc() -> Any:
    """ggml's RPC library; None where the build has none."""
    path = beside("libggml-rpc.so")
    return ctypes.CDLL(str(path)) if path.is_file() else None


def serve(where: str) -> None:
    """A server that allocates as a CPU does and never computes."""
    rpc, base = load_rpc(), ctypes.CDLL(str(beside("libggml.so")))
    base.ggml_backend_dev_by_type.restype = ctypes.c_void_p
    device = ctypes.c_void_p(base.ggml_backend_dev_by_type(CPU))
    rpc.ggml_backend_rpc_start_server(
        where.encode(), None, ctypes.c_size_t(1), ctypes.c_size_t(1), ctypes.byref(device)
    )


if __name__ == "__main__":
    serve(sys.argv[1])
