"""Elements of a drawing as inline SVG, and the ticks of its axes."""

import math

from markupsafe import Markup, escape

from scripts.lib.report.drawing.text import MINUS


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """An SVG element; `_` in an attribute becomes `-`, numbers have two places, everything is escaped."""
    parts = [
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _short(value))
        for key, value in attributes.items()
        if value is not None
    ]
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup("").join(parts), inside)


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def ticks(low: float, high: float, about: int = 4, whole: bool = False) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten; `whole`: no fractions) that cover low to high."""
    if not high - low > 1e-12 * max(1.0, abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = [power * factor for factor in ((1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10))]
    step = next(step for step in steps if step >= rough * 0.999)
    step = max(step, 1.0) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, max(last, first + 1) + 1)]


def plain(value: float) -> str:
    """A number of a tick or tooltip: three significant digits at most, a comma per thousand, a true minus."""
    text = f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
    return text.replace("-", MINUS)


def percent_tick(value: float) -> str:
    """0.975 -> "97.5"."""
    return f"{100 * value:.1f}".removesuffix(".0").replace("-", MINUS)
