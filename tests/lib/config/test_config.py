"""A wrong config stops with one line that names the key, the value and the nearest right name."""

import copy
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import is_dataclass
from math import inf, nan
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import asked, parse, rows
from scripts.lib.config.data import Download
from scripts.lib.config.layers import WORLD, read
from scripts.lib.config.whole import Config, needed, used
from scripts.lib.errors import UserError
from scripts.queries import fetch

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def raw() -> dict:
    return read(WORLD)


OVER_WORLD = ("seeds", "curve", "ablations", "baselines", "limits", "judge")
SHIPPED = [("world",), *(("world", name) for name in OVER_WORLD), ("paper",), ("imported",)]
"""Each shipped config with what it is read over, config.yaml apart."""


@pytest.mark.parametrize("names", SHIPPED)
def test_every_shipped_config_is_valid(names: tuple[str, ...]) -> None:
    config = parse(read(*(Path(f"config/{name}.yaml") for name in names)))
    for study in config.studies:
        assert rows(config, study)


def test_a_table_is_cut_to_its_first_seeds() -> None:
    given = read(Path("config/world.yaml"), Path("config/seeds.yaml"))
    whole = rows(parse(given), "seeds")
    assert {row["seed"] for row in whole} == {200, 201, 202, 203, 204}
    assert rows(parse(given | {"seeds": 2}), "seeds") == [row for row in whole if row["seed"] < 202]


def test_the_studies_of_make_tables_can_be_read_together() -> None:
    config = parse(read(*(Path(f"config/{name}.yaml") for name in ("world", *OVER_WORLD))))
    (named,) = re.findall(r"^TABLES \?= (.*)$", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named.split()) == set(config.studies) - {"demo"}


