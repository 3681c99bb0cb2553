"""How lines differ: a colour, a dash and a marker each, so that no one has to tell them by colour alone.

A style is a class of the page's style sheet, `c-0` to `c-7`, which holds colour and dash; the marker's shape
is drawn here.
"""

from collections.abc import Iterable

from markupsafe import Markup

from scripts.lib.report.drawing.svg import tag

MARKERS = (
    "m-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0z",  # a disc
    "m-2.7,-2.7h5.4v5.4h-5.4z",  # a square
    "m0,-3.6l3.4,6h-6.8z",  # a triangle
    "m0,-3.9l3.9,3.9l-3.9,3.9l-3.9,-3.9z",  # a diamond
    "m-1,-3.6h2v2.6h2.6v2h-2.6v2.6h-2v-2.6h-2.6v-2h2.6z",  # a plus
    "m0,3.6l3.4,-6h-6.8z",  # a triangle on its head
    "m-3.6,-3.6l3.6,2.6l3.6,-2.6l-2.6,3.6l2.6,3.6l-3.6,-2.6l-3.6,2.6l2.6,-3.6z",  # a star of four
    "m-3.6,-1.4h7.2v2.8h-7.2z",  # a bar
)
FIXED = {
    "ours": 0,
    "rlvr": 1,
    "wo_d": 2,
    "wo_r": 3,
    "dpo": 4,
    "sft": 5,
    "teacher": 6,
    "sft_matched": 7,
}
"""Variants that look the same in every figure."""


def style(index: int) -> str:
    """The class of the style of this number; after the last they begin again."""
    return f"c-{index % len(MARKERS)}"


def variant_styles(variants: Iterable[str]) -> dict[str, str]:
    """A class per variant: its own where it has one, the others the first that are free."""
    found = list(dict.fromkeys(variants))
    taken = {FIXED[each] for each in found if each in FIXED}
    free = [index for index in range(len(MARKERS)) if index not in taken] or list(range(len(MARKERS)))
    others = [each for each in found if each not in FIXED]
    own = {each: FIXED[each] for each in found if each in FIXED}
    own |= {each: free[place % len(free)] for place, each in enumerate(others)}
    return {each: style(own[each]) for each in found}


def marker(x: float, y: float, css: str, *children: str) -> Markup:
    """The marker of a style at a place of the drawing."""
    shape = MARKERS[_number(css) or 0]
    return tag("path", *children, d=f"M{x:.1f},{y:.1f}{shape}", class_=f"dot {css}")


def style_key(css: str) -> Markup:
    """A short line with its marker, for a legend; nothing where the class is no style of a line."""
    if _number(css) is None:
        return Markup("")
    line = tag("path", d="M1,6H33", class_=f"line {css}")
    box = {"viewBox": "0 0 34 12", "class_": "key", "aria_hidden": "true"}
    return tag("svg", line, marker(17, 6, css), **box)


def _number(css: str) -> int | None:
    number = css.removeprefix("c-")
    return int(number) if css.startswith("c-") and number.isdigit() else None
