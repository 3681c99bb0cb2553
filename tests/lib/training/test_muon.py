"""The float32 Muon: PyTorch's own, but for bfloat16's rounding."""

import pytest

torch = pytest.importorskip("torch")

from scripts.lib.training.muon import Muon, orthogonal  # noqa: E402

SHAPES = [(96, 96), (256, 96), (96, 256)]


def matrices(seed: int) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(*shape, generator=generator)) for shape in SHAPES]


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert values.quantile(0.05) > 0.65 and values.max() < 1.25
    assert torch.cosine_similarity(found.flatten(), (left @ right).flatten(), dim=0) > 0.95


def test_steps_are_those_of_torch_within_bfloat16() -> None:
    """Ten steps on gradients that change, the learning rate, too."""
    ours, theirs = matrices(1), matrices(1)
    optimizers = Muon(ours, lr=0.02), torch.optim.Muon(theirs, lr=0.02, weight_decay=0.0)
    for step in range(10):
        for optimizer, held in zip(optimizers, (ours, theirs), strict=True):
            optimizer.param_groups[0]["lr"] = 0.02 / (1 + step)
            for matrix, gradient in zip(held, matrices(10 + step), strict=True):
                matrix.grad = gradient.detach()
            optimizer.step()
    for ours_moved, theirs_moved, start in zip(ours, theirs, matrices(1), strict=True):
        apart = (ours_moved - theirs_moved).norm() / (theirs_moved - start).norm()
        assert apart < 0.02
