"""How a teacher's samples become labels and scores: blocks of the config, and flags of the steps."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

Voters = Literal["last_round", "all_rounds"]
Whose = Literal["both", "teacher", "student"]
Combination = Literal["mean", "vote"]


@dataclass(frozen=True, kw_only=True)
class Vote(StepSettings):
    """How samples become a pseudo-label (Eq. 1)."""

    m: Annotated[int, Gt(0), Source("App. C")] = 10
    """Voters per query, spread over the temperatures, one of them at 0; a missing sample counts as an
    abstention."""
    threshold: Annotated[float, Gt(0), Le(1), Source("App. C")] = 0.7
    """sh: smallest share of the m votes that gives a label."""
    voters: Annotated[Voters, Source("silent")] = "last_round"
    """Which samples may vote: those of a query's last round, or all; a greedy completion once."""
    by: Annotated[Literal["votes", "golds"], Source("Eq. 1")] = "votes"
    """What the label is: the votes' winner, or the reference answer of every query: a ceiling, which no
    method without golds reaches."""
    noise: Annotated[float, Ge(0), Lt(1), Source("ours: none")] = 0.0
    """Share of the labels that are replaced by another answer to the query, by its hash."""


@dataclass(frozen=True, kw_only=True)
class Judging(StepSettings):
    """How responses are judged (Figure 6)."""

    n: Annotated[int, Gt(0), Source("silent")] = 1
    """Judgements per response."""
    temperature: Annotated[float, Ge(0), Source("silent")] = 0.0
    """Of the judgements; those asked again are drawn at 0.7 or above."""
    max_tokens: Annotated[int, Gt(0), Source("silent")] = 256
    """Longest judgement, in tokens."""
    verdict: Annotated[Literal["written", "token"], Source("Figure 6")] = "written"
    """written: a text with a line that states the score; token: one token, a digit from 0 to 5, or yes (5) or
    no (0), whichever the prompt asks for. The score is then what is expected by the probabilities of these,
    where engine or server tells them, else that of the token."""
    retries: Annotated[int, Ge(0), Source("silent")] = 2
    """Times a response without a readable score is judged again."""

    @property
    def longest(self) -> int:
        """Tokens of a judgement, at most."""
        return 1 if self.verdict == "token" else self.max_tokens


@dataclass(frozen=True, kw_only=True)
class Pairing(StepSettings):
    """Preference pairs (Eq. 5, 6).

    Caps take pairs by a hash, each alike. Where a share t of the pairs are T+ over S+, both sides right,
    (1 + t) / 2 of the answers of Eq. 7 are right.
    """

    answers: Annotated[Whose, Source("Eq. 5")] = "both"
    """Whose: both (Eq. 5), or one model's own right over wrong (Table 6's ORM-T, ORM-S)."""
    max_student_pairs: Annotated[int, Ge(0), Source("silent: so that queries weigh the same")] = 6
    """S over S pairs (of ORM-T, T over T) per query; 0: all."""
    max_teacher_pairs: Annotated[int, Ge(0), Source("silent: so that queries weigh the same")] = 4
    """T+ over S+ pairs per query; 0: all."""
    teacher_ratio: Annotated[float | None, Ge(0)] = None
    """Teacher pairs for one student pair (App. E.2) among the training pairs, whose number is the same for
    every ratio; null: as they come."""
    test_fraction: Annotated[float, Gt(0), Lt(1), Source("silent: as App. C.1's of the questions")] = 0.1
    """Share of the queries whose pairs no reward learns: what Table 9 is measured on, one set for all rewards
    after one warm-up."""
    validation_fraction: Annotated[float, Ge(0), Lt(1), Source("silent: as App. C.1's of the questions")] = (
        0.1
    )
    """Share of the other queries whose pairs choose the checkpoint."""

    @property
    def caps(self) -> dict[str, int]:
        """Most pairs of each kind per query; 0: all."""
        return {"teacher_student": self.max_teacher_pairs, "student_student": self.max_student_pairs}

    def agree(self) -> None:
        """Raise UserError for a ratio of pairs that are not made."""
        if self.answers != "both" and self.teacher_ratio is not None:
            raise UserError(
                f"teacher_ratio thins T+ over S+ pairs, which answers {self.answers} has none of; drop it"
            )
