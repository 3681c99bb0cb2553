"""The report's command on a small invented study: what the page says, and that it is safe and whole."""

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.errors import UserError
from scripts.lib.evaluation.intervals import holm
from scripts.lib.report.results_file import read_results
from scripts.lib.report.study import Study, read_study
from scripts.report.report import main
from tests.support.report_fixture import make_study

MADE = ("report.html", "report.md", "tables.tex", "results.json", "metrics.parquet")
VOID = {"meta", "link", "br", "img", "hr", "input"}


def report(manifest: Path, folder: Path) -> tuple[str, str, pl.DataFrame]:
    paths = [folder / name for name in MADE]
    main(manifest, *paths)
    return paths[0].read_text(), paths[1].read_text(), tables.read(paths[-1], tables.METRICS)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study"), train=60, test=80)


@pytest.fixture(scope="module")
def page(study, tmp_path_factory) -> tuple[Path, str, str, pl.DataFrame]:
    """The study's report: its folder, and what lies there."""
    folder = tmp_path_factory.mktemp("page")
    return folder, *report(study, folder)


def edited(study: Path, folder: Path, change) -> Path:
    """A copy of the manifest after `change`; the files stay where they are."""
    manifest = json.loads(study.read_text(encoding="utf-8"))
    change(manifest)
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    return path


