"""Sampling from a causal language model: a small loop over its forward pass, with randomness that belongs to
each row.

Token t of a row is drawn by inverse transform with u = hash(seed, t), so a completion depends on its prompt,
its seed and its temperature alone: not on the batch, the order, or what was drawn before.
(Rounding still differs in the last bit with a batch's shape, so a draw that falls on such a bit may go either
way when the batches are cut differently; the same call gives the same tokens.)
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from scripts.lib.data.hashing import GOLDEN, scramble
from scripts.lib.errors import UserError
from scripts.lib.models.endings import STOP_EVERY
from scripts.lib.models.loading import PADDING
from scripts.lib.models.truncation import Truncation
from scripts.lib.process.memory import free_memory, out_of_memory

StopTest = Callable[[list[list[int]]], list[bool]]
_COMPACT_AT = 0.75
_SHARED = 16
"""Tokens that a batch's prompts have to begin with alike to be worth a pass of their own."""


@dataclass
class Batch:
    """How many rows run side by side. Memory that runs out halves it, for good: keep one for all calls."""

    size: int = 512


@torch.inference_mode()
def generate(
    model,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    *,
    temperature: float | Sequence[float],
    max_tokens: int,
    eos_token_id: int | Sequence[int],
    batch: Batch | None = None,
    truncation: Truncation = Truncation(),  # noqa: B008
    stop: StopTest | None = None,
) -> list[list[int]]:
    """One completion per row, as token ids: up to `max_tokens`, ending with the end token where one was
    produced.

    `seeds` are any integers (their lower 64 bits count); `temperature` is one for all or one per row,
    0 meaning argmax. Equal prompts run once, and so does what all prompts of a batch begin with (examples, a
    system turn). Prompts of one length run together without padding where they fill at least a quarter of a
    batch; the rest is padded on the left in batches sorted by length. `stop` is asked every `STOP_EVERY`
    tokens which of the unfinished rows (their ids so far) have said enough; it saves time, it cuts nothing.
    Raises UserError when a single row does not fit into memory.
    """
    count = len(prompts)
    temperatures = [temperature] * count if isinstance(temperature, int | float) else list(temperature)
    if not len(seeds) == len(temperatures) == count:
        raise ValueError("prompts, seeds and temperatures differ in length")
    if not all(prompts):
        raise ValueError("a prompt has no tokens")
    ends = torch.tensor(sorted({eos_token_id} if isinstance(eos_token_id, int) else set(eos_token_id)))
    order = sorted(range(count), key=lambda i: (len(prompts[i]), prompts[i], temperatures[i], seeds[i]))
    completions: list[list[int]] = [[]] * count
    batch = batch or Batch()
    training = model.training
    model.eval()
    try:
        waiting = list(_batches(order, [len(prompt) for prompt in prompts], batch.size))[::-1]
        while waiting:
            rows = waiting.pop()
            if len(rows) > batch.size:
                waiting += [rows[batch.size :], rows[: batch.size]]
                continue
            try:
                tokens = _sample(
                    model,
                    [prompts[i] for i in rows],
                    uniforms([seeds[i] for i in rows], max_tokens),
                    torch.tensor([temperatures[i] for i in rows], dtype=torch.float32),
                    ends,
                    truncation,
                    stop,
                )
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                _shrink(batch, len(rows), str(error))
                tokens = None
            if tokens is None:
                free_memory()
                waiting.append(rows)
                continue
            for i, row in zip(rows, tokens, strict=True):
                completions[i] = row
    finally:
        model.train(training)
    return completions


