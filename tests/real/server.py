"""Servers: llama.cpp's over a GGUF file (`python -m tests.real.server GGUF PORT`), vLLM's over a folder."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

THREADS, SLOTS, CONTEXT = 1, 4, 2048
START = 600.0
"""Seconds in which the server must answer."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


def serve(gguf: Path, port: int) -> None:
    """Serve until a signal."""
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path = str(gguf)
    given.port, given.n_parallel, given.n_ctx = port, SLOTS, SLOTS * CONTEXT
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = THREADS
    server = xllamacpp.Server(given)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


def llama_cpp(gguf: Path, log: Path) -> AbstractContextManager[str]:
    """The address of llama.cpp's server over the file."""
    return served(["tests.real.server", str(gguf)], log)


def vllm(model: Path, log: Path) -> AbstractContextManager[str]:
    """That of vLLM's server over a folder, under the name smollm2: the module behind `vllm serve`, whose
    command the CPU build's package lacks."""
    command = ["vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", "smollm2"]
    command += ["--dtype", "float32", "--max-model-len", str(CONTEXT), "--enforce-eager", "--port"]
    return served(command, log)


@contextmanager
def served(module: list[str], log: Path) -> Iterator[str]:
    """The address of a server in a process of its own, ended behind it; `module` and its arguments, the port
    last."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("w", encoding="utf-8") as said:
        command = [sys.executable, "-m", *module, str(port)]
        environment = os.environ | ENVIRONMENT
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True, env=environment)
    try:
        wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait(address: str, process: subprocess.Popen, log: Path) -> None:
    """Until the address answers; what the log says where it does not."""
    end = time.monotonic() + START
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"the server does not answer: {log.read_text(encoding='utf-8')[-2000:]}")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
