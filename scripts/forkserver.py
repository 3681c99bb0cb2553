"""Forks of one process that has imported PyTorch and transformers, instead of a new process for every step.

Usage: python -m scripts.forkserver -m scripts.train_sft [flags]: what `python -m scripts.train_sft [flags]` does

Their import is most of a short step's time, and the embedded world's steps are short: `scripts.run` keeps a server beside
Snakemake where there is no GPU, and the rules ask it (`rules/common.smk`). With nobody to ask, a step is a process as ever.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOCKET = "REDISTILL_FORKSERVER"
"""The environment variable that names the server's socket."""
MODULES = ("tyro", "torch", "transformers.modeling_utils", "transformers.models.auto.modeling_auto")
MODULES += ("transformers.models.llama.modeling_llama", "accelerate.utils.memory")
"""What is imported ahead. Nothing that starts a thread, as polars and pyarrow do: a fork has none of its parent's."""
STARTED = b"+"
_DEATH_OF_PARENT = 1
"""Linux's PR_SET_PDEATHSIG."""


@dataclass(frozen=True)
class Request:
    """A step to run: Python's arguments, and where. `files` are its standard input, output and error."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


@dataclass(frozen=True)
class Worker:
    """A fork at work, the descriptor that tells of its end, and who asked for it."""

    number: int
    end: int
    client: socket.socket

    def close(self) -> None:
        """Forget it; it works on."""
        os.close(self.end)
        self.client.close()


@contextlib.contextmanager
def beside(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A server of `.venv-gpu` while the block lasts; yields what Snakemake's environment needs to know of it.

    None where there is a GPU: steps take their time there, and CUDA and forks are no friends.
    """
    from scripts.lib.training.setup import QUIET

    python = Path(".venv-gpu/bin/python")
    if shutil.which("nvidia-smi") or not python.exists():
        yield {}
        return
    path = Path(".snakemake/forkserver.sock")
    path.unlink(missing_ok=True)
    command = [str(python), "-m", "scripts.forkserver", "--serve", str(path)]
    server = subprocess.Popen(command, env=QUIET | environment, stdin=subprocess.DEVNULL)
    try:
        yield {SOCKET: str(path)}
    finally:
        server.terminate()
        server.wait()
        path.unlink(missing_ok=True)


def serve(path: str) -> Request:
    """Fork at every request, and return there with it: in the server itself this never ends.

    A fork lives no longer than who asked for it, and is told to end (SIGTERM) when the server dies. What is imported ahead
    is imported once the first step has been started, which would gain nothing by waiting for it.
    """
    from scripts.lib.errors import GARBAGE

    gc.set_threshold(*GARBAGE)
    _die_with_parent(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt reaches the steps by itself
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    workers: dict[int, Worker] = {}
    modules: list[str] | None = None
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        for number, _ in poll.poll(0 if modules else None):
            worker = workers.get(number)
            if number == listener.fileno():
                client, _ = listener.accept()
                if (request := _receive(client)) is None:
                    client.close()
                    continue
                if not (fork := os.fork()):
                    for each in {*workers.values()}:
                        each.close()
                    listener.close()
                    client.close()
                    return request
                for file in request.files:
                    os.close(file)
                worker = Worker(fork, os.pidfd_open(fork), client)
                for file in (worker.end, client.fileno()):
                    workers[file] = worker
                    poll.register(file, select.POLLIN)
                _tell(client, STARTED)
                if modules is None:
                    modules = list(MODULES)
                    poll.unregister(listener)
            elif worker and number == worker.end:
                _, status = os.waitpid(worker.number, 0)
                _tell(worker.client, struct.pack("i", os.waitstatus_to_exitcode(status)))
                for file in (worker.end, worker.client.fileno()):
                    if workers.pop(file, None):
                        poll.unregister(file)
                worker.close()
            elif worker:
                signals = _heard(worker.client)
                for each in signals or [signal.SIGKILL]:
                    signal.pidfd_send_signal(worker.end, each)
                if not signals:
                    del workers[number]
                    poll.unregister(number)
        if modules:
            importlib.import_module(modules.pop(0))
            if not modules:
                gc.freeze()
                poll.register(listener, select.POLLIN)


def _receive(client: socket.socket) -> Request | None:
    """A client's request, None of one that is gone."""
    with contextlib.suppress(OSError, EOFError):
        head, files, *_ = socket.recv_fds(client, 4, 3)
        if len(head) == 4 and len(files) == 3:
            with client.makefile("rb") as stream:
                said = json.loads(stream.read(*struct.unpack("I", head)))
            return Request(files=files, **said)
    return None


def _tell(client: socket.socket, said: bytes) -> None:
    with contextlib.suppress(OSError):
        client.sendall(said)


def _heard(client: socket.socket) -> bytes:
    """Numbers of signals to pass on; none when the client is gone."""
    try:
        return client.recv(64)
    except OSError:
        return b""


def _die_with_parent(how: signal.Signals) -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, how)
    if os.getppid() != parent:
        raise SystemExit(128 + how)


def become(request: Request) -> None:
    """Turn a fork into what `python` with the request's arguments would be, and run that."""
    _die_with_parent(signal.SIGTERM)
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if (torch := sys.modules.get("torch")) and (threads := os.environ.get("OMP_NUM_THREADS")):
        torch.set_num_threads(int(threads))
    _, module, *flags = request.arguments
    sys.orig_argv = [sys.executable, *request.arguments]
    sys.argv = [module, *flags]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def ask(arguments: list[str]) -> int:
    """Have `python arguments` run by the server and wait for its exit code; without a server, become that process."""
    alone = [sys.executable, *arguments]
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(os.environ[SOCKET])
            said = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
            body = json.dumps(said).encode()
            socket.send_fds(server, [struct.pack("I", len(body))], [0, 1, 2])
            server.sendall(body)
            started = server.recv(1)
        except (KeyError, OSError):
            started = b""
        if not started:
            os.execv(sys.executable, alone)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda number, _: _tell(server, bytes([number])))
        if len(status := server.recv(4, socket.MSG_WAITALL)) < 4:
            print("error: the fork server is gone; run again", file=sys.stderr)
            return 1
    (code,) = struct.unpack("i", status)
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def main(arguments: list[str]) -> int:
    """Serve, or ask; returns the exit code."""
    if arguments[0] != "--serve":
        return ask(arguments)
    become(serve(arguments[1]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
