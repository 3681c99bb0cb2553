"""The networks of PPO, their inputs, and how they are spread over devices.

The policy and the value network are two modules, not one: separate learning rates, clips and warm-up,
and only one network's activations alive at a time. Rows are right-padded and carry no attention mask:
under a causal mask a real token never sees what is to its right, and attention takes its fast causal path.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from scripts.lib.errors import UserError
from scripts.lib.models.loading import PADDING, unreadable, without_padding_token

MAX_LOGITS = 1 << 26
"""Logits held at a time (0.25 GiB in fp32); beyond it they are made in parts, and again in the backward
pass."""


@dataclass(frozen=True)
class Episodes:
    """N prompts with their responses. `ids` [N, T]: prompt, response, padding; lengths [N] in tokens, on the
    CPU.

    `mask` [N, R]: real response tokens. `reads` [N, T]: the positions whose hidden state precedes a response
    token; it predicts that token and is where its value is read.
    """

    ids: Tensor
    mask: Tensor
    reads: Tensor
    lengths: list[int]
    response_lengths: list[int]

    @classmethod
    def of(cls, prompts: Sequence[list[int]], responses: Sequence[list[int]], device) -> "Episodes":
        """Pad token lists; every response has at least one token."""
        rows = [prompt + response for prompt, response in zip(prompts, responses, strict=True)]
        lengths, counts = [len(row) for row in rows], [len(response) for response in responses]
        width = max(lengths)
        ids = torch.tensor([row + [PADDING] * (width - len(row)) for row in rows])
        position, end, count = (
            torch.arange(width),
            torch.tensor(lengths)[:, None],
            torch.tensor(counts)[:, None],
        )
        reads = (position >= end - count - 1) & (position < end - 1)
        mask = torch.arange(max(counts)) < count
        return cls(ids.to(device), mask.to(device), reads.to(device), lengths, counts)

    def batch(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """`ids` and `reads` of some rows, cut at the longest of them."""
        width = max(self.lengths[row] for row in rows)
        return self.ids[rows, :width], self.reads[rows, :width]


def micro_batches(lengths: Sequence[int], rows: Sequence[int], budget: int, world: int) -> list[list[int]]:
    """Cut rows into groups, longest first, so that a process's share of a group is at most `budget` padded
    tokens.

    Every group holds a multiple of `world` rows (a lone row may exceed the budget), so that all processes
    make equally many passes; process r takes group[r::world].
    """
    rows = sorted(rows, key=lambda row: (-lengths[row], row))
    groups, start = [], 0
    while start < len(rows):
        size = max(1, budget // lengths[rows[start]]) * world
        groups.append(rows[start : start + size])
        start += size
    return groups


class Policy(nn.Module):
    """log pi(a_t | a_<t, q) of the chosen tokens, at the sampling temperature, without ever holding all
    logits."""

    def __init__(self, model, temperature: float):
        super().__init__()
        config = model.config.get_text_config()
        for name in ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier"):
            if getattr(config, name, None) is not None:
                raise UserError(
                    f"{config.model_type} models rescale their logits ({name}), which PPO does not know"
                )
        self.model, self.temperature = model, temperature

    def _project(self, hidden: Tensor, targets: Tensor, entropy: bool) -> tuple[Tensor, Tensor]:
        logits = self.model.get_output_embeddings()(hidden).float() / self.temperature
        log_normaliser = logits.logsumexp(-1)
        log_probs = logits.gather(-1, targets[:, None]).squeeze(-1) - log_normaliser
        return log_probs, log_normaliser - (logits.softmax(-1) * logits).sum(-1) if entropy else log_probs

    def forward(self, ids: Tensor, reads: Tensor, entropy: bool = False) -> tuple[Tensor, Tensor]:
        """ids, reads [b, T] -> log-probabilities [n] fp32 of the tokens after `reads`, row by row;
        and entropies [n].

        Without `entropy` (it costs a softmax) the second is the first.
        """
        hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state[reads]
        targets = ids[reads.roll(1, dims=1)]
        size = max(1, MAX_LOGITS // self.model.config.get_text_config().vocab_size)
        if len(targets) <= size:
            return self._project(hidden, targets, entropy)
        parts = [
            checkpoint(self._project, part, target, entropy, use_reentrant=False)
            for part, target in zip(hidden.split(size), targets.split(size), strict=True)
        ]
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))


class Scorer(nn.Module):
    """A scalar head read at chosen positions: the value network, and the reward model (read at the last
    token)."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, reads: Tensor) -> Tensor:
        """ids, reads [b, T] -> scores [n] fp32, row by row."""
        hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state[reads]
        return self.model.score(hidden).float().sum(-1)  # of one column: FSDP2 must not be given a view


