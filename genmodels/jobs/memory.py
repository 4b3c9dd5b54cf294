"""How much memory a training needs, told before it is queued; nothing of it is allocated."""

import contextlib
import dataclasses
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from genmodels.recipes import RECIPES, Recipe

from .limits import JobError, redis_url

PROCESS = 700e6
"""Bytes of a process that has imported torch, measured on Linux."""
COPIES = 5
"""Of the weights: themselves, their gradients, two of Adam, a running average."""
SPARE = 1.4
"""What a step takes beside what it keeps for its gradients; measured, 1.1 to 1.4."""
USABLE = 0.9
"""Part of the memory that a training may have beside the app and the system."""
CGROUP = ("memory.max", "memory/memory.limit_in_bytes")
"""Where Linux says how much a container may use: version 2, version 1."""


def check(recipe: Recipe) -> None:
    """Raises JobError for a recipe that needs more memory than there is.

    Workers on other machines have memory of their own, which is not known here.
    """
    if redis_url():
        return
    there, on_gpu = available()
    asked = needed(recipe) - (PROCESS if on_gpu else 0)
    if asked > USABLE * there:
        where = "the GPU" if on_gpu else "this machine"
        raise JobError(
            f"this training needs about {asked / 1e9:,.3g} GB of memory, and {where} has "
            f"{there / 1e9:,.3g} GB. Choose a smaller batch size, fewer feature maps or a smaller "
            "latent."
        )


def needed(recipe: Recipe) -> float:
    """Bytes, about: of the process, its networks and optimisers, and a step on a whole batch."""
    kept = {"epochs": 1, "seed": 0, "train_limit": None}
    return _needed(dataclasses.replace(recipe, **kept))


@lru_cache(maxsize=256)
def _needed(recipe: Recipe) -> float:
    import torch

    from genmodels.models import build

    class Nowhere(torch.Generator):
        """Its numbers are as real as the images."""

        device = torch.device("meta")

    def on_meta(recipe: Recipe) -> Any:
        with torch.device("meta"):
            model: Any = build(recipe)
        model.autocast = contextlib.nullcontext  # There is none on this device.
        return model

    model = on_meta(recipe)
    if getattr(recipe, "feature_weight", 0.0):
        judge = on_meta(RECIPES[f"classifier-{recipe.dataset}"])
        model.features = judge.requires_grad_(False).stages
    images = torch.empty(recipe.batch_size, *recipe.shape, device="meta")
    labels = torch.zeros(recipe.batch_size, dtype=torch.long, device="meta")
    weights = {id(tensor) for tensor in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in weights:
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage
        return tensor

    most = 0
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        for _ in model.turns(images, labels, Nowhere()):
            most = max(most, sum(storage.nbytes() for storage in kept.values()))
            kept.clear()
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.parameters())
    return PROCESS + COPIES * size + SPARE * most


def available() -> tuple[int, bool]:
    """Bytes of the memory in which trainings run here, and whether it is a GPU's."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory, True
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in CGROUP:
        with contextlib.suppress(OSError, ValueError):  # No container, or one without a limit.
            there = min(there, int((Path("/sys/fs/cgroup") / name).read_text("utf-8")))
    return there, False
