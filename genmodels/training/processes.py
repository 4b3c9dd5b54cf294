"""Several processes that train one recipe together, as torchrun starts them.

Each takes its images of every batch. Rank 0 alone reads the data and has to do with the run
folder; the others get from it what they need. What one process refuses all refuse, in the same
step, so that none waits for another that has ended. Without torchrun there is one process, and
nothing here does anything.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from genmodels.errors import GenmodelsError, RecipeError

from .progress import Stopped

RANK = int(os.environ.get("RANK", "0"))
WORLD = int(os.environ.get("WORLD_SIZE", "1"))
"""How many processes there are, on all machines."""
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", "0"))
LOCAL_WORLD = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
"""The same of this machine alone."""

PATIENCE = timedelta(days=1)
"""How long a process waits for the others, which rank 0 lets wait while it validates."""
ENDINGS = (GenmodelsError, OSError, Stopped, SystemExit)

# One process needs no torch for this, and tells a mistake in its arguments before it is loaded.
if TYPE_CHECKING or WORLD > 1:
    import torch
    import torch.distributed as dist
    from torch import Tensor

T = TypeVar("T")
_ending: list[BaseException] = []
"""Why this process is to end, as long as the others have not heard of it."""


@contextlib.contextmanager
def group() -> Iterator[None]:
    """Joins the processes. They leave together, unless one fails: torchrun ends the rest then."""
    if WORLD == 1:
        yield
        return
    # Both where there are GPUs: what `together` tells is in no GPU's memory.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    yield
    # One that ends by a refusal has torchrun end the others: rank 0 has to be through by then.
    dist.barrier()
    dist.destroy_process_group()


@contextlib.contextmanager
def together(now: bool = True) -> Iterator[None]:
    """What one process refuses inside, all refuse.

    Unless `now`, the same on all, the refusal is kept for the next time; until then
    `sum_gradients` tells of it.
    """
    if WORLD == 1:
        yield
        return
    try:
        yield
    except ENDINGS as error:
        _ending.append(error)
    if not now:
        return
    endings: list[BaseException | None] = [None] * WORLD
    dist.all_gather_object(endings, _ending[0] if _ending else None)
    _ending.clear()
    for ending in endings:
        if ending is not None:
            raise ending


def on_rank_0(act: Callable[[], T]) -> T:
    """What `act` gives on rank 0, told to all; what it refuses there, all refuse."""
    if WORLD == 1:
        return act()
    results: list = [None]
    with together():
        if RANK == 0:
            results = [act()]
    dist.broadcast_object_list(results)
    return results[0]


def own_device(device: "torch.device") -> "torch.device":
    """This process's own device of that type. Raises RecipeError when there is none."""
    if WORLD == 1 or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise RecipeError(f"several processes cannot train on {device.type}; add --device cpu.")
    count = torch.cuda.device_count()
    if count <= LOCAL_RANK:
        raise RecipeError(
            f"this machine has {count} GPU{'' if count == 1 else 's'}, and each process needs one; "
            "start fewer, or add --device cpu."
        )
    torch.cuda.set_device(LOCAL_RANK)
    return torch.device("cuda", LOCAL_RANK)


def share(count: int, unit: int = 1) -> tuple[slice, int]:
    """Which of a batch's images this process computes, and how many of those are its own.

    Each `unit` neighbours stay together. A process for which there is none computes the last one,
    of which nothing counts: it has to take part in each exchange.
    """
    units = -(-count // unit)
    first, end = (min(count, -(-units * rank // WORLD) * unit) for rank in (RANK, RANK + 1))
    return (slice(first, end) if first < end else slice(count - 1, count)), end - first


def broadcast(tensors: Iterable["Tensor"]) -> None:
    """Gives all processes the values of rank 0."""
    if WORLD == 1:
        return
    tensors = [tensor.detach() for tensor in tensors]
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.broadcast(flat, 0)
    _scatter(flat, tensors)


def sum_gradients(weights: Sequence["Tensor"]) -> "Tensor | None":
    """Adds up the gradients of all processes in one exchange; gives how many are to end."""
    if WORLD == 1:
        return None
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    ending = gradients[0].new_full((1,), bool(_ending))
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), ending])
    dist.all_reduce(flat)
    _scatter(flat[:-1], gradients)
    return flat[-1]


def total(values: "Tensor") -> "Tensor":
    """The sum over all processes."""
    if WORLD > 1:
        dist.all_reduce(values)
    return values


def _scatter(flat: "Tensor", tensors: list["Tensor"]) -> None:
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))