def load(kind: str, path: str, dtype: torch.dtype, **options):
    """A transformers model of `kind` "policy" or "reward", dropout off. Raises UserError when it cannot be
    one."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    auto = AutoModelForCausalLM if kind == "policy" else AutoModelForSequenceClassification
    try:
        model = auto.from_pretrained(
            path, dtype=dtype, use_safetensors=True, trust_remote_code=False, **options
        )
    except unreadable() as error:
        raise UserError(f"cannot load the {kind} model {path}: {error}") from None
    if kind == "reward" and (model.config.num_labels != 1 or not hasattr(model, "score")):
        raise UserError(
            f"{path} is no reward model: it needs one label and a `score` head, as train_reward writes"
        )
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0
    return without_padding_token(model).eval()


def load_value_model(policy_path: str, revision: str | None, reward_path: str, dtype: torch.dtype):
    """The value network's start: the reward model, trunk and head; without one the policy's trunk and a head
    of zeros."""
    if reward_path:
        return load("reward", reward_path, dtype)
    model = load("reward", policy_path, dtype, revision=revision, num_labels=1)
    nn.init.zeros_(model.score.weight)
    return model


def spread(accelerator: Accelerator, network: nn.Module, fsdp: bool) -> nn.Module:
    """Ready a trained network for one process, several (DDP, through accelerate) or, with `fsdp`, in shards
    (FSDP2).

    FSDP2 is torch's own `fully_shard`, decoder layer by layer: accelerate would take a single module only.
    """
    network.to(accelerator.device)
    if not fsdp:
        return accelerator.prepare_model(network)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    half = torch.bfloat16 if accelerator.mixed_precision == "bf16" else None
    options = {
        "mesh": init_device_mesh(accelerator.device.type, (accelerator.num_processes,)),
        "mp_policy": MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32 if half else None),
    }
    for layer in network.model.base_model.layers:
        fully_shard(layer, **options)
    return fully_shard(network, **options)


def gradient_sync(accelerator: Accelerator, network: nn.Module, last: bool) -> AbstractContextManager:
    """Within it gradients only add up; with `last` they are averaged over the processes."""
    if hasattr(network, "set_requires_gradient_sync"):
        network.set_requires_gradient_sync(last)
        return nullcontext()
    return nullcontext() if last else accelerator.no_sync(network)


def whole(tensor: Tensor) -> Tensor:
    """A parameter or optimizer tensor gathered from its shards; collective under FSDP2, else the tensor
    itself."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def unwrapped(network: nn.Module) -> nn.Module:
    """The `Policy` or `Scorer` inside DDP's wrapper; FSDP2 has none."""
    return getattr(network, "module", network)


def weights(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The names transformers knows and the whole tensors of a spread network's model."""
    model = unwrapped(network).model
    return ((name, whole(parameter.detach())) for name, parameter in model.named_parameters())


def per_token(
    accelerator: Accelerator,
    episodes: Episodes,
    groups: list[list[int]],
    passes: Callable[[Tensor, Tensor], tuple],
) -> list[Tensor]:
    """Run a forward pass over all episodes, each process its rows, and give every process all results,
    each [N, R].

    `passes(ids, reads)` returns some tensors [n]. No gradients; 0 at padding.
    """
    tables: list[Tensor] = []
    for group in groups:
        rows = group[accelerator.process_index :: accelerator.num_processes]
        with torch.no_grad(), accelerator.autocast():
            results = passes(*episodes.batch(rows))
        tables = tables or [torch.zeros(episodes.mask.shape, device=accelerator.device) for _ in results]
        mask = episodes.mask[rows]
        for table, result in zip(tables, results, strict=True):
            table[rows] = torch.zeros(mask.shape, device=table.device).masked_scatter(mask, result)
    return [accelerator.reduce(table, "sum") for table in tables]


def at_last_tokens(sequences: Sequence[list[int]], device) -> tuple[Tensor, Tensor]:
    """Token lists as `ids` [b, T], padded, and `reads` [b, T], true at each one's last token."""
    width = max(map(len, sequences))
    ids = torch.tensor([each + [PADDING] * (width - len(each)) for each in sequences])
    reads = torch.arange(width) == torch.tensor([len(each) - 1 for each in sequences])[:, None]
    return ids.to(device), reads.to(device)


def last_token_scores(
    accelerator: Accelerator, scorer: nn.Module, sequences: Sequence[list[int]], budget: int
) -> list[float]:
    """The reward model's score of each token list, read at its last token; each process computes its
    share."""
    scores = torch.zeros(len(sequences), device=accelerator.device)
    lengths = [len(sequence) for sequence in sequences]
    mine = range(accelerator.process_index, len(sequences), accelerator.num_processes)
    for rows in micro_batches(lengths, mine, budget, 1):
        batch = at_last_tokens([sequences[row] for row in rows], scores.device)
        with torch.no_grad(), accelerator.autocast():
            scores[rows] = scorer(*batch)
    return accelerator.reduce(scores, "sum").tolist()
