"""Of several starts that want the same completions, in whole or in part, one asks the engine for each."""

import errno
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.lib.engines.base import Completion, Prompt, Request
from scripts.lib.engines.openai.bill import Bill, Tokens
from scripts.lib.engines.openai.server import Server
from scripts.lib.errors import UserError
from scripts.lib.process import lease
from scripts.lib.process.signals import Termination, terminable
from scripts.lib.samples import claims, fill
from scripts.lib.samples.claims import claim
from scripts.lib.samples.draws import draws
from scripts.lib.samples.fill import rows
from scripts.lib.samples.flags import Place
from scripts.lib.samples.requests import Requests, lacking
from scripts.lib.samples.step import Step
from scripts.lib.samples.store import Store
from tests.support.steps import until

ROOT = Path(__file__).parents[3]


def requests_of(names: str) -> Requests:
    return Requests({key: Prompt("text", key, lambda: [1]) for key in names}, draws([0.7], 2, 1, 0), 0)


def reply(request: Request) -> tuple[Request, Completion]:
    return request, Completion(f"{request.key} {request.index}", "stop", 3, 5)


def made(folder: Path, name: str, seconds: float = 0) -> Step:
    """A step with a store in `folder`, whose engine takes some time for each completion and notes in the file
    `name` which it was asked for."""
    step = Step.__new__(Step)

    def generate(requests, missing):
        for request in [request for request, absent in zip(requests, missing, strict=True) if absent]:
            with (folder / name).open("a") as file:
                file.write(f"{request.key}{request.index} ")
            time.sleep(seconds)
            yield [reply(request)]

    step.place, step.shard, step.brought = Place(folder / f"{name}.json", folder / f"{name}.out"), None, 0
    step.makes, step.silent = step.place.ledger, False
    step.settings = SimpleNamespace(run=SimpleNamespace(engine="fake"))
    step.engine = SimpleNamespace(generate=generate, bill=None, versions={"fake": "1"})
    step.partition = Store(folder / "store").partition("sha256:abc", {"seed": 0})
    return step


def run(folder: Path, name: str, names: str, seconds: float) -> int:
    """Bring the completions of these prompts; returns how many others have brought."""
    fill.FLUSH_SECONDS, claims.LOOK, lease.BEAT = 0.05, 0.2, 0.1
    step, requests = made(folder, name, seconds), requests_of(names)
    with terminable() as termination:
        step.fill(requests, lacking(step.partition, requests), termination)
    assert not lacking(step.partition, requests).any()
    return step.brought


@pytest.fixture
def start(tmp_path):
    """Starts such a step in a process of its own."""
    started = []

    def begin(name: str, names: str, seconds: float = 0.02) -> subprocess.Popen:
        call = f"print(run(Path({str(tmp_path)!r}), {name!r}, {names!r}, {seconds}))"
        code = f"from tests.lib.samples.test_step import Path, run; {call}"
        pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        started.append(subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def asked(folder: Path, name: str) -> list[str]:
    path = folder / name
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize(
    "wanted",
    [["abcdefgh", "efghijkl", "klabcdmn"], ["abcdef", "abcdef"], ["abcdefgh", "cd"]],
    ids=["half the same", "the same", "a part of it"],
)
def test_nothing_is_asked_for_twice(start, tmp_path, wanted):
    running = [start(f"start{number}", names) for number, names in enumerate(wanted)]
    brought = []
    for process in running:
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        brought.append(int(said))
    once = [each for number in range(len(wanted)) for each in asked(tmp_path, f"start{number}")]
    assert sorted(once) == sorted(
        {f"{key}{index}" for names in wanted for key in names for index in range(2)}
    )
    assert not list((tmp_path / "store").rglob("claims"))


def test_what_a_start_that_died_had_claimed_is_asked_for(start, tmp_path):
    dead = start("dead", "abcdef", 60)
    until(lambda: asked(tmp_path, "dead"))
    heir = start("heir", "defghi")
    until(lambda: len(asked(tmp_path, "heir")) == 6)
    assert {each[0] for each in asked(tmp_path, "heir")} == set("ghi")
    dead.kill()
    said, errors = heir.communicate(timeout=120)
    assert heir.returncode == 0, errors
    assert {each[0] for each in asked(tmp_path, "heir")} == set("defghi")


@pytest.fixture
def step(tmp_path):
    """A step whose engine answers at once."""
    return made(tmp_path, "asked")


def test_what_is_stored_needs_no_claim(step, tmp_path):
    requests = requests_of("ab")
    step.partition.folder.chmod(0o500)
    with terminable() as termination:
        assert step.fill(requests, np.full(4, False), termination)["sampled"] == 0
    assert not asked(tmp_path, "asked") and not (step.partition.folder / "claims").exists()


def test_a_store_that_somebody_else_keeps_to_himself_is_one_line(step, tmp_path, monkeypatch):
    mkdir = Path.mkdir

    def refuse(path: Path, *mode: int, **more: bool) -> None:
        if path.name == "claims":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        mkdir(path, *mode, **more)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with terminable() as termination, pytest.raises(UserError, match="somebody else's, .*umask 002"):
        step.fill(requests_of("ab"), np.full(4, True), termination)
    assert not asked(tmp_path, "asked")


def test_a_server_s_budget_counts_what_others_have_paid_once(step, monkeypatch):
    requests = requests_of("abc")
    step.engine.bill = Bill(Server())
    step.partition.add(rows([reply(request) for request in requests[:3]], "fake"))
    others = np.arange(6) == 4
    monkeypatch.setattr(claims.Claim, "free", lambda self, requests, which: which & ~others)
    monkeypatch.setattr(
        claims.Claim, "wait", lambda self: step.partition.add(rows([reply(requests[4])], "fake"))
    )
    with terminable() as termination:
        spent = step.fill(requests, np.arange(6) >= 2, termination)
    assert (spent["sampled"], step.brought) == (2, 2)
    assert step.engine.bill.stored == Tokens(4 * 5, 4 * 3)


def test_what_is_claimed_is_free_to_its_start_alone(step):
    requests = requests_of("ab")
    which = np.array([True, False, True, True])
    with claim(step.partition.folder, Path("a"), requests, which) as mine:
        assert mine.free(requests, which).tolist() == which.tolist()


@pytest.mark.parametrize(
    ("bill", "came", "parts"),
    [
        (None, [0.0, 0.05, 1.0, 1.9], [4]),
        (None, [0.0, 2.1, 2.2, 2.3], [2, 2]),
        (Bill(Server()), [0.0, 0.05, 0.15, 5.0], [3, 1]),
        (Bill(Server()), [1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1]),
        (Bill(Server()), [0.01, None, 0.2, 0.21, 0.22], [1, 3]),
    ],
    ids=["soon", "later", "paid, quick", "paid, slow", "paid, with pauses"],
)
def test_what_came_is_put_on_disk_so_often(step, monkeypatch, bill, came, parts):
    """A server that replies hundreds of times a second waits for no disk at each; at None nothing came for a
    moment."""
    clock, added, add = [0.0], [], type(step.partition).add
    monkeypatch.setattr(fill, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(
        type(step.partition), "add", lambda self, rows: added.append(rows.height) or add(self, rows)
    )

    def generate(requests, missing):
        waiting = iter(requests)
        for moment in came:
            clock[0] = clock[0] + 0.1 if moment is None else moment
            yield [] if moment is None else [reply(next(waiting))]

    step.engine = SimpleNamespace(generate=generate, bill=bill, versions={"fake": "1"})
    assert step.fill(requests_of("ab"), np.full(4, True), Termination())["sampled"] == 4
    assert added == parts
