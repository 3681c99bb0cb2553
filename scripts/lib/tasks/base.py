"""What a task family is: how an answer is read out of a response, and when it is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from scripts.lib.models.thoughts import split_thought
from scripts.lib.tasks.filters import Harness

if TYPE_CHECKING:
    import polars as pl


class Answer(NamedTuple):
    """An answer as it was stated.

    value: canonical text, None unless `status` is "ok".
    status: ok; none (nothing was stated); ambiguous (something was stated that is not one answer:
        a range, a list, an
    unfinished expression, an option that does not exist); truncated
    (the response was cut off before it stated one).
    span: where in the response the statement stands, as character offsets; None when there is none.
    """

    value: str | None
    status: str
    span: tuple[int, int] | None = None


class Reader(Protocol):
    """Reads the answer that a response states.

    `options`: the texts of a multiple-choice question, in order; `finish_reason`:
    why generation ended ("length" and "content_filter" mean that the response was cut off).
    """

    def __call__(self, text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer: ...


def of_reply(read: Reader) -> Reader:
    """A reader of replies as one of whole responses: what a model thought before its reply is no answer."""

    def reader(text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
        parts = split_thought(text)
        answer = read(parts.reply, options, finish_reason)
        if not answer.span or not parts.start:
            return answer
        return answer._replace(span=(answer.span[0] + parts.start, answer.span[1] + parts.start))

    return reader


@dataclass(frozen=True)
class Task:
    """A family of questions whose answers have one form.

    name: what the config calls it.
    read: reads the answer of a response, of its reply where it begins with a thought (`of_reply`).
    gold: the canonical value of a reference answer, as data sets write it.
        Raises UserError when it is no answer.
    check: raises UserError for a canonical reference answer that no response to a question with these options
        could state.
    same: whether two canonical values are the same answer, where equal texts are not all there is to it;
        it need not
    hold for equal ones.
    is_close: whether a canonical value that is not the reference's is right all the same,
        given the reference as the
    data set writes it. For scoring alone: votes and pseudo-labels know no tolerance.
    common: adds the column `answer` to a table (tail: the last characters of a response that holds neither a
        thought nor a program, whole: whether nothing is missing at its end, options): the answers of
        responses in the commonest forms, exactly as `read` gives them, in bulk; null for all others.
    judged: whether the teacher scores responses, because there is no answer to vote on.
    harness: how lm-evaluation-harness extracts and compares, where it has such a task.
    apart: metric -> the group of questions that this accuracy leaves out.
    """

    name: str
    read: Reader
    gold: Callable[[str], str]
    check: Callable[[str, Sequence[str]], None] | None = None
    same: Callable[[str, str], bool] | None = None
    is_close: Callable[[str, str], bool] | None = None
    common: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    judged: bool = False
    harness: Harness | None = None
    apart: Mapping[str, str] = field(default_factory=dict)