def test_all_that_is_shipped_is_tested() -> None:
    shipped = {path.stem for path in Path("config").glob("*.yaml")}
    assert shipped == {"config"} | {name for names in SHIPPED for name in names}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "variants.ours.training.kl_coeff",
            0.1,
            r"variants\.ours\.training\.kl_coeff.*did you mean 'kl_coef'",
        ),
        ("teachers.tiny.vote.treshold", 0.1, r"teachers\.tiny\.vote\.treshold.*did you mean 'threshold'"),
        ("teachers.tiny.vote.threshold", 3, r"teachers\.tiny\.vote\.threshold: 3:.*less than or equal to 1"),
        ("variants.ours.reward", "our", r"variants\.ours\.reward: 'our'.*did you mean 'ours'"),
        ("studies.demo.axis", {"label": "n", "at": {"tiiny": 1}}, r"axis\.at: 'tiiny'.*did you mean 'tiny'"),
        (
            "studies.demo.axis",
            {"label": "n", "at": {"a": {"tiny": 1}, "b": {"tiiny": 1}}},
            r"axis\.at: 'tiiny'.*did you mean 'tiny'",
        ),
        (
            "studies.demo.axis",
            {"label": "n", "at": {"tiny": 0}, "log": True},
            "studies.demo.axis: log has no room",
        ),
        ("studies.demo.benchmarks", ["wrld"], r"'wrld'.*did you mean 'world'"),
        ("teachers.tiny.model", "also/this", r"teachers\.tiny: give exactly one of"),
        ("datasets.world.prompt", "wrold", r"config/prompts/wrold\.jinja does not exist"),
        ("models.tiny-teacher.dataset", "words", r"'words'.*did you mean 'world'"),
        (
            "models.tiny-teacher.max_step",
            3,
            "models.tiny-teacher.max_step: unknown key; did you mean 'max_st",
        ),
        (
            "models.tiny-teacher.hidden_size",
            100,
            "models.tiny-teacher: hidden_size 100 over num_attention_heads",
        ),
        ("datasets.world.queries", "x.jsonl", "datasets.world: give exactly one of `world` and `queries`"),
        ("datasets.world.shots", {"file": "x.jsonl"}, "datasets.world: an embedded world has no shots"),
        (
            "benchmarks.world.shots",
            {"file": "x.jsonl"},
            "benchmarks.world: a split is shown the shots",
        ),
        ("datasets.world.shots", {"n": 0}, "datasets.world.shots.n: "),
        (
            "rewards.ours.pairs.validation_fraction",
            1,
            "rewards.ours.pairs.validation_fraction: 1: Input should",
        ),
        (
            "rewards.ours.pairs",
            {"answers": "student", "teacher_ratio": 1},
            "rewards.ours.pairs: teacher_ratio thins",
        ),
        (
            "rewards.other",
            {"warmup": "wo_r", "pairs": {"test_fraction": 0.2}},
            r"rewards.ours.pairs.test_fraction is 0.1 and rewards.other's is 0.2; .* wo_r's samples",
        ),
        (
            "variants.ours.queries",
            "ours",
            r"variants\.ours\.queries: 'ours': Input should be 'labelled' or 'all'",
        ),
        ("variants.ours.queries_of", "our", r"variants\.ours\.queries_of: 'our'.*did you mean 'ours'"),
        (
            "variants.wo_r.training",
            {"learn_reasoning": True},
            r"variants\.dpo\.warmup: wo_r learns thoughts \(learn_reasoning\), but pairs hold replies alone",
        ),
        ("variants.rlvr.queries", "all", r"variants\.rlvr: queries: all needs a reward model"),
        ("teachers.tiny.judge", {"verdict": "token"}, r"teachers\.tiny\.judge\.verdict: token gives scores"),
        ("variants.ours.judge", {"n": 3}, r"variants\.ours: judge is for training.scored_by: teacher"),
        (
            "variants.judge_reward.judge",
            {"prompt": "no"},
            r"judge_reward\.judge\.prompt: .*/no.jinja",
        ),
        ("variants.judge_reward.judge", {"prompt": "world"}, r"world.jinja.*response"),
        ("variants.rlvr.training.scored_by", "teacher", r"rlvr\.training: reward_design label reads no r"),
        ("variants.gad.training.scored_by", "teacher", r"gad\.training: .*scored_by teacher has none"),
        ("variants.ours.training.max_judgements", 9, r"ours\.training: max_judgements is for scored_by"),
        (
            "variants.ours.warmup",
            "teacher",
            r"variants\.ours\.warmup: teacher gives no student; name a variant",
        ),
        (
            "rewards.ours.warmup",
            "ours",
            r"variants\.ours builds on itself \('variants.ours -> rewards.ours -> ",
        ),
        ("variants.best_of_n.reward", None, r"variants\.best_of_n: best_of_n needs a reward, a majority"),
        ("variants.majority.samples_of", "best_of_n", r"majority\.samples_of: best_of_n gives no student"),
        ("teachers.tiny.vote.noise", 1, r"teachers\.tiny\.vote\.noise: 1: Input should be less than 1"),
        ("variants.rft.samples_of", "rft_2", r"variants\.rft_?2? builds on itself"),
        ("variants.rft.samples_of", "teacher", r"variants\.rft\.samples_of: teacher gives no student"),
        ("variants.rft.answers", "good", r"variants\.rft: answers: student_good needs samples_of"),
        ("overrides", [{"where": {"variant": "icl"}, "training": {}}], r"overrides\[0\].*icl is not trained"),
        (
            "variants.wo_r.training.lr_scheduler_type",
            "linaer",
            "'linaer': Input should be 'linear', 'cosine'",
        ),
        ("datasets.world.validation_fraction", 1.0, "validation_fraction: 1.0: Input should be less than 1"),
        ("datasets.world.seed", "²", r"datasets\.world\.seed: '²': Input should be a valid integer"),
        ("teachers.tiny.seed", -1, r"teachers\.tiny\.seed: -1: Input should be greater than or equal to 0"),
        (
            "teachers.tiny.seed",
            2**31,
            r"teachers\.tiny\.seed: 2147483648: Input should be less than or equal",
        ),
        ("teachers.tiny.base.temperatures", [inf], r"temperatures\.0: inf: Input should be a finite number"),
        ("variants.ours.training.learning_rate", nan, "learning_rate: nan: Input should be a finite number"),
        ("variants.ours.training.kl_coef", [1] * 9999, "kl_coef: a list: Input should be a valid number"),
        ("teachers.tiny.vote.threshold", "9" * 9999, r"threshold: '9{50,60}\.\.\.9{50,60}': Input should be"),
        (
            "overrides",
            [{"where": {"variant": ["ours", ["x"]]}, "training": {"kl_coef": 0.1}}],
            r"overrides\.0\.where\.variant: a list: Input should be a valid string",
        ),
        (
            "overrides",
            [{"where": {"variant": ["ours", 3]}, "training": {"kl_coef": 0.1}}],
            r"overrides\.0\.where\.variant",
        ),
        (
            "studies.demo.axis",
            {"label": "n", "at": {"mine": [1, 2]}},
            r"studies\.demo\.axis\.at\.mine: a list: Input should be a valid number",
        ),
        (
            "studies.demo.axis",
            {"label": "n", "at": {"mine": {"a": {"b": 1}}}},
            r"studies\.demo\.axis\.at\.mine: a dict: Input should be a valid number",
        ),
        ("max_hours", inf, "max_hours: inf: Input should be a finite number"),
        ("max_hours", 1e308, "max_hours: 1e[+]308: Input should be less than or equal to 8760"),
        ("store", "Makefile", "store: 'Makefile' is no folder"),
        ("store", "Makefile/store", "store: .*Makefile. is no folder"),
        ("store", "", "store: names no folder of its own"),
        ("state", "/proc/state", "state: '/proc' is not yours to write into"),
        (
            "downloads",
            {"x.parquet": {"repo": "a/b", "revision": "b"}},
            "x.parquet.revision: 'b' is no commit",
        ),
    ],
)
def test_a_mistake_is_named(raw: dict, path: str, value: object, message: str) -> None:
    *parents, last = path.split(".")
    block = raw
    for name in parents:
        block = block[name]
    block[last] = value
    with pytest.raises(UserError, match=message) as error:
        parse(raw)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


