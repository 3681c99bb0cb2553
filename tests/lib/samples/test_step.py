"""Of two starts that ask for the same completions one asks the engine, and the other takes what it stored."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.lib.engines.base import Completion, Prompt, Request
from scripts.lib.engines.openai.bill import Bill
from scripts.lib.engines.openai.server import Server
from scripts.lib.process.signals import Termination
from scripts.lib.samples import fill
from scripts.lib.samples.draws import draws
from scripts.lib.samples.fill import name_of, rows
from scripts.lib.samples.flags import Place
from scripts.lib.samples.requests import Requests
from scripts.lib.samples.step import Step
from scripts.lib.samples.store import Store

ROOT = Path(__file__).parents[3]
HOLD = """\
import sys
from pathlib import Path
from scripts.lib.process.lease import lease, leave_in_order
with lease(Path(sys.argv[1]), Path("other/ledger.json"), leave_in_order):
    print("at work", flush=True)
    sys.stdin.read()
"""
REQUESTS = Requests({key: Prompt("text", key, (1,)) for key in "ab"}, draws([0.7], 2, 1, 0), 0)


def reply(request: Request) -> tuple[Request, Completion]:
    return request, Completion(f"{request.key} {request.index}", "stop", 3, 5)


@pytest.fixture
def step(tmp_path, monkeypatch):
    """A step whose engine answers at once; `asked` is what it was asked."""
    made = Step.__new__(Step)
    asked: list[Request] = []

    def generate(requests, missing):
        wanted = [request for request, absent in zip(requests, missing, strict=True) if absent]
        asked.extend(wanted)
        yield [reply(request) for request in wanted]

    made.place, made.shard, made.brought = Place(tmp_path / "ledger.json", tmp_path / "samples"), None, 0
    made.settings = SimpleNamespace(run=SimpleNamespace(engine="fake"))
    made.engine = SimpleNamespace(generate=generate, bill=None, versions={"fake": "1"})
    made.partition = Store(tmp_path / "store").partition("sha256:abc", {"seed": 0})
    made.asked = asked
    return made


def test_what_another_start_brings_is_not_asked_for_again(step, capfd):
    claim = step.partition.folder / f"claim-{name_of(REQUESTS, 'None')}"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(claim)], cwd=ROOT, stdin=-1, stdout=-1, text=True
    ) as other:
        other.stdout.readline()
        step.partition.add(rows([reply(request) for request in REQUESTS[:3]], "fake"))
        other.stdin.close()
        spent = step.fill(REQUESTS, np.full(4, True), Termination())
    assert spent["sampled"] == 1 and step.asked == REQUESTS[3:] and step.brought == 3
    assert not claim.exists()


def test_what_is_stored_needs_no_lease(step):
    step.partition.folder.chmod(0o500)
    assert step.fill(REQUESTS, np.full(4, False), Termination())["sampled"] == 0
    assert step.asked == [] and not list(step.partition.folder.glob("claim-*"))


def test_the_same_requests_have_one_name():
    swapped = Requests(dict(reversed(REQUESTS.prompts.items())), draws([0.7], 2, 1, 5), 0)
    assert name_of(REQUESTS, "None") == name_of(swapped, "None")
    more = Requests(REQUESTS.prompts, draws([0.7], 3, 1, 0), 0)
    assert len({name_of(REQUESTS, "None"), name_of(more, "None"), name_of(REQUESTS, "0-of-2")}) == 3


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
    assert step.fill(REQUESTS, np.full(4, True), Termination())["sampled"] == 4
    assert added == parts
