"""The embedded world: arithmetic stories whose solutions come in habits, and a tokenizer made for them.

Ana has 7 pens , buys 5 , loses 3 , finds 2 . How many now ?
  careful    Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 . Step 3 : 9 + 2 = 11 . The answer is 11 .
  hasty      Easy . The answer is 11 .
  trailing   Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 . Step 3 : 9 + 2 = 11 .
  rambling   the careful one , again and again after "Check :" , until it is cut off
  slipping   Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 . Step 3 : 9 - 2 = 7 . The answer is 7 .

How a question is put, its family, sets how likely each habit is, for teacher and student. What the
teacher grows up on is right, where it states an answer; what goes wrong later is what a small network cannot
compute without intermediate steps, and what the student has picked up. Where it also learns to judge, it is
shown solutions, right and wrong, and says yes or no. Pure functions of a seed: no file, no clock, no global
randomness.
"""

import itertools
import random
from dataclasses import dataclass, field, replace

import polars as pl

CORPUS = {"model": pl.String(), "prompt": pl.String(), "completion": pl.String()}
"""Columns of the pretraining corpus. `model`: teacher or student, who grows up on the row."""

NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "June")
THINGS = ("pens", "coins", "cards", "shells", "books", "apples", "stamps", "beads", "keys", "caps")
GAINS = ("buys", "finds", "wins", "gets")
LOSSES = ("loses", "sells", "drops", "gives away")


@dataclass(frozen=True)
class Family:
    """Questions that are put alike: their closing phrase, and their share among all questions.

    `teacher`, `student`: how likely each habit is in the corpus that the model grows up on. `openers`:
    the words that a habit begins with here, none where it has none.
    """

    phrase: str
    share: float
    teacher: dict[str, float]
    student: dict[str, float]
    openers: dict[str, str] = field(default_factory=lambda: {"hasty": "Easy"})


FAMILIES = (
    Family(
        "How many now ?",
        0.25,
        {"careful": 0.88, "hasty": 0.12},
        {"careful": 0.60, "hasty": 0.40},
    ),
    # Haste that the teacher can afford more often than the student.
    Family("Quick , how many ?", 0.30, {"careful": 0.15, "hasty": 0.85}, {"careful": 0.32, "hasty": 0.68}),
    # What the student learns from the teacher only: to mind the sign of the last step.
    Family(
        "Talk it through : how many ?",
        0.20,
        {"careful": 0.90, "hasty": 0.10},
        {"careful": 0.05, "hasty": 0.15, "slipping": 0.80},
    ),
    # The teacher seldom says what comes out, so no vote gives a label. Each habit begins with a word that no
    # other family knows: what a policy learns there about first words says nothing here.
    Family(
        "Show your work : how many ?",
        0.25,
        {"careful": 0.12, "hasty": 0.13, "trailing": 0.75},
        {"careful": 0.08, "hasty": 0.30, "trailing": 0.55, "rambling": 0.07},
        {
            "careful": "Well ,",
            "hasty": "Surely",
            "trailing": "Look ,",
            "rambling": "Well ,",
            "slipping": "Well ,",
        },
    ),
)
HABITS = ("careful", "hasty", "trailing", "rambling", "slipping")

FAILS = {"careful": 0.1, "hasty": 0.6, "rambling": 0.1}
"""How likely a habit's solution is miscalculated where the teacher learns to judge: as students do."""
RESPONSE, RIGHT, YES, NO = "Response :", "Right ?", "yes", "no"
"""What a judge is asked in (config/prompts/world_judge.jinja), and says."""

FIRST, OPERANDS, LARGEST, CHANGES = range(1, 13), range(1, 7), 20, (3, 4)
OFF = (-3, -2, -1, 1, 2, 3)
"""By how much a miscalculated result is off."""
TIMES = 3
"""How often a rambling solution is written."""
BOS, EOS, PAD, UNKNOWN, USER, ASSISTANT = (
    "<|begin|>",
    "<|end|>",
    "<|pad|>",
    "<|unknown|>",
    "<|user|>",
    "<|assistant|>",
)
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@dataclass(frozen=True)
class Story:
    """A question as a value: who, what, the first number, the changes as (verb, signed amount),
    its family's number; and of one who miscalculates, at which change (from 0), and by how much."""

    name: str
    thing: str
    first: int
    changes: tuple[tuple[str, int], ...]
    family: int
    off: tuple[int, int] = (0, 0)

    @property
    def core(self) -> tuple:
        """What makes two questions the same apart from names and things; splits are disjoint by it."""
        return self.first, self.changes, self.family

    @property
    def values(self) -> list[int]:
        """The running value, before the first change and after each."""
        amounts = [amount for _, amount in self.changes]
        amounts[self.off[0]] += self.off[1]
        return list(itertools.accumulate(amounts, initial=self.first))

    def question(self) -> str:
        changes = "".join(f" , {verb} {abs(amount)}" for verb, amount in self.changes)
        return f"{self.name} has {self.first} {self.thing}{changes} . {FAMILIES[self.family].phrase}"

    def answer(self) -> str:
        return str(self.values[-1])

    def completion(self, habit: str) -> str:
        opener = FAMILIES[self.family].openers.get(habit, "")
        return f"{opener} {self._body(habit)}".lstrip()

    def _body(self, habit: str) -> str:
        stated = f"The answer is {self.answer()} ."
        if habit == "hasty":
            return f". {stated}"
        if habit == "slipping":
            return self.slipped()._body("careful")
        values = self.values
        steps = " ".join(
            f"Step {n} : {values[n - 1]} {'+' if amount > 0 else '-'} {abs(amount)} = {values[n]} ."
            for n, (_, amount) in enumerate(self.changes, start=1)
        )
        if habit == "trailing":
            return steps
        return " Check : ".join([f"{steps} {stated}"] * (TIMES if habit == "rambling" else 1))

    def slipped(self) -> "Story":
        """The same words with the last change taken the other way round, unless that leaves 0..20."""
        verb, amount = self.changes[-1]
        other = replace(self, changes=(*self.changes[:-1], (verb, -amount)))
        return other if 0 <= other.values[-1] <= LARGEST else self

    def miscalculated(self, rng: random.Random) -> "Story":
        """The same words, the result of one change off by up to 3 and carried on; values stay in 0..20."""
        while True:
            other = replace(self, off=(rng.randrange(len(self.changes)), rng.choice(OFF)))
            if all(0 <= value <= LARGEST for value in other.values):
                return other

    def judged(self, response: str) -> str:
        """What a judge of a response is shown."""
        return f"{self.question()} {RESPONSE} {response} {RIGHT}"


