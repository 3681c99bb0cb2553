"""PPO on a script: real networks, tiny and in float64, ten queries, and a sampler that gives each its
response."""

from dataclasses import replace
from pathlib import Path

from tests.support.tiny import tiny_tokenizer

EOS, OTHER_END = 2, 3
"""The tokenizer's end token, and another one that ends a response (Llama 3 has three)."""
QUERIES = [
    # label, response, the token that ends it (None: cut off), the answer it states
    ("3", "The answer is 3 .", EOS, "3"),
    ("5", "The answer is 6 .", EOS, "6"),
    (None, "The answer is 8 .", OTHER_END, "8"),
    ("2", "Ana has", EOS, None),
    ("9", "The answer is 9 . Ana has", None, "9"),
    ("1", "Step 1 : The answer is 1", None, None),
    (None, "", EOS, None),
    ("4", "Step 4 : The answer is 7 .", OTHER_END, "7"),
    (None, "The answer is 2 . How many", None, "2"),
    ("5", "Step 2 : 2 + 4 = 6 . The answer is 6 .", EOS, "6"),
]


class Script:
    """A rollout: the response of each prompt, what it was asked, and the weights it was given. Asked `group`
    times in a row, a prompt also gets the responses of those after it."""

    def __init__(self, prompts: list[list[int]], responses: list[list[int]], group: int = 1):
        self._places = {tuple(prompt): place for place, prompt in enumerate(prompts)}
        self._responses, self._group = responses, group
        self.asked: list[tuple] = []
        self.synced: list[dict] = []

    def sync(self, named) -> None:
        self.synced.append({name: tensor.clone() for name, tensor in named})

    def __call__(self, prompts, seeds, temperature, max_tokens) -> list[list[int]]:
        self.asked.append((prompts, seeds, temperature, max_tokens))
        places = [self._places[tuple(prompt)] + at % self._group for at, prompt in enumerate(prompts)]
        return [self._responses[place % len(self._responses)] for place in places]


def write_networks(folder: Path) -> Path:
    """Save student/ and reward/, GPT-2s of 8 dimensions (it computes in its own dtype throughout), with the
    tiny tokenizer."""
    import torch
    from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel

    tokenizer = tiny_tokenizer(chat=False)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=8,
        n_layer=1,
        n_head=2,
        initializer_range=0.4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=EOS,
        num_labels=1,
    )
    torch.manual_seed(3)
    student, reward = GPT2LMHeadModel(config), GPT2ForSequenceClassification(config)
    student.generation_config.eos_token_id = [EOS, OTHER_END]
    for name, model in (("student", student), ("reward", reward)):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


def responses() -> list[list[int]]:
    """The responses' ids, end tokens included."""
    tokenizer = tiny_tokenizer(chat=False)
    return [
        tokenizer(text, add_special_tokens=False)["input_ids"] + [end] * (end is not None)
        for _, text, end, _ in QUERIES
    ]


def prompts() -> list[list[int]]:
    """The queries' ids, of different lengths."""
    tokenizer = tiny_tokenizer(chat=False)
    texts = [f"{'Bo ' * (n % 3)}has {n} pens . How many now ?" for n in range(len(QUERIES))]
    return [tokenizer(text)["input_ids"] for text in texts]


def context(folder: Path, settings, labels: list[str | None] | None = None, stop: tuple[str, ...] = ()):
    """The context that `train_ppo` builds from the networks of `folder`, in float64, its sampler scripted.

    `labels` replace those of QUERIES. For tests with the fixture `doubles`.
    """
    from accelerate import Accelerator
    from transformers import AutoTokenizer

    from scripts.lib.training.flags import Distillation, TrainingRun
    from scripts.lib.training.ppo.questions import Exam, Questions
    from scripts.lib.training.ppo.setup import build

    nowhere = Path("nowhere")
    run = TrainingRun(
        model=str(folder / "student"),
        queries=nowhere,
        prompt=nowhere,
        output=nowhere,
        identity=nowhere,
        metrics=nowhere,
        state=nowhere,
        seed=5,
    )
    data = Distillation(
        labels=nowhere,
        pairs=nowhere,
        task="numeric",
        validation=nowhere,
        reward_model="" if settings.without_reward_model else str(folder / "reward"),
        max_tokens=16,
    )
    asked = Questions(prompts(), [[] for _ in QUERIES], labels or [label for label, *_ in QUERIES])
    greedy = {"temperatures": [0.0] * len(QUERIES), "seeds": [0] * len(QUERIES)}
    exam = Exam(**vars(asked), **greedy, metric="accuracy", n=len(QUERIES))
    tokenizer = AutoTokenizer.from_pretrained(folder / "student")
    built = build(settings, run, data, asked, exam, tokenizer, Accelerator(cpu=True), stop)
    for network in (built.policy, built.value, built.reference, built.reward_model):
        if network is not None:
            network.double()
    return replace(built, rollout=Script(asked.prompts, responses(), settings.num_generations))
