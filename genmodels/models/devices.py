"""Where to compute, on how many threads, and in which precision."""

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch

from genmodels.errors import RecipeError
from genmodels.recipes import Recipe

Device = Literal["auto", "cpu", "cuda", "mps"]


def choose_device(device: Device) -> torch.device:
    """The device that was asked for, or the fastest there is. Raises RecipeError."""
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[device]:
        has = " and ".join(name for name, found in there.items() if found)
        raise RecipeError(f"this machine has no {device} device for torch, only {has}.")
    return torch.device(device)


@lru_cache(maxsize=1)
def limit_threads() -> None:
    """Leaves torch no more threads than this process may keep busy. It takes one for each core of
    the machine, and under a quota threads that wait for each other cost more than they give."""
    cores = quota()
    if cores is not None:
        torch.set_num_threads(min(torch.get_num_threads(), max(1, int(cores))))


def quota(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> float | None:
    """How many cores' time Linux gives this process (`docker run --cpus`); None without a limit.

    That of the strictest of its control groups.
    """
    lines = []
    with contextlib.suppress(OSError):  # Not on other systems.
        lines = groups.read_text("utf-8").splitlines()
    limits = []
    for _, controllers, name in (line.split(":", 2) for line in lines):
        if not controllers or "cpu" in controllers.split(","):
            top = root / "cpu" if controllers else root
            # In a container the group may be the top itself, and its name one from outside.
            inner = top / name.lstrip("/")
            for folder in {top, inner, *(p for p in inner.parents if p.is_relative_to(top))}:
                limits += _limits(folder)
    return min(limits, default=None)


def _limits(folder: Path) -> Iterator[float]:
    """The quota of one control group of version 2, or of version 1."""
    with contextlib.suppress(OSError, ValueError):  # "max" is none.
        allowed, period = (folder / "cpu.max").read_text("utf-8").split()
        yield int(allowed) / int(period)
    with contextlib.suppress(OSError, ValueError):
        allowed = int((folder / "cpu.cfs_quota_us").read_text("utf-8"))
        if allowed > 0:
            yield allowed / int((folder / "cpu.cfs_period_us").read_text("utf-8"))


def choose_precision(recipe: Recipe, device: torch.device) -> str:
    """float32 or bfloat16. `auto` takes bfloat16 for convolutions where hardware computes it; to
    the small linear networks it brings little, and on some processors costs time."""
    if recipe.precision != "auto":
        return recipe.precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities()
        fast = device.type == "cpu" and bool(able.get("avx512_bf16") or able.get("bf16"))
    return "bfloat16" if fast and recipe.network != "linear" else "float32"
