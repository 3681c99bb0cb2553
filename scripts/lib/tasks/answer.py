"""What reading a response yields."""

from typing import NamedTuple


class Answer(NamedTuple):
    """An answer as it was stated.

    value: canonical text, None unless `status` is "ok"; two answers are the same exactly when their values are equal.
    status: ok; none (nothing was stated); ambiguous (something was stated that is not one answer: a range, a list, an
    unfinished expression, an option that does not exist); truncated (the response was cut off before it stated one).
    span: where in the response the statement stands, as character offsets; None when there is none.
    """

    value: str | None
    status: str
    span: tuple[int, int] | None = None