class Checker(HTMLParser):
    """Every tag is closed in order; collects ids and what the page points to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.add(tag)
        self.ids += [named["id"]] if "id" in named else []
        self.links += [
            named[key] for key in ("href", "src", "srcset", "action", "data", "xlink:href") if key in named
        ]
        assert not [key for key in named if key.startswith("on")], attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker


def scripts(html: str) -> list[str]:
    return re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL)


def test_the_page_is_one_file_with_one_script_and_no_requests(page):
    """The policy in its head names the script by its hash: no other one runs, whatever a model wrote."""
    _, html, _, _ = page
    checked = check(html)
    (script,) = scripts(html)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'; style-src" in html
    assert not re.search(r"innerHTML|eval|fetch|XMLHttp|import|storage|cookie|document\.write", script)
    assert len(checked.ids) == len(set(checked.ids))
    inside = [link for link in checked.links if not link.startswith("data:")]
    assert all(link[1:] in checked.ids for link in inside)
    assert not re.search(r"url\(|@import|https?://", html)
    for drawing in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        assert ElementTree.fromstring(drawing).tag == "svg"
    shown = re.sub(r"base64,[^\"]+", "", html.split("</style>")[1])
    assert not re.search(r"\bnan\b", shown.lower())


def test_every_table_and_figure_carries_its_data_and_how_it_was_made(page):
    _, html, _, metrics = page
    files = {
        name: list(csv.DictReader(io.StringIO(base64.b64decode(data).decode())))
        for name, data in re.findall(
            r'download="([^"]+)" href="data:text/csv;charset=utf-8;base64,([^"]+)"', html
        )
    }
    assert len(re.findall("<figure", html)) == html.count("Data (CSV)") == html.count("How this was made: ")
    accuracy = {row["Method"]: row for row in files["demo-results-accuracy-on-world.csv"]}
    mean = metrics.filter(pl.col("metric") == "mean_accuracy", pl.col("variant") == "ours")["value"].item()
    assert accuracy["Ours"]["Accuracy, %"] == f"{100 * mean:.1f}" and accuracy["SFT"]["p"] == ""
    assert accuracy["ICL"]["Against SFT, points"].startswith("-"), "a minus that programs read"
    dots = {row["name"]: row for row in files["demo-headline-accuracy-on-world-with-95-intervals.csv"]}
    assert float(dots["Ours"]["value"]) == mean and float(dots["Ours"]["low"]) < mean
    curves = files["demo-ppo-ppo-world-tiny-tiny.csv"]
    rows = [row for row in curves if row["series"] == "Ours" and row["panel"].startswith("KL")]
    assert len([row for row in rows if not row["run"] and not row["note"]]) == 12
    assert {row["note"] for row in rows} == {"", "chosen"}


def test_the_first_screen_states_the_result(page):
    _, html, markdown, metrics = page
    mean = {
        (variant, metric): value
        for variant, metric, value in metrics.filter(pl.col("seed").is_null())
        .select("variant", "metric", "value")
        .iter_rows()
    }
    ours, sft = mean["ours", "mean_accuracy"], mean["sft", "mean_accuracy"]
    assert mean["ours", "mean_difference"] == pytest.approx(ours - sft)
    head = html.split("<main>")[0]
    for text in (
        f"{100 * ours:.1f}",
        f"{100 * sft:.1f}",
        f"+{100 * (ours - sft):.1f}",
        "80 questions × 2 seeds",
    ):
        assert text in head
    assert f"+{100 * (ours - sft):.1f}" in markdown


def test_metrics_hold_every_variant_and_seed(study, page):
    _, _, _, metrics = page
    accuracy = metrics.filter(pl.col("metric") == "accuracy")
    assert len(accuracy) == 9 * 2 and set(accuracy["n"]) == {80}
    row = json.loads(study.read_text())["evaluations"][0]
    scores = tables.read(row["scores"], tables.SCORES)
    same = accuracy.filter((pl.col("variant") == row["variant"]) & (pl.col("seed") == row["seed"]))
    assert same["value"].item() == pytest.approx(scores["correct"].mean())
    bounds = {
        each: metrics.filter(pl.col("metric") == f"accuracy_{each}")["value"] for each in ("low", "high")
    }
    assert (bounds["low"] < bounds["high"]).all()


def test_programs_read_the_same_numbers(page):
    """results.json holds what the page shows, by the schema that the docs name."""
    folder, html, _, metrics = page
    found = read_results(folder / "results.json")
    (setting,) = found.settings
    assert (setting.dataset, setting.benchmark, setting.measure) == ("world", "world", "accuracy")
    ours = {each.variant: each for each in setting.variants}["ours"]
    rows = metrics.filter(pl.col("variant") == "ours")
    means = dict(rows.filter(pl.col("seed").is_null()).select("metric", "value").iter_rows())
    assert (ours.value, ours.low, ours.high) == tuple(
        means[f"mean_accuracy{end}"] for end in ("", "_low", "_high")
    )
    assert ours.against and ours.against.difference == means["mean_difference"]
    assert ours.against.p == means["mean_difference_p"]
    ps = {each.variant: each.against.p for each in setting.variants if each.against}
    corrected = dict(zip(ps, holm(list(ps.values())), strict=True))
    found_ps = {each.variant: each.against.p_corrected for each in setting.variants if each.against}
    assert found_ps == pytest.approx(corrected) and corrected["sft_matched"] > ps["sft_matched"]
    assert [each.n for each in ours.seeds] == [80, 80] and ours.n == 160
    assert len(found.shown) == html.count("Data (CSV)") and all(each.made for each in found.shown)
    assert {each.ledger["engine"] for each in found.sampled} == {"transformers"}
    assert found.config["teachers"]["tiny"]["vote"]["threshold"] == 0.7


def test_every_table_is_there_as_latex(page):
    folder, html, _, _ = page
    text = (folder / "tables.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{table}") == html.count('<figure class="table">') > 5
    assert r"\caption{Accuracy on world}" in text and text.count("{") == text.count("}")


def test_every_section_has_its_content(page):
    _, html, markdown, _ = page
    assert 'class="missing"' not in html
    for text in (
        "Where Ours wins and loses", "The teacher&#39;s own answer: wrong", "Reliability: right, %",
        "Warm-up and other supervised trainings", "Reward against validation", "Long curves are averaged",
        "From queries to pairs", "T⁺ ≻ S⁺", "Pos/Pos", "Paid −5", "Labelled, but wrongly",
        "Ours right, SFT wrong", "transformers 5.19.0", "What this can and cannot show",
        "&#34;threshold&#34;: 0.7",
    ):  # fmt: skip
        assert text in html, text
    assert 60 < html.count('<details class="example"') <= 100
    outcomes = re.findall(r'<details class="example" data-outcome="([^"]+)"', html)
    options = re.findall(r'<option value="([^"]+)">.*? \((\d+)\)</option>', html)
    assert [(outcome, int(number)) for outcome, number in options] == list(Counter(outcomes).items())
    assert {"Ours right, SFT wrong", "Ours wrong, SFT right", "Labelled, but wrongly"} <= {*outcomes}
    assert "High reward, wrong answer" in outcomes and "Reliability of the reward models" in html
    assert markdown.count("**Accuracy on world**") == 1 and "| Ours |" in markdown


def test_equal_inputs_give_equal_bytes(study, page, tmp_path):
    report(study, tmp_path)
    for name in MADE:
        assert (tmp_path / name).read_bytes() == (page[0] / name).read_bytes()


def test_a_part_that_a_study_has_not_is_a_line(study, tmp_path):
    def drop(manifest):
        manifest["jobs"], manifest["ledgers"] = [], []
        for chain in manifest["chains"]:
            chain["labels"], chain["rewards"], chain["trainings"] = [], [], []

    html, markdown, _ = report(edited(study, tmp_path, drop), tmp_path)
    check(html)
    assert html.count('class="missing"') == 5
    assert "No job has left a measurement." in markdown


def test_logs_that_are_gone_are_said_to_be(page):
    assert "What was spent against the plan is not known" in page[1]


def test_a_missing_file_is_an_error_that_names_it(study, tmp_path):
    def lose(manifest):
        manifest["chains"][0]["rewards"][0]["funnel"] = "results/nowhere.json"

    with pytest.raises(UserError, match="results/nowhere.json does not exist"):
        report(edited(study, tmp_path, lose), tmp_path)


def test_an_empty_study_still_makes_a_page(tmp_path):
    manifest = tmp_path / "manifest.json"
    Study("empty", "", {"alarms": {}}, [], [], [], []).write(manifest)
    html, _, metrics = report(manifest, tmp_path)
    check(html)
    assert "Nothing has been scored yet." in html and len(metrics) == 0


class Opened:
    """Files that Python and polars open while `recording`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: set[str] = set()
        self.recording = True
        sys.addaudithook(self._heard)
        for name in ("scan_parquet", "read_parquet"):
            monkeypatch.setattr(pl, name, self._noted(getattr(pl, name)))

    def _heard(self, event: str, arguments: tuple) -> None:
        if event == "open" and self.recording:
            self.paths.add(str(arguments[0]))

    def _noted(self, read):
        def call(path, *arguments, **named):
            self.paths.add(str(path))
            return read(path, *arguments, **named)

        return call


