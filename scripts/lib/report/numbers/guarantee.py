"""App. A measured: how wrong the pseudo-reward is, what it gained, and the gain that these two guarantee.

The theorem: J_r*(RL) - J_r*(SFT) >= Delta_p - 2 epsilon / (1 - gamma). A response is one action and ends its
query, so gamma is 0. r_p is the sigmoid of the reward (Eq. 7 makes it a probability of being right), r* is 1
where the answer is the gold and else 0; both are of the answers that validated the training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.lib.evaluation.choice import choice
from scripts.lib.report.read import Record


@dataclass(frozen=True)
class Guarantee:
    """One training: from its start (SFT) to the policy that was chosen (RL), shares in 0..1; `n` questions.

    `largest`: epsilon of Lemma A.1, the largest |r_p - r*| of both policies' answers; `before`, `after`: the
    mean of either's. `pseudo`: Delta_p; `gain`: what came, in true return.
    """

    n: int
    largest: float
    before: float
    after: float
    pseudo: float
    gain: float

    @property
    def bound(self) -> float:
        """The theorem's: of the largest error."""
        return self.pseudo - 2 * self.largest

    @property
    def mean_bound(self) -> float:
        """By mean errors: |J_r* - J_rp| of a policy is at most the mean |r_p - r*| of its answers."""
        return self.pseudo - self.before - self.after


def guarantee(records: Sequence[Record]) -> Guarantee | None:
    """What a policy's log says; None where no golds chose it, or it has no reward model."""
    chosen = choice(records, "validation_", "iteration")
    measured = {each["iteration"]: each for each in records if "validation_pseudo_reward" in each}
    if chosen is None or chosen.metric != "accuracy" or not {0, chosen.step} <= measured.keys():
        return None
    first, last = measured[0], measured[chosen.step]
    return Guarantee(
        n=int(last["validation_n"]),
        largest=max(each["validation_pseudo_error_max"] for each in (first, last)),
        before=first["validation_pseudo_error"],
        after=last["validation_pseudo_error"],
        pseudo=last["validation_pseudo_reward"] - first["validation_pseudo_reward"],
        gain=last["validation_accuracy"] - first["validation_accuracy"],
    )