@torch.inference_mode()
def next_token_probabilities(
    model, prompts: Sequence[Sequence[int]], tokens: Sequence[int], batch: Batch
) -> list[list[float]]:
    """How likely each of `tokens` comes next, at temperature 1: a row for each prompt.

    The shortest run together, padded on the right, which under causal attention no token sees. Raises
    UserError when a single row does not fit into memory.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: list[list[float]] = [[]] * len(prompts)
    model.eval()
    while order:
        rows = order[: batch.size]
        try:
            ends = torch.tensor([len(prompts[i]) - 1 for i in rows], device=model.device)
            ids = torch.zeros(len(rows), int(ends.max()) + 1, dtype=torch.long)
            for at, i in enumerate(rows):
                ids[at, : len(prompts[i])] = torch.tensor(prompts[i])
            hidden = model.base_model(input_ids=ids.to(model.device), use_cache=False).last_hidden_state
            last = hidden[torch.arange(len(rows), device=model.device), ends]
            chances = model.get_output_embeddings()(last).float().softmax(-1)[:, list(tokens)].tolist()
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            _shrink(batch, len(rows), str(error))
            free_memory()
            continue
        for i, row in zip(rows, chances, strict=True):
            found[i] = row
        order = order[len(rows) :]
    return found


def _shrink(batch: Batch, rows: int, said: str) -> None:
    said = said.strip().splitlines()[0]
    if rows == 1:
        raise UserError(
            f"out of memory with one completion at a time: {said}; lower max_tokens, "
            "or take a GPU with more memory"
        )
    batch.size = max(1, rows // 2)
    print(
        f"out of memory with {rows} completions side by side ({said}): going on with {batch.size}",
        file=sys.stderr,
        flush=True,
    )


def uniforms(seeds: Sequence[int], length: int) -> torch.Tensor:
    """u[i, t] = hash(seeds[i], t) in [0, 1), float64, (rows, length):
    splitmix64's finaliser over a counter, upper 32 bits."""
    state = np.array([seed & 0xFFFFFFFFFFFFFFFF for seed in seeds], dtype=np.uint64)[:, None]
    state = scramble(state + np.uint64(GOLDEN))
    counter = np.arange(1, length + 1, dtype=np.uint64)[None, :] * np.uint64(GOLDEN)
    bits = scramble(state + counter)
    return torch.from_numpy((bits >> np.uint64(32)).astype(np.float64) / 2**32)