def test_what_it_opens_is_declared(study, tmp_path, monkeypatch):
    """Whatever the page shows has to be made before it, so the rule has to know every file."""
    read = read_study(study)
    opened = Opened(monkeypatch)
    report(study, tmp_path)
    opened.recording = False
    under = {path for path in opened.paths if path.startswith(str(study.parent))}
    jobs = {str(path) for job in read.jobs for path in (job.benchmark, job.log)}
    assert under - jobs - {str(study)} <= set(read.files())
    assert {str(read.chains[0].rewards[0].pairs), str(read.ledgers[0].file)} <= under


def test_without_ours_or_sft_the_headline_says_so(study, tmp_path):
    def drop(manifest):
        manifest["evaluations"] = [
            row for row in manifest["evaluations"] if row["variant"] not in ("sft", "wo_r")
        ]

    html, _, _ = report(edited(study, tmp_path, drop), tmp_path)
    assert "Ours and SFT have not both been scored yet." in html


def judged_study(folder: Path, suffix: str) -> Path:
    """The invented study as AlpacaEval scores it: a preference for each instruction, win rates by run."""
    path = make_study(folder, train=30, test=80, seeds=(0, 1))
    manifest = json.loads(path.read_text())
    for row in manifest["evaluations"]:
        row["judged"] = True
        scores = tables.read(row["scores"], tables.SCORES)
        wins = pl.when("correct").then(pl.lit("0.900000")).otherwise(pl.lit("0.200000"))
        scores = scores.with_columns(wins.alias("answer"), pl.lit("ok").alias("status"))
        tables.write(scores, row["scores"], tables.SCORES)
        rate = scores["answer"].cast(pl.Float64).mean()
        numbers = {"value": rate, "n": 80, "standard_error": 0.031, "low": rate - 0.06, "high": rate + 0.06}
        metrics = {
            f"win_rate{suffix}": numbers,
            f"length_controlled_winrate{suffix}": numbers | {"value": rate / 2, "standard_error": 0.004},
            "avg_length": {"value": 1234.0, "n": 80},
        }
        Path(row["metrics"]).write_text(json.dumps(metrics), encoding="utf-8")
    cut = manifest["evaluations"][0]["samples"]
    samples = tables.read(cut, tables.SAMPLES).with_columns(pl.lit("length").alias("finish_reason"))
    tables.write(samples, cut, tables.SAMPLES)
    path.write_text(json.dumps(manifest))
    return path


def test_win_rates_are_table_4(tmp_path):
    suffix = "_by_llama_against_gpt4_1106_preview_not_comparable"
    html, markdown, metrics = report(judged_study(tmp_path, suffix), tmp_path)
    check(html)
    assert "Accuracy on" not in markdown and "## Results" not in markdown
    assert "judged by llama: not comparable with published numbers" in html.split("<main>")[0]
    caption = "Win rates on world against gpt4_1106_preview, judged by llama: not comparable"
    assert caption in html.split("<main>")[1]
    (line,) = [line for line in markdown.splitlines() if line.startswith("| Ours |")][:1]
    mean = {
        (variant, metric): value
        for variant, metric, value in metrics.filter(pl.col("seed").is_null())
        .select("variant", "metric", "value")
        .iter_rows()
    }
    ours, sft = (mean[variant, f"mean_win_rate{suffix}"] for variant in ("ours", "sft"))
    assert mean["ours", "mean_difference"] == pytest.approx(ours - sft) and sft < ours < 0.9
    assert f"{100 * ours:.1f}" in line and "SE 3.1" in line and f"{50 * ours:.1f}" in line
    assert f"+{100 * (ours - sft):.1f}" in line and "1,234" in line and "80 × 2" in line
    rows = metrics.filter(pl.col("variant") == "ours", pl.col("seed") == 0)
    names = set(rows["metric"])
    assert {f"length_controlled_winrate{suffix}", f"lc_standard_error{suffix}", "avg_length"} <= names
    assert not [name for name in set(metrics["metric"]) if name.startswith(("accuracy", "mcnemar"))]
    first = json.loads((tmp_path / "manifest.json").read_text())["evaluations"][0]["variant"]
    unread = metrics.filter(
        pl.col("variant") == first, pl.col("seed") == 0, pl.col("metric") == "unparsed_rate"
    )
    assert unread["value"].item() == 1, "cut off"


