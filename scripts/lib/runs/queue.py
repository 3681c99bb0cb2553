"""Jobs handed to SLURM once, however it answers, and asked after until it says what became of them."""

import math
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scripts.lib.errors import UserError
from scripts.lib.runs.slurm import ask, complaint, crowded, living

TRANSIENT = re.compile(
    r"""
    timed\ out | not\ responding | standby         # a controller that is busy, or changes over
    | unable\ to\ contact | connect(ion)?\ (failure|refused|reset)
    | zero\ bytes | transport\ endpoint | communication .* failure
    | temporarily | try\ again
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""SLURM's words for what passes by itself."""
PAUSE, LONGEST = 5.0, 60.0
"""Seconds until a job is submitted again, first and at most."""
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "ERROR", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"}
TURN = {"None", "Priority", "Resources", "Dependency", "BeginTime"}
"""SLURM's reasons why a job waits that has only to wait for its turn."""
LOOKS, FORGOTTEN = 3, 120.0
"""So many answers without a job, over so many seconds, and SLURM does not know it any more."""
stopping = threading.Event()
"""Set when the run ends: nothing is waited for any longer."""


left: dict[str, str] = {}
"""Jobs of an earlier run that this one goes on with: their numbers, by what they make and of what."""


class Submission:
    """What `subprocess.Popen` is to a call of sbatch, which is repeated while SLURM cannot take the job.

    An answer may be lost and the job taken all the same: it is looked for, by its comment, before the call is
    repeated. What an earlier run has `left` at work is not submitted again.
    """

    def __init__(self, call: str, **options: Any):
        self.call, self.options, self.returncode = call, options, 0

    def communicate(self, input: str | None = None) -> tuple[str, str]:
        """The job's number, and what SLURM complains of; `returncode` is set."""
        if number := inherited(self.call):
            _say(f"job {number}, which an earlier run has left, goes on")
            jobs.ours.add(number)
            return number, ""
        pause, since = PAUSE, time.strftime("%H:%M:%S")
        out, err = self._try(input)
        told = ""
        while self.returncode and passes(err):
            if told != (told := complaint(err)):
                _say(f"a job waits to be submitted since {since}: SLURM says {told}")
            if stopping.wait(pause):
                break
            pause = min(2 * pause, LONGEST)
            try:
                number = taken(self.call)
            except UserError:
                continue  # whether it was taken is not known: a second one might run beside it
            if number:
                _say(f"SLURM had taken it all the same: job {number}")
                self.returncode, out, err = 0, number, ""
                break
            out, err = self._try(input)
        if not self.returncode:
            jobs.ours.add(out.strip().split(";")[0])
        return out, err

    def _try(self, input: str | None) -> tuple[str, str]:
        process = subprocess.Popen(self.call, **self.options)
        out, err = process.communicate(input)
        self.returncode = process.returncode
        return out, err


def passes(words: str) -> bool:
    """Whether what SLURM complains of passes by itself: an outage, or a limit that queued jobs use up."""
    if TRANSIENT.search(words):
        return True
    try:
        return crowded(words)
    except UserError:
        return True


def taken(call: str) -> str | None:
    """The number of the job that a call of sbatch has made, by its comment. Raises UserError where SLURM
    does not answer."""
    comment = re.search(r"--comment (\S+)", call)
    for line in ask("squeue", "-h", "--me", "-t", "all", "-o", "%i|%k").splitlines():
        number, said = line.split("|", 1)
        if comment and said == comment[1]:
            return number
    return None


def inherited(call: str) -> str | None:
    """The number of the job that an earlier run has left, and that makes what this call of sbatch would."""
    what = re.search(r"--comment [^/\s]+/([^/\s]+)/([^/\s]+)/", call)
    number = left.pop(what[2], None) if what else None
    try:
        return number if what and number in living(what[1]) else None
    except UserError:
        return number  # SLURM is away: what was there is there


@dataclass
class Jobs:
    """What SLURM says of the user's jobs, from look to look: `missed` counts, by number, the answers that a
    job is not in, and since when (seconds); `told`: why jobs wait, as far as that was said."""

    missed: dict[str, tuple[int, float]] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)
    away: str = ""
    told: set[str] = field(default_factory=set)

    def looked(self, states: dict[str, str] | None, now: float, queue: bool = True) -> dict[str, str] | None:
        """The states of jobs by number, None where SLURM did not answer, as the plugin is to see them: one
        that SLURM's queue has forgotten has failed, one that was preempted is queued again."""
        if states is None:
            if not self.away:
                self.away = time.strftime("%H:%M:%S")
                self.missed.clear()
                _say(f"SLURM does not answer since {self.away}; its jobs go on, and the run waits")
            return None
        if self.away:
            _say(f"SLURM answers again, after silence since {self.away}")
            self.away = ""
        for number in sorted(self.ours & states.keys()):
            self._tell(number, states[number])
        states = {number: state.partition(" ")[0] for number, state in states.items()}  # "CANCELLED by 0"
        for number in sorted(self.ours):
            state = states.get(number)
            if state is None and queue:
                state = states[number] = self._miss(number, now)
            else:
                self.missed.pop(number, None)
            if state == "PREEMPTED" and requeued(number):
                states[number] = "PENDING"
            if state in ENDED:
                self.ours.discard(number)
        return states

    def _tell(self, number: str, state: str) -> None:
        """Say once what SLURM has a job wait for, "PENDING (reason)", where that is more than its turn."""
        reason = state.removeprefix("PENDING (").rstrip(")").partition(",")[0]
        if state.startswith("PENDING (") and reason not in TURN | self.told:
            self.told.add(reason)
            _say(f"job {number} waits since {time.strftime('%H:%M:%S')}: SLURM says {reason}")

    def _miss(self, number: str, now: float) -> str:
        looks, since = self.missed.get(number, (0, now))
        self.missed[number] = looks + 1, since
        if looks + 1 < LOOKS or now - since < FORGOTTEN:
            return "PENDING"
        _say(f"SLURM does not know job {number} any more: it is taken for failed, and made again")
        return "FAILED"


jobs = Jobs()
"""Those of this process."""


def requeued(number: str) -> bool:
    """Put a job of this run that was cancelled to make room back into the queue; whether SLURM did."""
    try:
        ask("scontrol", "requeue", number)
    except UserError:
        return False
    _say(f"job {number} was preempted and is queued again")
    return True


def remembering(ask: Callable[[], int | None]) -> Callable[[], float]:
    """SLURM's MinJobAge in seconds, asked for until it is known once; without an answer it is taken for long
    enough, so that a controller that is away is waited for."""
    known: list[int] = []

    def age() -> float:
        if not known and (found := ask()) is not None:
            known.append(found)
        return known[0] if known else math.inf

    return age


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