def draw_story(rng: random.Random) -> Story:
    """One story with three or four changes whose running value stays within 0..20."""
    while True:
        changes = []
        for _ in range(rng.choice(CHANGES)):
            sign = rng.choice((1, -1))
            changes.append((rng.choice(GAINS if sign > 0 else LOSSES), sign * rng.choice(OPERANDS)))
        family = rng.choices(range(len(FAMILIES)), [each.share for each in FAMILIES])[0]
        story = Story(rng.choice(NAMES), rng.choice(THINGS), rng.choice(FIRST), tuple(changes), family)
        if all(0 <= value <= LARGEST for value in story.values):
            return story


def draw_splits(seed: int, sizes: dict[str, int]) -> dict[str, list[Story]]:
    """Stories of each split, no two with the same core, neither within a split nor across splits."""
    rng = random.Random(f"stories {seed}")
    seen: set[tuple] = set()
    splits: dict[str, list[Story]] = {}
    for split, size in sizes.items():
        splits[split] = []
        while len(splits[split]) < size:
            story = draw_story(rng)
            if story.core not in seen:
                seen.add(story.core)
                splits[split].append(story)
    return splits


def draw_completions(seed: int, model: str, stories: list[Story]) -> list[str]:
    """The corpus of one model: one completion per story, its habit drawn by the story's family."""
    rng = random.Random(f"habits {model} {seed}")
    weights = [getattr(family, model) for family in FAMILIES]
    drawn = (rng.choices(*zip(*weights[story.family].items(), strict=True))[0] for story in stories)
    return [story.completion(habit) for story, habit in zip(stories, drawn, strict=True)]


def draw_judgements(seed: int, stories: list[Story]) -> list[tuple[str, str]]:
    """What a judge is shown and says: a response per story, in any of its family's habits alike often. Yes is
    for one that states the right answer."""
    rng = random.Random(f"judgements {seed}")
    drawn = []
    for story in stories:
        habit = rng.choice(list(FAMILIES[story.family].student))
        solved = story.miscalculated(rng) if rng.random() < FAILS.get(habit, 0) else story
        response = solved.completion(habit)
        if habit == "rambling":  # it is cut off somewhere: here after a step
            once, again, _ = response.split(" Check : ")
            response = f"{once} Check : {again.split(' . ')[0]} ."
        states = (solved.slipped() if habit == "slipping" else solved).answer()
        verdict = YES if states == story.answer() and habit != "trailing" else NO
        drawn.append((story.judged(response), verdict))
    return drawn


def vocabulary(judgements: bool = False) -> list[str]:
    """All tokens, special ones first, those of `judgements` last. Numbers are one token each; fixed wordings
    are one token each.

    No sequence of tokens spells another token, so texts and token sequences stand one to one.
    """
    return [
        *(PAD, BOS, EOS, UNKNOWN, USER, ASSISTANT),
        *(str(number) for number in range(LARGEST + 1)),
        *(f"{name} has" for name in NAMES),
        *THINGS,
        *(f", {verb}" for verb in GAINS + LOSSES),
        *(f". {family.phrase}" for family in FAMILIES),
        *(
            "+",
            "-",
            "=",
            ".",
            "Step 1 :",
            ". Step 2 :",
            ". Step 3 :",
            ". Step 4 :",
            ". The answer is",
            ". Check :",
        ),
        *sorted({opener for family in FAMILIES for opener in family.openers.values()}),
        *((RESPONSE, RIGHT, YES, NO) if judgements else ()),
    ]


def tokenizer_files(judgements: bool = False) -> dict[str, dict]:
    """File name -> JSON of a tokenizer that `AutoTokenizer.from_pretrained` and vLLM load (a WordLevel
    model)."""
    words = vocabulary(judgements)
    special = [PAD, BOS, EOS, UNKNOWN, USER, ASSISTANT]
    escape = str.maketrans({mark: "\\" + mark for mark in ".?+-=|"})
    phrases = sorted((word for word in words if " " in word), key=len, reverse=True)
    pattern = "|".join([*(word.translate(escape) for word in phrases), "[^ ]+"])
    added = [
        {"id": words.index(token), "content": token, "special": True}
        | {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for token in special
    ]
    return {
        "tokenizer.json": {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": pattern},
                "behavior": "Removed",
                "invert": True,
            },
            "post_processor": None,
            "decoder": None,
            "model": {
                "type": "WordLevel",
                "vocab": {word: index for index, word in enumerate(words)},
                "unk_token": UNKNOWN,
            },
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": BOS,
            "eos_token": EOS,
            "pad_token": PAD,
            "unk_token": UNKNOWN,
            "additional_special_tokens": [USER, ASSISTANT],
            "clean_up_tokenization_spaces": False,
            "model_max_length": 128,
            "padding_side": "left",
            "chat_template": CHAT_TEMPLATE,
        },
    }
