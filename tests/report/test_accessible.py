"""What axe-core finds in a browser, held by rules that need none: names, headings, landmarks, contrast."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scripts.lib.report.drawing import page as drawing
from scripts.lib.report.sections import sections
from scripts.lib.report.sections.headline import headline
from scripts.lib.report.study import read_study
from tests.support.report_fixture import make_study

SHEET = (Path(drawing.__file__).parent / "style.css").read_text(encoding="utf-8")
DARK = SHEET.index("@media (prefers-color-scheme: dark)")


class Outline(HTMLParser):
    """Every element as (tag, its attributes, the tags it stands in)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes), tuple(self.inside)))
        if tag not in ("meta", "link", "input"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        self.inside.pop()

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None], tuple[str, ...]]]:
        return [each for each in self.found if each[0] in tags]


@pytest.fixture(scope="module")
def outline(tmp_path_factory) -> Outline:
    settings = (("world", "large", "small"), ("world", "tiny", "small"))
    manifest = make_study(tmp_path_factory.mktemp("study"), (0,), 20, 30, settings)
    study = read_study(manifest)
    return Outline(drawing.html(study.name, study.note, headline(study), sections(study)))


def test_the_page_has_a_language_a_title_and_may_be_enlarged(outline):
    assert outline.all("html")[0][1]["lang"] == "en" and len(outline.all("title")) > 0
    (viewport,) = [each for _, each, _ in outline.all("meta") if each.get("name") == "viewport"]
    assert viewport["content"] == "width=device-width, initial-scale=1"


def test_headings_count_from_one_without_gaps(outline):
    levels = [int(tag[1]) for tag, _, _ in outline.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_landmarks_are_one_or_have_names_of_their_own(outline):
    assert len(outline.all("main")) == 1 and outline.all("nav")[0][1]["aria-label"]
    regions = [each for _, each, _ in outline.found if each.get("role") == "region"]
    names = Counter(each["aria-label"] for each in regions)
    assert names and max(names.values()) == 1, names.most_common(2)


def test_what_scrolls_takes_the_keyboard_and_every_field_has_a_name(outline):
    assert all(each.get("tabindex") == "0" for _, each, _ in outline.found if each.get("class") == "scroll")
    fields = outline.all("input", "select")
    assert len(fields) == 2 and all("label" in inside for _, _, inside in fields)
    assert [each for _, each, _ in outline.all("output") if each.get("aria-live") == "polite"]


def test_drawings_have_a_name_or_are_hidden(outline):
    for _, each, _ in outline.all("svg"):
        assert (each.get("role") == "img" and each.get("aria-label")) or each.get("aria-hidden") == "true"


def test_cells_of_heads_say_what_they_head(outline):
    heads = [each for _, each, inside in outline.all("th") if "scope" not in each]
    assert len(heads) == len([each for _, each, _ in outline.all("tr") if each.get("class") == "axis"])


def test_links_have_names_of_their_own_or_a_file_each(outline):
    assert all(each.get("href") for _, each, _ in outline.all("a"))


def colours(sheet: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", sheet))


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_by_at_least_four_and_a_half_lines_by_three(dark):
    """WCAG 2.2, 1.4.3 and 1.4.11."""
    light = colours(SHEET[:DARK])
    known = light | colours(SHEET[DARK : SHEET.index("* {")]) if dark else light
    for text in ("ink", "soft", "accent", "right", "wrong"):
        for ground in ("page", "raised"):
            assert contrast(known[text], known[ground]) >= 4.5, (text, ground)
    for line in ("ours", "teal", "ochre", "violet", "rose", "leaf", "grey"):
        assert contrast(known[line], known["page"]) >= 3, line
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
