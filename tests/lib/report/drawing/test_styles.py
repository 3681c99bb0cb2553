"""Lines differ without colour, and a variant looks the same everywhere."""

import re
from pathlib import Path

import pytest

from scripts.lib.report.drawing import styles
from scripts.lib.report.drawing.styles import MARKERS, marker, style_key, variant_styles

SHEET = (Path(styles.__file__).parent / "style.css").read_text(encoding="utf-8")


def test_each_style_has_a_colour_a_dash_and_a_marker_of_its_own():
    found = re.findall(r"^\.c-(\d) \{ --c: var\((--\w+)\);(?: --dash: ([\d. ]+);)? \}", SHEET, re.M)
    assert [int(number) for number, _, _ in found] == list(range(len(MARKERS))) == list(range(8))
    for column in (1, 2):
        assert len({each[column] for each in found}) == 8
    assert len(set(MARKERS)) == 8


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        (["ours", "sft"], ["c-0", "c-5"]),
        (["lambda_0", "ours"], ["c-1", "c-0"]),
        (["a", "b", "rlvr"], ["c-0", "c-2", "c-1"]),
    ],
)
def test_known_variants_keep_their_style_and_others_take_a_free_one(variants, expected):
    assert list(variant_styles(variants).values()) == expected


def test_styles_begin_again_after_the_last():
    found = variant_styles(["ours", *(f"v{index}" for index in range(9))])
    assert len(set(found.values())) == 8 and found["v7"] == found["v0"] != found["ours"]


def test_a_marker_stands_at_its_place_and_a_swatch_is_no_line():
    assert 'd="M3.0,4.0m-2.7,-2.7h5.4v5.4h-5.4z"' in marker(3, 4, "c-1")
    assert style_key("wrong") == "" and "line c-4" in style_key("c-4")
