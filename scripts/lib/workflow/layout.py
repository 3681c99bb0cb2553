"""Where every artifact of a study lies: paths from names, shared by the rules and the report.

A path holds exactly what its content depends on, stage first, as key=value folders.
"""

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.config.models import Judge, Model, Pretraining
from scripts.lib.config.training import Trained
from scripts.lib.config.variants import NoTraining, Ppo, Repeated
from scripts.lib.config.whole import Config
from scripts.lib.settings.step import flag, values
from scripts.lib.tasks import is_judged

Row = dict
"""Names of a chain: dataset, teacher, student, variant, seed (those that matter to the question asked)."""

IMAGE = "/opt/redistill"
"""Where the environments lie in an image of envs/redistill.def."""
SHARD = re.compile(r"/shards/[0-9a-f]{8}/\d+-of-\d+\.json$")

SAMPLED = {"dataset": "dataset", "teacher": "teacher", "student": "student", "warmup": "variant"}
"""The blocks that shape what a step samples, by the wildcards that name them."""


def log_of(benchmark: Path) -> Path:
    """The log of the job that a benchmark file measures: the rules name both alike."""
    at = benchmark.parts.index("benchmarks")
    return Path(*benchmark.parts[:at], "logs", *benchmark.parts[at + 1 :]).with_suffix(".log")


def is_shard(path: str) -> bool:
    """Whether a file is the ledger of a shard."""
    return SHARD.search(path) is not None


@dataclass(frozen=True)
class ModelRef:
    """A model to load: a folder of ours (with the file that says what its weights are) or a hub id."""

    name: str
    revision: str | None = None
    identity: str | None = None

    @property
    def flags(self) -> str:
        """As command-line flags of a step."""
        revision = flag("revision", self.revision) if self.revision else []
        return shlex.join(flag("model", self.name) + revision)