IMPORT = {"path": "said.jsonl", "model": "three", "temperature": 0.0}


def test_rewards_after_other_warm_ups_hold_out_their_own_share(raw: dict) -> None:
    raw["rewards"]["other"] = {"warmup": "sft", "pairs": {"test_fraction": 0.2}}
    raw["rewards"]["same"] = {"warmup": "wo_r", "pairs": {"test_fraction": 0.1}}
    assert parse(raw).rewards["other"].pairs.test_fraction == 0.2


SERVER = {"base_url": "http://127.0.0.1:8000/v1"}


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"engine": "openai"}, "teachers.api: engine openai needs `server` and `model`"),
        ({"server": SERVER}, "teachers.api.server: the engine is vllm; set engine: openai"),
        ({"engine": "openai", "server": {}}, "teachers.api.server: a server needs base_url"),
        ({"engine": "opnai"}, "teachers.api.engine: 'opnai' is not in `engines`; did you mean 'openai'"),
        ({"engine": "openai", "server": SERVER, "revision": "main"}, "a server knows none"),
        ({"engine": "openai", "server": SERVER, "max_model_len": 4096}, "api.max_model_len: a server has"),
        ({"engine": "openai", "server": SERVER | {"omit": ["n"]}}, r"omit\.0: 'n': Input should be 'temp"),
        (
            {"engine": "openai", "server": SERVER | {"omit": ["temperature"]}, "again": None},
            "teachers.api.base.temperatures: server.omit leaves the temperature to the server; name its own",
        ),
        (
            {
                "engine": "openai",
                "server": SERVER | {"omit": ["temperature"]},
                "base": {"temperatures": [1]},
            },
            "teachers.api.again.temperatures: .*or set again: null",
        ),
        ({"engine": "openai", "server": SERVER | {"max_dollars": 3}}, "max_dollars needs prices"),
        ({"engine": "openai", "server": SERVER | {"api_key_env": "gsk_Secret"}}, "never the key itself"),
        ({"engine": "openai", "server": SERVER | {"api_key": "Secret"}}, "did you mean 'api_key_env'"),
        ({"engine": "openai", "server": {"base_url": "http://u:Secret@x"}}, "no user, password or query"),
        (
            {"engine": "openai", "server": {"base_url": ["http://u:Secret@x"]}},
            "base_url: a list: Input should",
        ),
        ({"engine": "openai", "server": {"base_url": "http://$(id)/v1"}}, "characters that no host has"),
        (
            {"engine": "openai", "server": SERVER | {"price_prompt": nan}},
            "price_prompt: nan: Input should be a f",
        ),
        ({"engine": "openai", "server": "http://u:Secret@x"}, "teachers.api.server: a str: Input should be"),
        (
            {"engine": "openai", "server": {"base_url": "http://node17:80"}},
            "teachers.api.server: .*over http",
        ),
    ],
)
def test_a_server_and_its_engine_go_together(raw: dict, teacher: dict, message: str) -> None:
    raw["teachers"]["api"] = {"model": "big"} | teacher
    with pytest.raises(UserError, match=message) as error:
        parse(raw)
    assert "Secret" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "block", "message"),
    [
        ("teachers", {"shards": 2, "shard_minutes": 60}, "teachers.tiny: give `shards` or `shard_minutes`"),
        ("students", {"shards": 0}, "students.tiny.shards: 0"),
        ("teachers", {"shards": 2, "engine": "openai", "server": SERVER}, "a server is asked by one job"),
        (
            "teachers",
            {"shard_minutes": 9, "engine": "openai", "server": SERVER},
            "a server is asked by one job",
        ),
    ],
)
def test_shards_are_one_number_and_not_a_servers(raw: dict, kind: str, block: dict, message: str) -> None:
    if "server" in block:
        block |= {"model": "big", "pretrained": None}
    raw[kind]["tiny"] |= block
    with pytest.raises(UserError, match=message):
        parse(raw)


