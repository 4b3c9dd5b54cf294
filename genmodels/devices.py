"""Where to compute, and in which precision."""

from typing import Literal

import torch

from .errors import RecipeError
from .recipes import Recipe

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