@dataclass(frozen=True)
class Layout:
    """Paths of one config."""

    config: Config

    def data_seed(self, dataset: str, seed: int) -> int:
        """The seed of a data set's split and of its teacher's samples: shared, or the row's own."""
        fixed = self.config.datasets[dataset].seed
        return int(seed) if fixed == "row" else fixed

    def judged(self, dataset: str) -> bool:
        """Whether the teacher scores responses of a data set, instead of voting on an answer."""
        return is_judged(self.config.datasets[dataset].task)

    def best_score(self, dataset: str) -> int:
        """l*: the highest score of a response, 5 when judged and else 1."""
        return 5 if self.judged(dataset) else 1

    def queries(self, dataset: str, seed: int, file: str) -> str:
        """A split or its golds: train, train_golds, validation, validation_golds, test, test_golds."""
        cleaned = self.config.datasets[dataset].on_leak == "drop" and file in {"train", "validation"}
        stage = "leakage" if cleaned else "queries"
        return f"results/{stage}/dataset={dataset}/seed={self.data_seed(dataset, seed)}/{file}.parquet"

    def benchmark_seed(self, benchmark: str, seed: int) -> int:
        """The seed of a benchmark's questions; 0 for a file of its own."""
        dataset = self.config.benchmarks[benchmark].dataset
        return self.data_seed(dataset, seed) if dataset else 0

    def benchmark(self, benchmark: str, seed: int, golds: bool = False) -> str:
        """A benchmark's questions, or its golds."""
        block = self.config.benchmarks[benchmark]
        if block.dataset:
            return self.queries(block.dataset, seed, block.split + ("_golds" if golds else ""))
        return f"results/benchmarks/benchmark={benchmark}/{'golds' if golds else 'queries'}.parquet"

    def foreign_benchmarks(self, dataset: str, seed: int) -> list[str]:
        """The questions of the benchmarks from elsewhere that this data set's students answer."""
        return [self.benchmark(name, seed) for name in self._foreign(dataset)]

    def gates(self, dataset: str, seed: int) -> list[str]:
        """The reports of the leakage gate: one for the splits, one per benchmark from elsewhere."""
        folder = f"results/leakage/dataset={dataset}/seed={self.data_seed(dataset, seed)}"
        benchmarks = [f"{folder}/benchmark={name}/report.json" for name in self._foreign(dataset)]
        return [f"{folder}/report.json", *benchmarks]

    def _foreign(self, dataset: str) -> list[str]:
        return [
            name
            for name, block in self.config.benchmarks.items()
            if block.dataset is None and (not block.trained_on or dataset in block.trained_on)
        ]

    def model(self, block: Model, seed: int) -> ModelRef:
        """A teacher or base student, as configured."""
        if block.pretrained is None:
            return ModelRef(block.model or "imported", block.revision)
        made = self.config.models[block.pretrained]
        own = self.data_seed(made.dataset, seed) if isinstance(made, Pretraining) else seed
        return _folder(f"results/models/model={block.pretrained}/seed={own}")

    def chain(self, row: Row) -> str:
        """The data set and teacher of a row, as folders."""
        seed = self.data_seed(row["dataset"], row["seed"])
        return f"dataset={row['dataset']}/teacher={row['teacher']}/seed={seed}"

    def student_chain(self, row: Row) -> str:
        """The data set, teacher and student of a row, as folders."""
        return f"dataset={row['dataset']}/teacher={row['teacher']}/student={row['student']}"

    def teacher_samples(self, row: Row) -> list[str]:
        """One file per round; an imported teacher has one."""
        return self._rounds(row, "teacher_samples", "samples.parquet")

    def teacher_answers(self, row: Row) -> list[str]:
        """What those samples were read as, one file per round."""
        return self._rounds(row, "answers", "answers.parquet")

    def _rounds(self, row: Row, stage: str, file: str) -> list[str]:
        teacher = self.config.teachers[row["teacher"]]
        again = teacher.again and not teacher.samples and not self.judged(row["dataset"])
        rounds = [1, 2] if again else [1]
        return [f"results/{stage}/{self.chain(row)}/round={number}/{file}" for number in rounds]

    def voted_on(self, dataset: str) -> bool:
        """Whether the teacher votes on a data set's validation questions, to choose checkpoints by."""
        return self.config.datasets[dataset].chosen_by == "votes"

    def validation_samples(self, row: Row) -> list[str]:
        """The teacher's samples of the validation questions it votes on, one file per round."""
        return self._rounds(row, "validation_samples", "samples.parquet")

    def validation_answers(self, row: Row) -> list[str]:
        """What those samples were read as, one file per round."""
        return self._rounds(row, "validation_answers", "answers.parquet")

    def validation_labels(self, row: Row) -> str:
        """Pseudo-labels of the validation questions."""
        return f"results/validation_labels/{self.chain(row)}/labels.parquet"

    def shards(self, row: Row, count: int) -> list[str]:
        """Names of a sampling step's shards: `<settings>/<number>-of-<count>`, none where it is one job.

        `settings` stands for the config of what is sampled, so that a shard that was finished under another
        one does not count as done.
        """
        blocks = [getattr(self.config, f"{key}s")[row[name]] for name, key in SAMPLED.items() if name in row]
        shaping = [
            {key: value for key, value in values(block).items() if key not in Model.CUT} for block in blocks
        ]
        settings = hashlib.blake2b(json.dumps(shaping).encode(), digest_size=4).hexdigest()
        return [f"{settings}/{number}-of-{count}" for number in range(count)] if count > 1 else []

    def labels(self, row: Row) -> str:
        """Pseudo-labels."""
        return f"results/labels/{self.chain(row)}/labels.parquet"

    def labelled(self, row: Row) -> str:
        """The ids of the queries that have a label."""
        return f"results/labels/{self.chain(row)}/labelled.parquet"

    def teacher_grades(self, row: Row) -> str:
        """The teacher's own samples, graded."""
        return f"results/teacher_grades/{self.chain(row)}/grades.parquet"

    def learnt_samples(self, row: Row) -> list[str]:
        """The samples whose answers a variant is fine-tuned on: the teacher's, or a student's own."""
        if whose := getattr(self.config.variants[row["variant"]], "samples_of", None):
            return [self.student(row, whose, "student_samples", "samples.parquet")]
        return self.teacher_samples(row)

    def learnt_grades(self, row: Row) -> str | None:
        """What says which of those are right; None where all are learnt."""
        variant = self.config.variants[row["variant"]]
        if whose := getattr(variant, "samples_of", None):
            return self.student(row, whose, "student_grades", "grades.parquet")
        return self.teacher_grades(row) if getattr(variant, "needs_labels", True) else None

    def checkpoint(self, row: Row, variant: str) -> ModelRef:
        """The student of a variant: the base student, or a trained checkpoint."""
        if isinstance(self.config.variants[variant], NoTraining):
            return self.model(self.config.students[row["student"]], row["seed"])
        return _folder(f"results/checkpoints/{self.student_chain(row)}/variant={variant}/seed={row['seed']}")

    def student(self, row: Row, warmup: str, stage: str, file: str) -> str:
        """A file of the student that `warmup` gives; `stage`: student_samples, answers, student_grades or
        held_out_pairs."""
        return f"results/{stage}/{self.student_chain(row)}/warmup={warmup}/seed={row['seed']}/{file}"

    def reward(self, row: Row, reward: str, file: str, stage: str = "rewards") -> str:
        """A file of a reward model (`rewards`) or of its pairs (`pairs`)."""
        return f"results/{stage}/{self.student_chain(row)}/reward={reward}/seed={row['seed']}/{file}"

    def reward_model(self, row: Row, reward: str) -> ModelRef:
        """A trained reward model."""
        return _folder(self.reward(row, reward, "").rstrip("/"))

    def evaluated(self, row: Row, benchmark: str) -> str:
        """The folders of one evaluation: the teacher's and the base student's are shared by every chain."""
        variant = self.config.variants[row["variant"]]
        if not isinstance(variant, NoTraining):
            return (
                f"benchmark={benchmark}/{self.student_chain(row)}/variant={row['variant']}/seed={row['seed']}"
            )
        seed = self.benchmark_seed(benchmark, row["seed"])
        return f"benchmark={benchmark}/{variant.who}={row[variant.who]}/seed={seed}"

    def samples(self, row: Row, benchmark: str) -> str:
        """The completions of an evaluation; where one of several answers is taken, all of them."""
        variant = self.config.variants[row["variant"]]
        if isinstance(variant, Repeated):
            return self.repeated(row, benchmark, variant.samples_of, "samples.parquet")
        return f"results/eval_samples/{self.evaluated(row, benchmark)}/samples.parquet"

    def repeated(self, row: Row, benchmark: str, variant: str, file: str) -> str:
        """A file of the answers of which one is taken: those of the student of `variant`."""
        place = f"benchmark={benchmark}/{self.student_chain(row)}/variant={variant}/seed={row['seed']}"
        return f"results/repeated_samples/{place}/{file}"

    def repeated_rewards(self, row: Row, benchmark: str) -> str | None:
        """What the reward model that chooses among several answers says of each; None without one."""
        variant = self.config.variants[row["variant"]]
        if not isinstance(variant, Repeated) or variant.reward is None:
            return None
        place = f"variant={variant.samples_of}/reward={variant.reward}/seed={row['seed']}"
        chain = self.student_chain(row)
        return f"results/repeated_rewards/benchmark={benchmark}/{chain}/{place}/rewards.parquet"

    def training_metrics(self, row: Row) -> str | None:
        """The log of a variant's training, or None when it has none."""
        if not isinstance(self.config.variants[row["variant"]], Trained):
            return None
        folder = f"results/checkpoints/{self.student_chain(row)}/variant={row['variant']}/seed={row['seed']}"
        return f"{folder}/metrics.jsonl"

    def evaluations(self, row: Row, benchmarks: list[str]) -> list[str]:
        """The benchmarks that a row is evaluated on (`trained_on`); none if it stops at the reward."""
        if not self.config.variants[row["variant"]].evaluated:
            return []
        blocks = {name: self.config.benchmarks[name] for name in benchmarks}
        return [
            name
            for name, block in blocks.items()
            if not block.trained_on or row["dataset"] in block.trained_on
        ]

    def judge(self, row: Row) -> Judge | None:
        """How the teacher scores the responses of a variant's training; None where it does not."""
        variant = self.config.variants.get(row.get("variant", ""))
        if not isinstance(variant, Ppo) or not variant.training.asks_teacher:
            return None
        return variant.judge or self.config.teachers[row["teacher"]].judge

    def asked_within(self, row: Row) -> str:
        """What those judgements took."""
        stage = "candidates" if self.judged(row["dataset"]) else "checkpoints"
        place = f"{self.student_chain(row)}/variant={row['variant']}/seed={row['seed']}"
        return f"results/{stage}/{place}/ledger.json"

    def without_reward_model(self, variant: str) -> bool:
        """Whether a variant is trained under another reward: the label, or the teacher's judgement."""
        block = self.config.variants[variant]
        return isinstance(block, Trained) and block.training.without_reward_model


def _folder(path: str) -> ModelRef:
    return ModelRef(f"{path}/checkpoint", identity=f"{path}/identity.json")