def test_a_student_is_no_server(raw: dict) -> None:
    raw["students"]["tiny"]["engine"] = "openai"
    with pytest.raises(UserError, match=r"students\.tiny\.engine: a student is trained here"):
        parse(raw)


def test_a_missing_key_is_named(raw: dict) -> None:
    del raw["datasets"]["world"]["task"]
    with pytest.raises(UserError, match=r"datasets\.world\.task: missing"):
        parse(raw)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("world\ttiny\ttiny\tourz\t0", "line 2: 'ourz'.*did you mean 'ours'"),
        ("world\ttiny\ttiny\tours\tone", "seed is 'one'"),
        ("world\ttiny\ttiny\tours\t²", "seed is '²'; it must be a whole number from 0 to 2147483647"),
        ("world\ttiny\ttiny\tours\t" + "1" * 5000, r"seed is '1{50,60}\.\.\.1{50,60}'; it must"),
        ("world\ttiny\ttiny\tours\t" + "1" * 30, "seed is '1{30}'; it must"),
        ("world\ttiny\ttiny\tours\t2147483648", "seed is '2147483648'; it must"),
        ("world\ttiny\ttiny\tours\t0\nworld\ttiny\ttiny\tours\t0", "stands twice"),
        ("", "no rows"),
        ("# one seed\n\nworld\ttiny\ttiny\tours", "line 4: 4 fields; there must be 5"),
        ('world\ttiny\t"tiny\tours\t0', "line 2: '\"tiny' is not in `students`"),
    ],
)
def test_a_wrong_row_is_named(raw: dict, tmp_path: Path, line: str, message: str) -> None:
    table = tmp_path / "study.tsv"
    table.write_text(f"dataset\tteacher\tstudent\tvariant\tseed\n{line}\n")
    raw["studies"]["demo"]["table"] = str(table)
    with pytest.raises(UserError, match=message) as error:
        rows(parse(raw), "demo")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["results/reports/nope/report.html"],
            "'results/reports/nope/report.html': 'nope' is not in `studies`",
        ),
        (["results/leakage/study=nope.passed"], "'nope' is not in `studies`; known: demo"),
        (["results/labels/dataset=wrld/teacher=tiny/seed=0/labels.parquet"], "'wrld'.*did you mean 'world'"),
        (["results/labels/dataset=world/teacher=tiny/seed=0/labels.parquet"], None),
        (
            ["results/reports/demo/report.html"],
            "datasets.mine.queries: missing.jsonl does not exist and is not",
        ),
        (["--dry-run"], "datasets.mine.queries: missing.jsonl does not exist and is not"),
        (["results/reports/other/report.html"], None),
    ],
)
def test_what_is_asked_for_is_there(raw: dict, tmp_path: Path, words: list[str], message: str | None) -> None:
    raw["datasets"]["mine"] = {"queries": "missing.jsonl", "task": "numeric", "prompt": "question"}
    for study, dataset in (("demo", "mine"), ("other", "world")):
        table = tmp_path / f"{study}.tsv"
        table.write_text(f"dataset\tteacher\tstudent\tvariant\tseed\n{dataset}\ttiny\ttiny\ticl\t0\n")
        raw["studies"][study] = {"table": str(table)}
    if message is None:
        assert asked(parse(raw), words)
        return
    with pytest.raises(UserError, match=message) as error:
        asked(parse(raw), words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"base": {"temperatures": [0.0, 0.5], "n": 9}, "vote": {"m": 10}}, None),
        (
            {"base": {"temperatures": [0.0, 0.5], "n": 9}, "vote": {"m": 11}},
            "line 2: teachers.tiny.base gives a query 10 samples .*one at temperature 0. and vote.m is 11",
        ),
        (
            {"again": {"temperatures": [0.0, 0.5], "n": 8}},
            "teachers.tiny.again gives a query 9 .*lower vote.m or raise again.n",
        ),
        ({"again": {"temperatures": [0.5], "n": 1}, "vote": {"voters": "all_rounds"}}, None),
        ({"base": {"temperatures": [0.5], "n": 2}, "samples": [IMPORT], "pretrained": None}, None),
    ],
)
def test_a_round_fills_its_vote_before_a_token_is_paid(raw: dict, teacher: dict, message: str | None) -> None:
    raw["teachers"]["tiny"] |= {"compare": []} | teacher
    config = parse(raw)
    if message is None:
        assert rows(config, "demo")
        return
    with pytest.raises(UserError, match=message):
        rows(config, "demo")
    raw["datasets"]["world"]["task"] = "open"
    assert rows(parse(raw), "demo")


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_benchmark_is_of_a_split_that_holds_something_out(raw: dict, part: str) -> None:
    raw["benchmarks"]["world"]["split"] = part
    shares = {"test_fraction": 0.1, "validation_fraction": 0.1}
    raw["datasets"]["world"] |= shares | {"queries": "data/mine.jsonl", "world": None}
    parse(raw)
    raw["datasets"]["world"][f"{part}_fraction"] = 0
    with pytest.raises(UserError, match=f"world holds no question out for it; raise its {part}_fraction"):
        parse(raw)


