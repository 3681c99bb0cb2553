"""Forks of one process that has imported PyTorch and transformers, instead of a new process for every step.

Usage: python -m scripts.launch.forkserver -m scripts.train.train_sft [flags]:
what `python -m scripts.train.train_sft [flags]` does

Importing them is most of a short step's time, and the embedded world's steps are short:
`scripts.commands.run` keeps a server beside Snakemake where there is no GPU, and the rules ask it
(`rules/common.smk`). With nobody to ask, a step is a process as ever.
"""

import contextlib
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.lib.process.linux import die_with_parent

SOCKET = "REDISTILL_FORKSERVER"
"""The environment variable that names the server's socket."""
MODULES = (
    "tyro",
    "torch",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "accelerate.utils.memory",
)
"""What is imported ahead. Nothing that starts a thread, as polars and pyarrow do:
a fork has none of its parent's."""
STARTED = b"+"
"""What a server says once it has forked. Without it nothing has been done, and who asked may do it."""


@dataclass(frozen=True)
class StepRequest:
    """A step to run: Python's arguments, and where. `files` are its standard input, output and error."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


@contextlib.contextmanager
def beside(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A server of `.venv-gpu` while the block lasts; yields what Snakemake's environment needs to know of it.

    None where there is a GPU: steps take their time there, and CUDA and forks are no friends.
    """
    from scripts.lib.training.setup import QUIET

    python = Path(".venv-gpu/bin/python")
    if shutil.which("nvidia-smi") or not python.exists() or not _has_pidfd():
        yield {}
        return
    path = Path(".snakemake/forkserver.sock")
    path.unlink(missing_ok=True)
    command = [str(python), "-m", "scripts.launch.forkserver", "--serve", str(path)]
    server = subprocess.Popen(command, env=QUIET | environment, stdin=subprocess.DEVNULL)
    try:
        yield {SOCKET: str(path)}
    finally:
        server.terminate()
        server.wait()
        path.unlink(missing_ok=True)


def _has_pidfd() -> bool:
    """Whether the system tells of a process's end by a file descriptor:
    Linux from 5.3, where no sandbox forbids it."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class Closable(Protocol):
    """A socket or an open file."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class ForkServer:
    """Forks at every request.

    A fork lives no longer than who asked for it, and is told to end (SIGTERM) when the server dies. What is
    imported ahead is imported once the first step has been started, which would gain nothing by waiting for
    it.
    """

    def __init__(self, path: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)  # nobody else's steps, from the first moment on
        self.listener.bind(path)
        os.umask(before)
        self.listener.listen(64)
        self.poll = select.poll()
        self.watched: dict[int, tuple[Closable, Callable[[], StepRequest | None]]] = {}
        self.ahead = list(MODULES)
        self.begun = False

    def serve(self) -> StepRequest:
        """In the server this never ends; in each fork it returns what the fork is to do."""
        self._watch(self.listener, self._accept)
        while True:
            importing = self.begun and bool(self.ahead)
            if ready := self.poll.poll(0 if importing else None):
                _, action = self.watched[ready[0][0]]
                if request := action():
                    return request
            elif importing:
                with contextlib.suppress(ImportError):  # whoever needs it will say so
                    importlib.import_module(self.ahead.pop(0))
                if not self.ahead:
                    gc.freeze()
                    self._watch(self.listener, self._accept)

    def _watch(self, thing: Closable, action: Callable[[], StepRequest | None]) -> None:
        self.watched[thing.fileno()] = thing, action
        self.poll.register(thing, select.POLLIN)

    def _forget(self, thing: Closable) -> None:
        if self.watched.pop(thing.fileno(), None):
            self.poll.unregister(thing)

    def _accept(self) -> StepRequest | None:
        client, _ = self.listener.accept()
        if not _ours(client) or (request := _receive(client)) is None:
            client.close()
            return None
        if not (fork := os.fork()):
            client.close()
            for thing, _ in self.watched.values():
                thing.close()
            return request
        for file in request.files:
            os.close(file)
        end = os.fdopen(os.pidfd_open(fork), "rb", buffering=0)
        self._watch(end, lambda: self._ended(fork, end, client))
        self._watch(client, lambda: self._heard(end, client))
        _tell(client, STARTED)
        if not self.begun:
            self.begun = True
            self._forget(self.listener)
        return None

    def _ended(self, fork: int, end: Closable, client: socket.socket) -> None:
        """Tell who asked how a fork ended."""
        _, status = os.waitpid(fork, 0)
        _tell(client, struct.pack("i", os.waitstatus_to_exitcode(status)))
        for thing in (end, client):
            self._forget(thing)
            thing.close()

    def _heard(self, end: Closable, client: socket.socket) -> None:
        """Pass on the signals that who asked was told, by number; SIGKILL when it is gone."""
        try:
            signals = client.recv(64)
        except OSError:
            signals = b""
        if not signals:
            self._forget(client)
        for number in signals or [signal.SIGKILL]:
            signal.pidfd_send_signal(end.fileno(), number)


def _ours(peer: socket.socket) -> bool:
    """Whether a process of this user is at the other end: a step's environment, with its keys, goes to no
    other, and nobody else's step is run."""
    said = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", said)
    return user == os.getuid()


def _receive(client: socket.socket) -> StepRequest | None:
    """A client's request, None of one that is gone."""
    with contextlib.suppress(OSError, EOFError):
        head, files, *_ = socket.recv_fds(client, 4, 3)
        if len(head) == 4 and len(files) == 3:
            with client.makefile("rb") as stream:
                said = json.loads(stream.read(*struct.unpack("I", head)))
            return StepRequest(files=files, **said)
    return None


def _tell(client: socket.socket, said: bytes) -> None:
    with contextlib.suppress(OSError):
        client.sendall(said)


def become(request: StepRequest) -> None:
    """Turn a fork into what `python` with the request's arguments would be, and run that."""
    die_with_parent(signal.SIGTERM)
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
    """Have `python arguments` run by the server and wait for its exit code; without a server, become that
    process."""
    alone = [sys.executable, *arguments]
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(os.environ[SOCKET])
            if not _ours(server):
                raise PermissionError
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
    from scripts.lib.process.cli import GARBAGE

    gc.set_threshold(*GARBAGE)
    die_with_parent(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt reaches the steps by itself
    try:
        server = ForkServer(arguments[1])
    except OSError as error:  # a file system without sockets
        print(f"{arguments[1]}: {error}; every step is a process of its own", file=sys.stderr)
        return 1
    become(server.serve())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
