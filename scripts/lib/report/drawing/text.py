"""Numbers as the page writes them; None is an en dash."""

from scripts.lib.process.progress import duration

NARROW = "\u202f"
MINUS = "\u2212"


def percent(share: float | None, digits: int = 1) -> str:
    """0.9394 -> "93.9"; None -> an en dash."""
    return "–" if share is None else f"{100 * share:.{digits}f}".replace("-", MINUS)


def percentage(share: float | None) -> str:
    """0.9394 -> "93.9 %", which no line break parts."""
    return f"{percent(share)}{NARROW}%"


def points(difference: float | None) -> str:
    """0.2331 -> "+23.3" (percentage points)."""
    if difference is None:
        return "–"
    text = f"{100 * difference:+.1f}"
    return text.replace("+", "±") if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def interval(low: float | None, high: float | None, signed: bool = False) -> str:
    """The two ends of a 95 % interval in percent, "92.6 to 95.1"."""
    if low is None or high is None:
        return ""
    each = points if signed else percent
    return f"{each(low)} to {each(high)}"


def count(number: float | None) -> str:
    """12345 -> "12,345"; None -> an en dash."""
    return "–" if number is None else f"{number:,.0f}"


def probability(p: float | None) -> str:
    """A p-value to three places, "< .001" below."""
    if p is None:
        return "–"
    return "< .001" if p < 0.001 else f"{min(p, 1.0):.3f}".removeprefix("0")


def seconds(total: float | None) -> str:
    """75.2 -> "1 min 15 s", which no line break parts; None -> an en dash."""
    return "–" if total is None else duration(total).replace(" ", NARROW)
