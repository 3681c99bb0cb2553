"""Everything a resumed run needs, in safetensors and JSON: weights, Adam's moments, and a few counters.

Randomness is counted, not carried (seeds follow from iteration and index), and learning rates follow from the
iteration, so there is no generator, data loader or scheduler to save.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from scripts.lib.data.files import whole_folder, write_json, write_text
from scripts.lib.errors import UserError
from scripts.lib.models.identity import identity, write_identity
from scripts.lib.process.seal import is_whole, newest, number, seal
from scripts.lib.training.ppo.model import unwrapped, weights, whole

METRICS = "metrics.jsonl"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def _tensors(network: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in unwrapped(network).named_parameters():
        yield name, whole(parameter.detach())
        for moment in _MOMENTS:
            if moment in optimizer.state[parameter]:
                yield f"{moment}|{name}", whole(optimizer.state[parameter][moment])


def save(
    folder: Path,
    accelerator: Accelerator,
    trained: dict[str, tuple[nn.Module, torch.optim.Optimizer]],
    counters: dict,
) -> None:
    """Write `folder/iteration=<k>` (k = counters["iteration"]) whole or not at all, sealed with the metrics
    so far, then drop all but it and the one before.

    Collective: shards are gathered one tensor at a time, the first process writes.
    """
    from safetensors.torch import save_file

    final = folder / f"iteration={counters['iteration']}"
    with whole_folder(final, durable=True) if accelerator.is_main_process else nullcontext() as draft:
        for name, (network, optimizer) in trained.items():
            tensors = {}
            for key, tensor in _tensors(network, optimizer):
                if draft:
                    tensors[key] = tensor.cpu().contiguous()
            if draft:
                save_file(tensors, draft / f"{name}.safetensors")
        if draft:
            write_json(counters, draft / "counters.json")
            shutil.copy(folder / METRICS, draft)
            seal(draft)
    if accelerator.is_main_process:
        older = sorted(folder.glob("iteration=*"), key=number)[:-2]
        for other in [*older, *folder.glob(".iteration=*")]:
            shutil.rmtree(other)
    accelerator.wait_for_everyone()


def last(folder: Path, accelerator: Accelerator) -> Path | None:
    """The newest checkpoint of `folder` that is whole, and whose best policy is. Collective."""
    from accelerate.utils import broadcast_object_list

    found = newest(folder.glob("iteration=*"), _is_good) if accelerator.is_main_process else None
    return broadcast_object_list([found])[0]


def _is_good(checkpoint: Path) -> bool:
    try:
        return is_whole(checkpoint) and bool(identity(_best(checkpoint)))
    except UserError:
        return False


def _best(checkpoint: Path) -> Path:
    """The folder of a checkpoint's best policy."""
    counters = json.loads((checkpoint / "counters.json").read_text())
    return checkpoint.with_name(f"best={counters['best']}")


def load(checkpoint: Path, trained: dict[str, tuple[nn.Module, torch.optim.Optimizer]]) -> dict:
    """Fill networks and optimizers from a checkpoint; its counters."""
    from safetensors import safe_open

    for name, (network, optimizer) in trained.items():
        with safe_open(checkpoint / f"{name}.safetensors", framework="pt") as file:
            names = set(file.keys())
            for key, parameter in unwrapped(network).named_parameters():
                with torch.no_grad():
                    parameter.copy_(_placed(file.get_tensor(key), parameter))
                state = optimizer.state[parameter]
                for moment in _MOMENTS:
                    if f"{moment}|{key}" in names:
                        tensor = file.get_tensor(f"{moment}|{key}")
                        state[moment] = (
                            _step(tensor, optimizer, parameter)
                            if moment == "step"
                            else _placed(tensor, parameter)
                        )
    return json.loads((checkpoint / "counters.json").read_text())


def _placed(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor as `like` is held: on its device, and cut into the same shards."""
    if not hasattr(like, "full_tensor"):
        return tensor.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def _step(tensor: Tensor, optimizer: torch.optim.Optimizer, parameter: Tensor) -> Tensor:
    """Adam counts its steps on the CPU, except when it is fused."""
    return tensor.to(parameter.device) if optimizer.defaults.get("fused") else tensor


def save_policy(
    folder: Path, accelerator: Accelerator, network: nn.Module, tokenizer, dtype: torch.dtype
) -> None:
    """Write the policy as a folder for `from_pretrained`, in `dtype`, with its tokenizer and its identity,
    whole or not at all. Collective."""
    tensors = {}
    for name, tensor in weights(network):
        if accelerator.is_main_process:
            tensors[name] = tensor.to("cpu", dtype, copy=True).contiguous()
    if accelerator.is_main_process:
        with whole_folder(folder) as draft:
            unwrapped(network).model.save_pretrained(draft, state_dict=tensors)
            config = json.loads((draft / "config.json").read_text())
            config["dtype"] = str(dtype).removeprefix("torch.")
            write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", draft / "config.json")
            tokenizer.save_pretrained(draft)
            write_identity(draft)
    accelerator.wait_for_everyone()


def drop_other_policies(folder: Path, accelerator: Accelerator) -> None:
    """Keep the best policies of the checkpoints on disk only."""
    if accelerator.is_main_process:
        kept = [_best(path) for path in folder.glob("iteration=*")]
        for other in folder.glob("best=*"):
            if other not in kept:
                shutil.rmtree(other)
    accelerator.wait_for_everyone()
