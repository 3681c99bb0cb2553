"""llama.cpp's own HTTP server over a GGUF file: `python -m tests.real.server GGUF PORT`."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

THREADS, SLOTS, CONTEXT = 1, 4, 2048
START = 300.0
"""Seconds in which the server must answer."""


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


@contextmanager
def llama_cpp(gguf: Path, log: Path) -> Iterator[str]:
    """The address of a server in a process of its own, ended behind it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("w", encoding="utf-8") as said:
        command = [sys.executable, "-m", "tests.real.server", str(gguf), str(port)]
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
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
    raise RuntimeError(f"llama.cpp's server does not answer: {log.read_text(encoding='utf-8')[-2000:]}")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