def _batches(order: list[int], lengths: list[int], size: int) -> Iterator[list[int]]:
    """Cut rows sorted by length into batches: whole lengths where a length has rows enough, mixed ones
    otherwise."""
    groups: dict[int, list[int]] = {}
    for row in order:
        groups.setdefault(lengths[row], []).append(row)
    mixed: list[int] = []
    for group in groups.values():
        if len(group) * 4 < size:
            mixed += group
            continue
        parts = -(-len(group) // size)
        step = -(-len(group) // parts)
        yield from (group[start : start + step] for start in range(0, len(group), step))
    yield from (mixed[start : start + size] for start in range(0, len(mixed), size))


def _sample(model, prompts, u, temperature, ends, truncation, stop) -> list[list[int]]:
    """Run one batch: prompts (B lists), u (B, T) float64, temperature (B,) float32. Returns B lists of
    ids."""
    device = model.device
    count, length = u.shape
    logits, cache, mask, positions = _prefill(model, prompts, length)
    u, temperature, ends = u.to(device), temperature.to(device), ends.to(device)
    out = torch.full((count, length), -1, dtype=torch.long, device=device)
    alive = torch.arange(count, device=device)
    done = torch.zeros(count, dtype=torch.bool, device=device)
    for step in range(length):
        tokens = pick(logits, u[:, step], temperature, truncation)
        out[alive, step] = torch.where(done, -1, tokens)
        if step == length - 1:
            break
        done |= torch.isin(tokens, ends)
        if stop and step % STOP_EVERY == STOP_EVERY - 1:
            done |= torch.tensor(stop(_rows(out[alive, : step + 1])), device=device)
        keep = (~done).nonzero().squeeze(1)
        if len(keep) == 0:
            break
        if len(keep) <= _COMPACT_AT * len(alive):
            cache.batch_select_indices(keep)
            alive, done, tokens, u, temperature = (x[keep] for x in (alive, done, tokens, u, temperature))
            positions = positions[keep] if positions is not None else None
            mask = mask[keep] if mask is not None else None
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = positions + 1
        logits = model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
    return _rows(out)


def _rows(out: torch.Tensor) -> list[list[int]]:
    ends = (out >= 0).sum(dim=1).tolist()
    return [row[:end] for row, end in zip(out.tolist(), ends, strict=True)]


def pick(
    logits: torch.Tensor,
    u: torch.Tensor,
    temperature: torch.Tensor,
    truncation: Truncation = Truncation(),  # noqa: B008
) -> torch.Tensor:
    """Draw one token per row: logits (B, V), u (B,) in [0, 1), temperature (B,). Returns ids (B,).

    Inverse transform on softmax(logits / T) in float32, summed in float64; argmax where T = 0.
    Where `truncation` leaves tokens out, they are ranked first.
    """
    logits = logits.float()
    greedy = temperature == 0
    if bool(greedy.all()):
        return logits.argmax(dim=-1)
    warm = torch.where(greedy, 1.0, temperature)
    mass = torch.softmax(logits / warm[:, None], dim=-1)
    ranks = None
    if truncation.changed():
        mass, ranks = mass.sort(dim=-1, descending=True, stable=True)
        mass = _truncated(mass, truncation)
    summed = mass.cumsum(dim=-1, dtype=torch.float64)
    drawn = torch.searchsorted(summed, (u * summed[:, -1])[:, None], right=True)
    if ranks is not None:
        drawn = ranks.gather(1, drawn)
    return torch.where(greedy, logits.argmax(dim=-1), drawn[:, 0])


def _truncated(mass: torch.Tensor, truncation: Truncation) -> torch.Tensor:
    """Ranked probabilities (B, V), float32, with those left out as 0: `min_p`, then `top_k`, then `top_p`,
    the smallest set of tokens that has this share of what is left."""
    mass = torch.where(mass < truncation.min_p * mass[:, :1], 0.0, mass)
    mass[:, truncation.top_k or mass.shape[1] :] = 0.0
    summed = mass.cumsum(dim=-1, dtype=torch.float64)
    return torch.where(summed - mass < truncation.top_p * summed[:, -1:], mass, 0.0)


def _prefill(model, prompts, room: int):
    """Run each distinct prompt once, and once for all what they begin with. Returns logits (B, V), the cache
    with `room` to grow, the mask (B, L) or None and the last positions (B, 1) or None; both are None when all
    prompts are of one length.

    Padding stands between what is shared and the rest.
    """
    device = model.device
    distinct: dict[tuple[int, ...], int] = {}
    row_of = torch.tensor([distinct.setdefault(tuple(prompt), len(distinct)) for prompt in prompts])
    longest = max(map(len, distinct))
    ragged = any(len(prompt) != longest for prompt in distinct)
    cache = _cache(model.config, longest + room)
    shared = _shared(model.config, list(distinct), ragged)
    if shared:
        prefix = torch.tensor([prompts[0][:shared]], device=device)
        model(input_ids=prefix, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_select_indices(torch.zeros(len(distinct), dtype=torch.long, device=device))
    width = longest - shared
    starts = torch.tensor([longest - len(prompt) for prompt in distinct], device=device)[:, None]
    rows = [[PADDING] * (longest - len(prompt)) + list(prompt[shared:]) for prompt in distinct]
    ids = torch.tensor(rows, device=device)
    mask = positions = None
    if ragged:
        columns = torch.arange(width, device=device)[None, :]
        own = (columns >= starts).long()
        mask = torch.cat([own.new_ones(len(own), shared), own], dim=1)
        positions = shared + (columns - starts).clamp(min=0)
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    row_of = row_of.to(device)
    if len(distinct) < len(prompts):
        cache.batch_select_indices(row_of)
        logits = logits[row_of]
        if mask is not None and positions is not None:
            mask, positions = mask[row_of], positions[row_of]
    return logits, cache, mask, positions[:, -1:] if positions is not None else None


def _shared(config, prompts: list[tuple[int, ...]], ragged: bool) -> int:
    """Tokens that distinct prompts begin with alike and that run once for all of them: 0 where they are few.

    A window counts columns of the cache, also those of padding, so models that have one share between prompts
    of one length only; layers that carry a state instead of a cache share nothing.
    """
    kinds = _attention(config)
    if len(prompts) == 1 or kinds - {"full_attention", "sliding_attention"}:
        return 0
    if ragged and "sliding_attention" in kinds:
        return 0
    ends = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    alike = next((at for at in range(most) if ends[0][at] != ends[1][at]), most)
    return alike if alike >= _SHARED else 0


def _attention(config) -> set[str]:
    """The kinds of a model's layers, in transformers' words."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    return kinds | {"sliding_attention"} if getattr(text, "sliding_window", None) else kinds


def _cache(config, capacity: int) -> Cache:
    """A cache that writes in place where every layer attends to everything; transformers' own for the other
    models."""
    if _attention(config) != {"full_attention"}:
        return DynamicCache(config=config)
    return Cache(layers=[_Buffer(capacity) for _ in range(config.get_text_config().num_hidden_layers)])


class _Buffer(DynamicLayer):
    """Keys and values (B, H, capacity, D), written in place: no copy of the whole cache for every token."""

    def __init__(self, capacity: int):
        super().__init__()
        self.capacity = capacity
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self._keys, self._values = (
            states.new_empty(*states.shape[:2], self.capacity, states.shape[3])
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(self, key_states, value_states, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[-2]
        self._keys[:, :, self.length : end] = key_states
        self._values[:, :, self.length : end] = value_states
        self.length = end
        self.keys, self.values = self._keys[:, :, :end], self._values[:, :, :end]
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return self.length

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        for name in ("_keys", "_values"):
            old = getattr(self, name)
            chosen = old[:, :, : self.length][indices]
            new = (
                old[: len(indices)]
                if len(indices) <= len(old)
                else old.new_empty(len(indices), *old.shape[1:])
            )
            new[:, :, : self.length] = chosen
            setattr(self, name, new)
        self.keys, self.values = self._keys[:, :, : self.length], self._values[:, :, : self.length]
