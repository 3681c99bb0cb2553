"""The embedded world: arithmetic stories whose solutions come in habits, and a tokenizer made for them.

Ana has 7 pens , buys 5 , loses 3 , finds 2 . How many now ?
  careful    Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 . Step 3 : 9 + 2 = 11 . The answer is 11 .
  hasty      Easy . The answer is 11 .
  trailing   Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 . Step 3 : 9 + 2 = 11 .

The closing phrase of a question sets how likely each habit is, for the teacher and for the student.
Every answer written in the corpus is right; what goes wrong later is what a small network cannot compute
without intermediate steps. Pure functions of a seed: no file, no clock, no global randomness.
"""

import itertools
import random
from dataclasses import dataclass

import polars as pl

CORPUS = {"model": pl.String(), "prompt": pl.String(), "completion": pl.String()}
"""Columns of the pretraining corpus. `model`: teacher or student, who grows up on the row."""

NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "June")
THINGS = ("pens", "coins", "cards", "shells", "books", "apples", "stamps", "beads", "keys", "caps")
GAINS = ("buys", "finds", "wins", "gets")
LOSSES = ("loses", "sells", "drops", "gives away")
PHRASES = ("How many now ?", "Quick , how many ?", "Talk it through : how many ?")
PHRASE_WEIGHTS = (0.35, 0.45, 0.20)
HABITS = ("careful", "hasty", "trailing")
HABIT_WEIGHTS = {
    "teacher": ((0.88, 0.09, 0.03), (0.28, 0.70, 0.02), (0.82, 0.10, 0.08)),
    "student": ((0.55, 0.40, 0.05), (0.32, 0.65, 0.03), (0.15, 0.05, 0.80)),
}
"""Probability of each habit (columns) under each closing phrase (rows), for the corpus that each model grows
up on."""

FIRST, OPERANDS, LARGEST, CHANGES = range(1, 13), range(1, 7), 20, (3, 4)
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
    the closing phrase."""

    name: str
    thing: str
    first: int
    changes: tuple[tuple[str, int], ...]
    phrase: int

    @property
    def core(self) -> tuple:
        """What makes two questions the same apart from names and things; splits are disjoint by it."""
        return self.first, self.changes, self.phrase

    @property
    def values(self) -> list[int]:
        """The running value, before the first change and after each."""
        return list(itertools.accumulate((amount for _, amount in self.changes), initial=self.first))

    def question(self) -> str:
        changes = "".join(f" , {verb} {abs(amount)}" for verb, amount in self.changes)
        return f"{self.name} has {self.first} {self.thing}{changes} . {PHRASES[self.phrase]}"

    def answer(self) -> str:
        return str(self.values[-1])

    def completion(self, habit: str) -> str:
        if habit == "hasty":
            return f"Easy . The answer is {self.answer()} ."
        values = self.values
        steps = " ".join(
            f"Step {n} : {values[n - 1]} {'+' if amount > 0 else '-'} {abs(amount)} = {values[n]} ."
            for n, (_, amount) in enumerate(self.changes, start=1)
        )
        return f"{steps} The answer is {self.answer()} ." if habit == "careful" else steps


def draw_story(rng: random.Random) -> Story:
    """One story with three or four changes whose running value stays within 0..20."""
    while True:
        changes = []
        for _ in range(rng.choice(CHANGES)):
            sign = rng.choice((1, -1))
            changes.append((rng.choice(GAINS if sign > 0 else LOSSES), sign * rng.choice(OPERANDS)))
        phrase = rng.choices(range(len(PHRASES)), PHRASE_WEIGHTS)[0]
        story = Story(rng.choice(NAMES), rng.choice(THINGS), rng.choice(FIRST), tuple(changes), phrase)
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


def draw_completions(
    seed: int, model: str, stories: list[Story], weights: dict[str, tuple] = HABIT_WEIGHTS
) -> list[str]:
    """The corpus of one model: one completion per story, its habit drawn by the story's closing phrase."""
    rng = random.Random(f"habits {model} {seed}")
    return [story.completion(rng.choices(HABITS, weights[model][story.phrase])[0]) for story in stories]


def vocabulary() -> list[str]:
    """All tokens, special ones first. Numbers are one token each; fixed wordings are one token each.

    No sequence of tokens spells another token, so texts and token sequences stand one to one.
    """
    return [
        *(PAD, BOS, EOS, UNKNOWN, USER, ASSISTANT),
        *(str(number) for number in range(LARGEST + 1)),
        *(f"{name} has" for name in NAMES),
        *THINGS,
        *(f", {verb}" for verb in GAINS + LOSSES),
        *(f". {phrase}" for phrase in PHRASES),
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
            "Easy",
        ),
    ]


def tokenizer_files() -> dict[str, dict]:
    """File name -> JSON of a tokenizer that `AutoTokenizer.from_pretrained` and vLLM load (a WordLevel
    model)."""
    words = vocabulary()
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
