"""Muon in float32, for matrices of a hundred rows on a CPU.

PyTorch's iterates in bfloat16, which processors without units for it compute many times more slowly than
float32: two thirds of a pretraining there. At these sizes float32 costs less than the layers' own products.
"""

import math
from collections.abc import Iterable

import torch

MOMENTUM, ITERATIONS, EPSILON = 0.95, 5, 1e-7
COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the quintic; `torch.optim.Muon` has the same."""


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """`matrix` with its singular values brought near 1 (0.7 to 1.2), by Newton and Schulz's iteration.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """
    linear, cubic, quintic = COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=EPSILON)
    for _ in range(ITERATIONS):
        gram = wide @ wide.T
        gram = torch.addmm(gram, gram, gram, beta=cubic, alpha=quintic)
        wide = torch.addmm(wide, gram, wide, beta=linear)
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class Muon(torch.optim.Optimizer):
    """Momentum (Nesterov's), made orthogonal; a step is `lr` times sqrt(max(1, rows / columns)) of it."""

    def __init__(self, matrices: Iterable[torch.Tensor], lr: float) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for matrix in group["params"]:
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                momentum = state["momentum"].lerp_(matrix.grad, 1 - MOMENTUM)
                update = orthogonal(matrix.grad.lerp(momentum, MOMENTUM))
                rows, columns = matrix.shape
                matrix.add_(update, alpha=-group["lr"] * math.sqrt(max(1, rows / columns)))
