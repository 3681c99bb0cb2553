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
from scripts.lib.training.ppo.model import unwrapped, weights, whole

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
    """Write `folder/iteration=<k>` (k = counters["iteration"]) whole or not at all, then drop the older ones.

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
    if accelerator.is_main_process:
        for other in [*folder.glob("iteration=*"), *folder.glob(".iteration=*")]:
            if other != final:
                shutil.rmtree(other)
    accelerator.wait_for_everyone()


def load(folder: Path, trained: dict[str, tuple[nn.Module, torch.optim.Optimizer]]) -> dict | None:
    """Fill networks and optimizers from the newest checkpoint of `folder`; its counters, or None when there
    is none."""
    from safetensors import safe_open

    found = sorted(folder.glob("iteration=*"), key=lambda path: int(path.name.partition("=")[2]))
    if not found:
        return None
    for name, (network, optimizer) in trained.items():
        with safe_open(found[-1] / f"{name}.safetensors", framework="pt") as file:
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
    return json.loads((found[-1] / "counters.json").read_text())


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
    """Write the policy and its tokenizer as a folder for `from_pretrained`, in `dtype`, whole or not at all.
    Collective."""
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
    accelerator.wait_for_everyone()


def drop_other_policies(folder: Path, accelerator: Accelerator, best: int) -> None:
    """Keep the saved best policy only; called once a checkpoint that names it is on disk."""
    if accelerator.is_main_process:
        for other in folder.glob("best=*"):
            if other.name != f"best={best}":
                shutil.rmtree(other)
    accelerator.wait_for_everyone()
