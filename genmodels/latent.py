"""Ways between latents. A latent is float32 [latent_dim]."""

import math
from typing import Literal

import torch
from torch import Tensor

from .models import LatentModel

Path = Literal["linear", "spherical"]


@torch.inference_mode()
def interpolate(
    model: LatentModel, start: Tensor, end: Tensor, steps: int = 10, path: Path = "linear"
) -> Tensor:
    """The images on the way from one latent to another, both ends included.

    Returns float32 [steps, channels, height, width] in [0, 1].
    """
    return model.decode(between(start, end, steps, path))


def between(start: Tensor, end: Tensor, steps: int, path: Path = "linear") -> Tensor:
    """`steps` latents [steps, latent_dim] from `start` to `end`, both included.

    "linear" is the straight line. "spherical" is the great circle (Shoemake 1985; for latents
    White 2016), its radius going linearly from one to the other: it keeps to the shell where
    a normal prior has its mass.
    """
    if start.shape != end.shape or start.ndim != 1:
        raise ValueError(f"both latents must be [latent_dim], not {start.shape} and {end.shape}")
    if steps < 2:
        raise ValueError(f"steps must be 2 or more, not {steps}")
    t = torch.linspace(0, 1, steps, device=start.device)[:, None]
    straight = start + t * (end - start)
    if path == "linear":
        return straight
    lengths = start.norm(), end.norm()
    if min(lengths) == 0:
        return straight
    a, b = start / lengths[0], end / lengths[1]
    angle = torch.atan2((a - b).norm(), (a + b).norm()) * 2
    if angle < 1e-4 or angle > math.pi - 1e-4:  # The same or opposite: there is no one circle.
        return straight
    directions = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    return directions * (lengths[0] + t * (lengths[1] - lengths[0]))
