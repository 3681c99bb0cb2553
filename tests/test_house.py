"""The house: imports run one way, every step has its rule's place and its test, words are the field's."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
STAGES = ("world", "queries", "sample", "label", "judge", "pair", "train", "score", "report")
"""Folders of the steps, in the pipeline's order; `commands` and `launch` start them."""
PRIVATE = ("filling", "ending", "journal", "harness", "strips", "completions_of", "state_of")
"""Words of ours for things that the field has names for: no module is called so."""


def name_of(path: Path) -> str:
    """A file's module name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    """All modules of scripts/ by name."""
    return {name_of(path): path for path in SCRIPTS.rglob("*.py")}


def imported(path: Path) -> Iterator[str]:
    """The project's modules that a file imports, in its functions too; not those it names in types only."""
    known, tree = modules(), ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in known or node.module in known:
                    yield full if full in known else node.module


@cache
def graph() -> dict[str, set[str]]:
    """Each module's imports; a package's own `__init__` may name its members."""
    return {name: set(imported(path)) - {name} for name, path in modules().items()}


def reached(module: str) -> set[str]:
    """The module, and all that it imports by whatever way."""
    known: set[str] = set()
    todo = [module]
    while todo:
        known.add(name := todo.pop())
        todo += graph()[name] - known
    return known


def room(module: str) -> str:
    """`lib`, or the folder of a step or command."""
    return module.split(".")[1] if module.count(".") else ""


def test_imports_make_no_circle() -> None:
    try:
        tuple(TopologicalSorter(graph()).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_rooms_make_no_circle_either() -> None:
    """Rooms of scripts/lib; a test names what a room may not know."""
    rooms: dict[str, set[str]] = {}
    for name, found in graph().items():
        here = ".".join(name.split(".")[2:3])
        if room(name) == "lib" and here:
            others = {other.split(".")[2] for other in found if other.count(".") > 1 and room(other) == "lib"}
            rooms.setdefault(here, set()).update(others - {here})
    try:
        tuple(TopologicalSorter(rooms).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_what_is_shared_imports_no_step() -> None:
    wrong = {name: found for name, found in graph().items() if room(name) == "lib"}
    wrong = {name: {other for other in found if room(other) != "lib"} for name, found in wrong.items()}
    assert not {name: found for name, found in wrong.items() if found}


def test_steps_know_nothing_of_each_other() -> None:
    steps = {name: found for name, found in graph().items() if room(name) in STAGES}
    wrong = {name: {other for other in found if room(other) != "lib"} for name, found in steps.items()}
    assert not {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize("step", ["world.make_model", "world.pretrain", "sample.sample"])
def test_what_is_paid_for_depends_on_no_reader_of_answers(step: str) -> None:
    """An edit of how answers are read reads them again; it trains no teacher anew and asks none."""
    assert not [name for name in reached(f"scripts.{step}") if name.startswith("scripts.lib.tasks")]


def test_the_report_reads_no_config_and_runs_no_model() -> None:
    """What would check a config doubles its start, and an edit of an engine would make every page anew."""
    known = {name for name in reached("scripts.report.report") if name.startswith("scripts.lib.config.")}
    assert known == {"scripts.lib.config.methods"}
    assert not [name for name in reached("scripts.report.report") if name.startswith("scripts.lib.engines")]


def test_a_folder_holds_one_kind_of_thing() -> None:
    assert {path.name for path in SCRIPTS.iterdir() if path.is_dir() and path.name != "__pycache__"} == {
        *STAGES,
        "commands",
        "launch",
        "lib",
    }
    assert [path.name for path in SCRIPTS.glob("*.py")] == ["__init__.py"]
    loose = {path.name for path in (SCRIPTS / "lib").glob("*.py")}
    assert loose == {"__init__.py", "errors.py"}


def test_every_step_and_command_has_a_test_of_its_name() -> None:
    folders = [*STAGES, "commands", "launch"]
    steps = [
        path for folder in folders for path in (SCRIPTS / folder).glob("*.py") if path.stem != "__init__"
    ]
    lacking = [
        str(path.relative_to(ROOT))
        for path in steps
        if not (ROOT / "tests" / path.parent.name / f"test_{path.stem}.py").exists()
    ]
    assert not lacking


def test_every_test_stands_where_its_subject_does() -> None:
    """tests/label/test_label.py tests scripts/label/label.py; several tests may share a subject's folder."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        parts = path.relative_to(ROOT / "tests").parent.parts
        if parts and parts[0] not in ("workflow", "slurm", "bench", "faults", "real", "support"):
            assert SCRIPTS.joinpath(*parts).is_dir(), f"{path} mirrors no folder of scripts/"


def test_no_model_brings_code() -> None:
    """Every `from_pretrained` and vLLM's `LLM` refuse a model folder's own Python; else transformers asks."""
    wrong = []
    for path in SCRIPTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            numbers_only = called.startswith("GenerationConfig.")
            if (called.endswith(".from_pretrained") and not numbers_only) or called == "LLM":
                said = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if said.get("trust_remote_code") != "False":
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, f"{wrong}: pass trust_remote_code=False"


def test_every_pin_carries_its_hashes() -> None:
    """What a name and a version mean at an index can change; PyTorch's index for CPUs is the exception."""
    for file in (ROOT / "envs").glob("*.txt"):
        text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.M)
        pins = re.split(r"(?<!\\)\n", text.rstrip("\n"))
        exact = r"[\w.-]+==[\w.+-]+"
        hashed = exact if file.stem == "torch-cpu" else rf"{exact}( \\\n    --hash=sha256:[0-9a-f]{{64}})+"
        assert not [pin for pin in pins if not re.fullmatch(hashed, pin)], f"{file}: run the recipe again"
    installs = re.findall(r"pip \$\(\w+\) .*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert [line for line in installs if "PINNED" not in line and "torch==" not in line] == []


def test_continuous_integration_installs_the_programs_that_tests_need() -> None:
    """A test that skips where a program is missing is run by `.ci/run`, which refuses skipped tests."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    needed = set(re.findall(r'"needs (\w+)[^"\n]* on the PATH"', "\n".join(texts)))
    recipe = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert needed and not [name for name in needed if f"command -v {name} " not in recipe]


def test_modules_have_the_words_of_the_field() -> None:
    assert not [name for name in modules() if re.search(rf"\.({'|'.join(PRIVATE)})$", name)]


@pytest.mark.parametrize("page", ["README.md", "profiles/slurm/README.md"])
def test_a_page_that_calls_snakemake_puts_it_on_the_path_first(page: str) -> None:
    """`make setup` installs it beside the project's own Python, which is on nobody's PATH."""
    told = (ROOT / page).read_text(encoding="utf-8")
    path = told.find("export PATH=$PWD/.venv/bin:$PATH")
    assert (
        0 < path < told.index("snakemake --profile slurm --configfile" if page == "README.md" else "squeue")
    )
