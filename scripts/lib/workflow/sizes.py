"""What follows from a model's size: how many GPUs hold it, and whether a training fits."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

from scripts.lib.config.models import Model, Pretraining
from scripts.lib.config.whole import Config
from scripts.lib.errors import UserError
from scripts.lib.models import size
from scripts.lib.models.settings import Untrained
from scripts.lib.workflow.roofline import GPUS, Gpu

SMALL = 0.05
"""Parameters in 1e9 under which a model runs on CPUs: the embedded world's have a ten-thousandth."""
WEIGHTS = 0.6
"""Share of a GPU's memory that a sampled model's weights may take; the rest is for the KV cache and what vLLM
keeps free."""
BYTES = {"auto": 4, "float32": 4, "bfloat16": 2, "float16": 2}
WORDS = 256
"""Vocabulary of the models that are made here: bytes, or the embedded world's words, which are about as
many."""


def sized(config: Config) -> Config:
    """The config with the size of its teachers and students, and with what follows from it, where a key
    leaves it open.

    `billions`, `tensor_parallel_size`, `pipeline_parallel_size`, `nodes` and `gpus` stay None for a model
    whose size cannot be known here.
    """
    gpu = GPUS[config.gpu]
    blocks = {
        kind: {name: _sized(config, block, gpu) for name, block in getattr(config, kind).items()}
        for kind in ("teachers", "students")
    }
    return config.model_copy(update=blocks)


def _sized(config: Config, block: Model, gpu: Gpu) -> Model:
    billions = block.billions or _billions(config, block)
    if billions is None:
        return block
    tensor, pipeline = _parallel(block, ranks_of(billions, block.dtype, gpu), config.gpus_per_node)
    gpus = block.gpus if block.gpus is not None else (tensor * pipeline if billions >= SMALL else 0)
    return replace(
        block,
        billions=billions,
        tensor_parallel_size=tensor,
        pipeline_parallel_size=pipeline,
        nodes=block.nodes or nodes_of(gpus, config.gpus_per_node),
        gpus=gpus,
    )


def _parallel(block: Model, ranks: int, per_node: int) -> tuple[int, int]:
    """Tensor and pipeline parallel sizes where `ranks` GPUs hold a model: layers are cut within a node, whose
    GPUs are close to each other, and dealt out among nodes, as vLLM advises."""
    if block.tensor_parallel_size:
        return block.tensor_parallel_size, block.pipeline_parallel_size or 1
    if block.pipeline_parallel_size:
        return max(1, ranks // block.pipeline_parallel_size), block.pipeline_parallel_size
    within = min(ranks, 1 << per_node.bit_length() - 1)
    return within, ranks // within


def nodes_of(gpus: int, per_node: int) -> int:
    """Nodes that so many GPUs lie on."""
    return max(1, math.ceil(gpus / per_node))


def _billions(config: Config, block: Model) -> float | None:
    """Parameters in 1e9: of a model made here by its shapes, of any other by its files; a served one has no
    size here."""
    if block.pretrained is not None:
        return made(config.models[block.pretrained])
    if block.model is None or block.remote:
        return None
    return size.billions(block.model, block.revision)


def made(block: Pretraining | Untrained) -> float:
    """Parameters in 1e9 of a model that is made here: a small Llama."""
    found = size.computed(asdict(block) | {"model_type": "llama", "vocab_size": WORDS})
    assert found is not None, "a Llama's size follows from its shapes"
    return found


def ranks_of(billions: float, dtype: str, gpu: Gpu) -> int:
    """GPUs that together hold a model's weights with room for its KV cache: a power of two.

    Weights in bfloat16 on 80 GB: 1 up to 24e9 parameters, 4 for the paper's 70B.
    """
    ranks = 1
    while billions * 1e9 * BYTES[dtype] > ranks * WEIGHTS * gpu.memory:
        ranks *= 2
    return ranks


def unknown(block: Model) -> bool:
    """Whether a model is run here and its size is not known: neither made here, nor imported, nor served."""
    return block.billions is None and block.model is not None and not block.remote


def check_model(block: Model, where: str) -> None:
    """Raise UserError for a model whose size is not known, or whose GPUs its nodes do not share evenly.
    `where`: such as "teachers.mine"."""
    if unknown(block):
        raise UserError(
            f"{where}: the size of {block.model} is not known here; run `make prefetch CONFIG=... STUDY=...` "
            "where there is a network (gated models: HF_TOKEN), or set its `billions` (parameters in 1e9)"
        )
    ranks, nodes = (block.tensor_parallel_size or 1) * (block.pipeline_parallel_size or 1), block.nodes or 1
    if ranks % nodes or (block.gpus or 0) % nodes:
        raise UserError(
            f"{where}: {nodes} nodes cannot share {ranks} GPUs evenly; set tensor_parallel_size to the GPUs "
            "that each node gives, and pipeline_parallel_size to the nodes"
        )