def test_the_teachers_that_are_compared_fill_theirs(raw: dict) -> None:
    raw["teachers"]["tiny-paper-grid"]["base"]["n"] = 2
    with pytest.raises(UserError, match="teachers.tiny-paper-grid.base gives a query 7 samples to vote"):
        rows(parse(raw), "demo")


@pytest.mark.parametrize(
    ("dataset", "teacher", "message"),
    [
        ({}, {}, None),
        ({"queries": "answered.jsonl", "test_fraction": 0.1, "world": None}, {}, None),
        (
            {"queries": "bare.jsonl", "test_fraction": 0.1, "world": None},
            {},
            "datasets.world has no column of answers",
        ),
        ({"task": "open"}, {}, r"nobody votes on datasets.world \(task open\)"),
        ({}, {"pretrained": None, "samples": [IMPORT]}, "teachers.tiny is imported"),
    ],
)
def test_a_judge_is_held_against_a_vote_and_golds(raw: dict, tmp_path, dataset, teacher, message) -> None:
    """Said before a judgement is paid for."""
    for name, more in (("answered", ', "answer": "4"'), ("bare", "")):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"question": "2 + 2?"{more}}}\n', encoding="utf-8")
    table = tmp_path / "study.tsv"
    table.write_text(
        "dataset\tteacher\tstudent\tvariant\tseed\nworld\ttiny\ttiny\tjudge_vs_vote\t0\n", encoding="utf-8"
    )
    if "queries" in dataset:
        dataset = dataset | {"queries": str(tmp_path / dataset["queries"])}
    raw["datasets"]["world"] |= dataset
    raw["teachers"]["tiny"] |= teacher
    raw["studies"]["demo"]["table"] = str(table)
    if message is None:
        assert rows(parse(raw), "demo")
        return
    with pytest.raises(UserError, match=f"study.tsv, line 2: judge_vs_vote .*{message}"):
        rows(parse(raw), "demo")


