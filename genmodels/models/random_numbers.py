"""Random numbers for the images of a batch, a row each, and means over them, where several
processes share the batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class SharedGenerator(torch.Generator):
    """A generator for a batch whose images several processes share.

    Each draws the numbers of all `count` images and takes the `rows` of its own: together they
    have what one process would have drawn. All four are set before each batch.
    """

    count: int
    rows: slice
    own: int
    """How many of these rows count: none where there are fewer images than processes."""
    total: Callable[[Tensor], Tensor] | None
    """Adds up over the processes; None where there is one."""


def normal(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Numbers from N(0, 1), on the generator's device; the shape begins with the images."""
    return _draw(torch.randn, shape, rng)


def uniform(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """As `normal`, from [0, 1)."""
    return _draw(torch.rand, shape, rng)


def batch_mean(values: Tensor, rng: torch.Generator) -> Tensor | None:
    """The mean of `values` [n, ...] over the images of all processes, without gradient; None where
    one process has them all."""
    if not isinstance(rng, SharedGenerator) or rng.total is None:
        return None
    of_each = values.detach().flatten(1).mean(1)
    return rng.total(of_each[: rng.own].sum()) / rng.count


def every(step: int, count: int, rng: torch.Generator) -> tuple[slice, float]:
    """Which of these `count` images are every `step`-th of the whole batch, and the factor on
    their mean with which the processes' losses, that weigh by images, add up to the mean over the
    whole batch's."""
    if not isinstance(rng, SharedGenerator):
        return slice(0, count, step), 1.0
    chosen = slice(-rng.rows.start % step, rng.own, step)
    return chosen, _part(len(range(count)[chosen]), -(-rng.count // step), rng)


def pairs(rng: torch.Generator) -> float:
    """That factor on a mean over pairs of neighbours."""
    return _part(rng.own // 2, rng.count // 2, rng) if isinstance(rng, SharedGenerator) else 1.0


def _part(some: int, of_all: int, rng: SharedGenerator) -> float:
    return some / max(1, of_all) * rng.count / max(1, rng.own)


def _draw(distribution: Callable[..., Tensor], shape: Sequence[int], rng: torch.Generator):
    if isinstance(rng, SharedGenerator):
        everybody = distribution(rng.count, *shape[1:], generator=rng, device=rng.device)
        return everybody[rng.rows]
    return distribution(*shape, generator=rng, device=rng.device)