def test_the_official_judge_has_the_leaderboards_names(tmp_path):
    html, _, metrics = report(judged_study(tmp_path, ""), tmp_path)
    assert "not comparable" not in html and "judged by weighted_alpaca_eval_gpt4_turbo" in html
    assert {"win_rate", "length_controlled_winrate", "lc_standard_error"} <= set(metrics["metric"])


def test_without_sft_the_reward_designs_are_held_against_wo_r(study, tmp_path):
    def drop(manifest):
        manifest["evaluations"] = [row for row in manifest["evaluations"] if row["variant"] != "sft"]

    _, markdown, metrics = report(edited(study, tmp_path, drop), tmp_path)
    assert "Against Ours w/o R, points" in markdown and "points: Ours against Ours w/o R" in markdown
    found = metrics.filter(pl.col("metric") == "mean_difference")["variant"]
    assert "ours" in found and "wo_r" not in found


def test_several_settings_are_counted(tmp_path):
    settings = (("world", "large", "small"), ("world", "tiny", "small"))
    html, markdown, _ = report(
        make_study(tmp_path, seeds=(0,), train=20, test=40, settings=settings), tmp_path
    )
    check(html)
    assert "of 2 settings" in html and "world: tiny → small" in markdown


NASTY = (
    """</dd><script>alert("1")</script><img src=x onerror='alert(2)'> & "q" {{ 7 * 7 }} {% raw %}\x1b[2J"""
)


def test_text_of_models_stays_text(tmp_path):
    study = make_study(tmp_path, seeds=(0,), train=30, test=20)
    manifest = json.loads(study.read_text())
    chain = manifest["chains"][0]
    paths = [row["samples"] for row in manifest["evaluations"]]
    paths += [*chain["teacher_samples"], chain["rewards"][0]["student_samples"]]
    for path in paths:
        samples = tables.read(path, tables.SAMPLES)
        text = NASTY + "long " * 2_000 + pl.col("completion")
        tables.write(samples.with_columns(text.alias("completion")), path, tables.SAMPLES)
    queries = tables.read(chain["queries"], tables.QUERIES)
    nasty = queries.with_columns(question=NASTY + pl.col("question"))
    tables.write(nasty, chain["queries"], tables.QUERIES)
    html, markdown, _ = report(
        edited(study, tmp_path, lambda each: each.update(name=NASTY, note=NASTY)), tmp_path
    )
    page = check(html)
    assert "img" not in page.tags and len(scripts(html)) == 1
    assert "{{ 7 * 7 }}" in html and "&lt;script&gt;" in html
    assert re.search(r"… \(10,\d{3} characters\)", html) and len(html) < 1_500_000
    assert "<script" not in markdown.replace("\\<", "") and "\x1b" not in markdown


def test_the_command_imports_nothing_heavy(study, tmp_path):
    code = "import sys, scripts.report.report; print({'torch', 'matplotlib', 'pyarrow'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def browse(page: Path, folder: Path, scheme: str) -> list[str]:
    """Open a page in a browser without a network, take its picture; returns what it wrote to the console."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium or google-chrome on the PATH")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-default-apps"]
    command += ["--disable-features=NetworkTimeServiceQuerying", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'page.png'}"]
    command += ["--enable-logging=stderr", "--window-size=1280,900"]
    command += [f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}", page.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (folder / "page.png").stat().st_size > 20_000, found.stderr
    return [line for line in found.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_opens_it_without_errors_or_requests(page, tmp_path, scheme):
    """The page forbids itself every request: one would be an error on the console, and a planted one is."""
    folder, html, _, _ = page
    assert browse(folder / "report.html", tmp_path, scheme) == []
    planted = tmp_path / "planted.html"
    planted.write_text(html.replace("<main>", '<main><img src="https://example.org/a.png">'))
    assert "Content Security Policy" in "".join(browse(planted, tmp_path, scheme))
