"""Try faults: each in a throwaway copy of the tree, where the tests of its part must fail.

pytest is forked from one process per worker and environment that has imported the packages. `.venv` runs a
part's tests without models first; what they let pass, `.venv-gpu` tries with models.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = {".venv": (), ".venv-gpu": ("--models-only",)}
"""Which Python runs the tests, and with which of pytest's options, the quick one first."""
FAST = ("-q", "-m", "not slow")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
"""A line of pytest's summary."""
MADE = ("results", "store", "state", "logs", "benchmarks", "data")
"""Folders of the root that runs fill; they and hidden ones, environments and caches, are not copied."""
MODELS = ("tiny", "importorskip")
"""Words of a test file that needs a package of `.venv-gpu`, or may."""
PASSED = (0, 5)
"""pytest's exit status: all passed; there was nothing to run."""


class Fault(NamedTuple):
    """A wrong program: in `file` the text `old`, which stands there once, is `new`.

    `tests`: tests, files and folders below tests/ of which one must notice, the likeliest first.
    """

    file: str
    old: str
    new: str
    meaning: str
    tests: tuple[str, ...]


class Verdict(NamedTuple):
    """What became of a fault: `by` the test that failed; `wrong` says why it counts as no fault caught."""

    fault: Fault
    seconds: float
    by: str = ""
    wrong: str = ""


@dataclass
class Forks:
    """The forking process of an environment, started when it is first asked."""

    python: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen | None = None

    def run(
        self, tree: Path, scratch: Path, options: Iterable[str], tests: Iterable[str], limit: float
    ) -> tuple[int | None, float, str]:
        """pytest's exit status in `tree` (None: not in time), the seconds it took, and what it said."""
        if self.process is None:
            kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
            command = [self.python, Path(__file__).with_name("forks.py")]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(
                command, env=kept | threads | {"TOKENIZERS_PARALLELISM": "false"}, text=True, **pipes
            )
        log = scratch / "log"
        arguments = [*FAST, *self.options, *options, "--basetemp", f"{scratch}/tmp", *in_tests(tests)]
        job = {"tree": str(tree), "arguments": arguments, "log": str(log), "limit": limit}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], answer["seconds"], log.read_text(errors="replace")

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


@dataclass
class Bench:
    """A clean copy of the tree in `folder`, and workers to try faults on copies of it."""

    folder: Path
    workers: SimpleQueue = field(default_factory=SimpleQueue)
    limit: dict[str, float] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def worker(self) -> Iterator[dict[str, Forks]]:
        forks = self.workers.get()
        try:
            yield forks
        finally:
            self.workers.put(forks)

    def environments(self, tests: Iterable[str]) -> list[str]:
        """Which environments have something to run of these tests."""
        paths = [self.folder / "clean" / "tests" / file_of(test) for test in tests]
        files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
        models = any(word in file.read_text() for file in files for word in MODELS)
        return list(ENVIRONMENTS)[: 2 if models else 1]

    def stages(self, fault: Fault) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Environments and tests in the order in which they are tried: what is likeliest to notice first."""
        for tests in filter(None, (fault.tests[:1], fault.tests[1:])):
            for name in self.environments(tests):
                yield name, tests

    def clean(self, name: str, tests: list[str]) -> None:
        """Run the tests where nothing is wrong, in one environment: which fail, and how long it may take."""
        with self.worker() as forks, tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            status, seconds, said = forks[name].run(self.folder / "clean", Path(scratch), (), tests, 3600)
        self.limit[name] = 30 + 3 * seconds
        failing = FAILED.findall(said)
        self.failing += failing if failing or status in PASSED else [f"all in {name}: {said[-2000:]}"]

    def attempt(self, fault: Fault) -> Verdict:
        """Put a fault into a copy and run its tests there."""
        if broken := [test for test in self.failing if test.startswith(("all", *in_tests(fault.tests)))]:
            return Verdict(fault, 0, wrong="fails without it: " + " ".join(broken))
        with self.worker() as forks, tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            tree = Path(shutil.copytree(self.folder / "clean", Path(scratch) / "tree", symlinks=True))
            if wrong := put_in(fault, tree):
                return Verdict(fault, 0, wrong=wrong)
            spent = 0.0
            for name, tests in self.stages(fault):
                limit = self.limit[name]
                status, seconds, said = forks[name].run(
                    tree, Path(scratch), ("-x", *chosen(tests)), tests, limit
                )
                spent += seconds
                if status not in PASSED:
                    how = f"status {status}" if status else f"not done in {limit:.0f} s"
                    return Verdict(fault, spent, by=(FAILED.findall(said) or [how])[0])
            return Verdict(fault, spent, wrong="SURVIVED " + " ".join(fault.tests))


def file_of(test: str) -> str:
    """The file of a test, `file::name`."""
    return test.partition("::")[0]


def in_tests(tests: Iterable[str]) -> tuple[str, ...]:
    """Files and folders below tests/ as pytest names them."""
    return tuple(f"tests/{file_of(test)}" for test in tests)


def chosen(tests: tuple[str, ...]) -> tuple[str, ...]:
    """pytest's options for a test alone; by its name, so that an environment that cannot import its file has
    nothing to run."""
    return ("-k", tests[0].partition("::")[2]) if "::" in tests[0] else ()


def put_in(fault: Fault, tree: Path) -> str:
    """Put a fault into a tree; why that cannot be done."""
    path = tree / fault.file
    text = path.read_text() if path.exists() else ""
    if text.count(fault.old) != 1:
        return f"MOVED: stands {text.count(fault.old)} times in the file: {fault.old!r}"
    path.write_text(text.replace(fault.old, fault.new))
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()
    return ""


@contextmanager
def bench(workers: int, root: Path = ROOT) -> Iterator[Bench]:
    """A clean copy of `root`, and so many workers."""
    with tempfile.TemporaryDirectory(prefix="faults_") as folder:
        made = Bench(Path(folder))
        (made.folder / "clean").mkdir()
        for item in root.iterdir():
            if item.name not in MADE and not item.name.startswith("."):
                target = made.folder / "clean" / item.name
                if item.is_dir() and not item.is_symlink():
                    shutil.copytree(item, target, symlinks=True)
                else:
                    shutil.copy2(item, target, follow_symlinks=False)
        pythons = {name: ROOT / name / "bin" / "python" for name in ENVIRONMENTS}
        here = {name: python for name, python in pythons.items() if python.exists()}
        for name in here:
            (made.folder / "clean" / name).symlink_to(ROOT / name)
        everyone = [
            {name: Forks(python, ENVIRONMENTS[name]) for name, python in here.items()} for _ in range(workers)
        ]
        for forks in everyone:
            made.workers.put(forks)
        try:
            yield made
        finally:
            for forks in everyone:
                for own in forks.values():
                    own.close()


def try_all(
    faults: list[Fault],
    tell: Callable[[Verdict], None],
    workers: int = 2,
    root: Path = ROOT,
    first: bool = False,
) -> list[Verdict]:
    """Try faults, and tell each verdict as it falls; `first` stops at the first one that is wrong.

    A fault whose tests fail without it is not caught.
    """
    tests = sorted({file_of(test) for fault in faults for test in fault.tests})
    with bench(workers, root) as made, ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda name: made.clean(name, tests), made.environments(tests)))
        stop, verdicts = threading.Event(), []

        def attempt(fault: Fault) -> None:
            if stop.is_set():
                return
            verdict = made.attempt(fault)
            if first and verdict.wrong:
                stop.set()
            with made.lock:
                verdicts.append(verdict)
                tell(verdict)

        list(pool.map(attempt, faults))
    return verdicts