def test_an_override_holds_where_it_says(raw: dict) -> None:
    raw["overrides"] = [{"where": {"variant": "ours", "student": "tiny"}, "training": {"kl_coef": 0.3}}]
    config = parse(raw)
    assert config.training("variant", variant="ours", student="tiny").kl_coef == 0.3
    assert config.training("variant", variant="ours", student="other").kl_coef == 0.1
    assert config.training("variant", variant="rlvr", student="tiny").kl_coef == 0.1


def test_a_mistake_in_an_override_is_named(raw: dict) -> None:
    raw["overrides"] = [{"where": {"variant": "ours"}, "training": {"kl_coeff": 0.3}}]
    with pytest.raises(UserError, match=r"overrides\[0\]\.training: kl_coeff.*did you mean 'kl_coef'"):
        parse(raw)


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("made/by/nobody", [], r"line 2: students\.tiny\.model: the folder .*made/by/nobody does not exist"),
        ("empty", ["empty/config.json"], r"line 2: students\.tiny\.model: .*empty holds no \*\.safetensors"),
        ("whole", ["whole/model.safetensors"], None),
        ("some/hub-model", [], None),
    ],
)
def test_a_folder_without_weights_stops_before_anything_is_spent(
    raw: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    files: list[str],
    message: str | None,
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    raw["students"]["tiny"] |= {"model": name, "pretrained": None}
    config = parse(raw)
    config.studies["demo"].table = ROOT / config.studies["demo"].table
    monkeypatch.chdir(tmp_path)
    if message is None:
        assert rows(config, "demo")
    else:
        with pytest.raises(UserError, match=message):
            rows(config, "demo")


def test_a_study_sees_only_the_blocks_it_uses(raw: dict) -> None:
    raw["teachers"]["unused"] = copy.deepcopy(raw["teachers"]["tiny"])
    config = parse(raw)
    kept = used(config, "demo", rows(config, "demo"))
    assert "unused" not in kept.teachers
    assert {"tiny", "tiny-paper-grid"} == set(kept.teachers)
    assert isinstance(Config.model_validate(json.loads(kept.model_dump_json())), Config)


def test_what_a_variant_stands_on_is_found_however_many_rounds_lie_between(raw: dict) -> None:
    """By the policy that it starts from, and by the one whose samples its reward model has learnt from."""
    for number in range(2, 7):
        before = f"round_{number - 1}" if number > 2 else "ours"
        raw["variants"][f"round_{number}"] = raw["variants"]["ours"] | {"warmup": before}
        raw["rewards"][f"reward_{number}"] = raw["rewards"]["ours"] | {"warmup": before}
    raw["variants"]["last"] = raw["variants"]["ours"] | {"reward": "reward_6"}
    config, rounds = parse(raw), {f"round_{number}" for number in range(2, 6)}
    assert needed(config, ["round_6"]) == (rounds | {"round_6", "ours", "wo_r"}, {"ours"})
    assert needed(config, ["last"]) == (rounds | {"last", "ours", "wo_r"}, {"ours", "reward_6"})


def test_a_download_is_the_flags_of_what_fetches_it() -> None:
    """The one step with flags of its own beside a block of the config: it fetches models, too."""
    assert set(Download.model_fields) <= set(flags_of(fetch.main))


def flags_of(taker: object) -> Iterator[str]:
    """The names that a step's main, and the dataclasses it takes, make into flags."""
    for name, parameter in inspect.signature(taker, eval_str=True).parameters.items():
        if is_dataclass(parameter.annotation):
            yield from flags_of(parameter.annotation)
        else:
            yield name


@pytest.mark.parametrize(
    ("prompt", "text", "says"),
    [
        ("world", "Answer the question.", "world.jinja leaves the question out"),
        ("world", "{{ question }}{{ 1 / 0 }}", "world.jinja cannot be rendered: ZeroDivisionError"),
        ("judge", "{{ question }}", "judge.jinja leaves the response out"),
    ],
)
def test_a_prompt_that_shows_too_little_is_named(
    raw: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompt: str, text: str, says: str
) -> None:
    prompts = tmp_path / "config/prompts"
    shutil.copytree(ROOT / "config/prompts", prompts)
    (prompts / f"{prompt}.jinja").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says) as error:
        parse(raw)
    assert "\n" not in str(error.value)
