"""Random numbers for the images of a batch, a row each."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class SharedGenerator(torch.Generator):
    """A generator for a batch whose images several processes share.

    Each draws the numbers of all `count` images and takes the `rows` of its own: together they
    have what one process would have drawn. Both are set before each batch.
    """

    count: int
    rows: slice


def normal(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Numbers from N(0, 1), on the generator's device; the shape begins with the images."""
    return _draw(torch.randn, shape, rng)


def uniform(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """As `normal`, from [0, 1)."""
    return _draw(torch.rand, shape, rng)


def _draw(distribution: Callable[..., Tensor], shape: Sequence[int], rng: torch.Generator):
    if isinstance(rng, SharedGenerator):
        everybody = distribution(rng.count, *shape[1:], generator=rng, device=rng.device)
        return everybody[rng.rows]
    return distribution(*shape, generator=rng, device=rng.device)
