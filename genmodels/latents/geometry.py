"""Ways between latents, planes through them, latents as text. A latent is float32 [latent_dim]."""

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genmodels import runs
from genmodels.errors import GenmodelsError
from genmodels.models import LatentModel
from genmodels.runs import Run

Path = Literal["linear", "spherical"]
FARTHEST = 1000
"""Numbers of a latent beyond this are taken for nonsense."""
NO_LATENT = "this text is no latent; copy the whole link again."
SHORT = 8
"""Letters of a fingerprint that tell one model's weights from another's."""
BATCH = 128
"""Pictures decoded at a time: with few, two cores take twice as long."""


class LatentError(GenmodelsError):
    """A latent that cannot be had."""


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


@dataclass(frozen=True)
class Plane:
    """A plane in the latent space: `origin` [latent_dim], `axes` [2, latent_dim]."""

    origin: Tensor
    axes: Tensor

    def latents(self, points: Tensor) -> Tensor:
        """The latents [n, latent_dim] at points [n, 2] of the plane."""
        return self.origin + points @ self.axes

    def points(self, latents: Tensor) -> Tensor:
        """Where latents [n, latent_dim] fall upright onto the plane: [n, 2]."""
        return (latents - self.origin) @ torch.linalg.pinv(self.axes)


def principal_plane(latents: Tensor) -> Plane:
    """The plane through the mean of latents [n, latent_dim] along their first two principal
    components, of length 1; of two-dimensional latents the plane that they lie in, as it is."""
    if latents.shape[1] == 2:
        return Plane(torch.zeros(2), torch.eye(2))
    return Plane(latents.mean(0), principal_components(latents)[0][:2])


def principal_components(latents: Tensor) -> tuple[Tensor, Tensor]:
    """The principal components of latents [n, latent_dim], each of length 1, those of the greatest
    variance first: [min(n, latent_dim), latent_dim]; and the standard deviations along them."""
    centred = (latents - latents.mean(0)).double()
    _, lengths, components = torch.linalg.svd(centred, full_matrices=False)
    # Of each component's two directions the one whose largest number is positive.
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    deviations = lengths / max(1, len(latents) - 1) ** 0.5
    return (components * largest.sign()).float(), deviations.float()


def held_variance(plane: Plane, latents: Tensor) -> float:
    """The share of the variance of latents [n, latent_dim] that is left on a plane whose axes are
    orthonormal, 0 to 1."""
    whole = latents.var(0).sum()
    return float(plane.points(latents).var(0).sum() / whole) if whole > 0 else 1.0


def plane_through(a: Tensor, b: Tensor, c: Tensor) -> Plane:
    """The plane in which a is (0, 0), b is (1, 0) and c is (0, 1)."""
    return Plane(a, torch.stack([b - a, c - a]))


def quantiles(model: LatentModel, count: int, lowest: float = 0.01) -> Tensor:
    """`count` values of each number of a latent at equal steps of probability, [count, latent_dim]:
    the prior draws it as often between any two neighbours. With N(0, 1) they go from Φ⁻¹(lowest)
    to Φ⁻¹(1 - lowest). Kingma and Welling 2014, appendix A, figure 4."""
    probabilities = torch.linspace(lowest, 1 - lowest, count).double()
    if model.prior is not None:
        return model.prior.quantiles(probabilities)
    return torch.special.ndtri(probabilities).float()[:, None].repeat(1, model.latent_dim)


def traversal(start: Tensor, dimension: int, values: Tensor) -> Tensor:
    """A latent [latent_dim] with its number `dimension` (from 0) set to each of `values` [n], the
    others as they are: [n, latent_dim]."""
    latents = start.repeat(len(values), 1)
    latents[:, dimension] = values
    return latents


@torch.inference_mode()
def picture_change(
    model: LatentModel, latents: Tensor, progress: Callable[[str, int, int], None]
) -> Tensor:
    """How much each number of the latent changes the picture: [latent_dim], from 0 to 1.

    The root mean squared difference of the pixels between the values that the prior stays below
    in a tenth and in nine tenths of its draws, the mean over `latents` [n, latent_dim], which give
    the other numbers. `progress` hears what is done, how much of it, and of how much.
    """
    count, dimensions = latents.shape
    low, high = quantiles(model, 2, 0.1)
    changes = torch.zeros(dimensions)
    for part in torch.arange(dimensions).split(max(1, BATCH // (2 * count))):
        moved = latents.repeat(len(part), 2, 1, 1)
        for place, dimension in enumerate(part):
            moved[place, 0, :, dimension] = low[dimension]
            moved[place, 1, :, dimension] = high[dimension]
        images = model.decode(moved.flatten(0, 2)).view(len(part), 2, count, -1)
        change = (images[:, 1] - images[:, 0]).square().mean(-1).sqrt()
        changes[part] = change.mean(-1).cpu()
        progress("Moving each dimension", int(part[-1]) + 1, dimensions)
    return changes


def to_text(latent: Tensor) -> str:
    """A latent in half precision as letters that an address may hold."""
    content = latent.detach().cpu().half().numpy().astype("<f2").tobytes()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def from_text(text: str, latent_dim: int) -> Tensor:
    """The latent [latent_dim] that `to_text` wrote. Raises LatentError for anything else."""
    return fitting(_numbers(text), latent_dim)


def fitting(z: Tensor, latent_dim: int) -> Tensor:
    """A latent [n], if the model takes so many numbers. Raises LatentError."""
    if len(z) != latent_dim:
        raise LatentError(
            f"this latent has {len(z)} numbers, and the model takes {latent_dim}; choose the model "
            "that it was kept for, or another latent."
        )
    return z


def _numbers(text: str) -> Tensor:
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        numbers = torch.from_numpy(np.frombuffer(content, "<f2").astype(np.float32))
    except (binascii.Error, ValueError) as error:
        raise LatentError(NO_LATENT) from error
    if not (numbers.abs() <= FARTHEST).all():
        raise LatentError(NO_LATENT)
    return numbers


class Kept(NamedTuple):
    """A latent that was chosen on a page, and the model that it belongs to."""

    z: Tensor
    """[latent_dim]"""
    run_id: str
    """Empty where a text of before this was recorded does not say."""
    fingerprint: str
    """How the fingerprint of the model's weights begins."""

    @classmethod
    def of(cls, run: Run, z: Tensor) -> "Kept":
        """A latent [latent_dim] of a run, of the weights that it has now."""
        return cls(z, run.id, runs.fingerprint(run)[:SHORT])

    @property
    def text(self) -> str:
        """All of it as letters that an address may hold."""
        return "~".join([self.run_id, self.fingerprint, to_text(self.z)])

    @classmethod
    def read(cls, text: str) -> "Kept":
        """What `text` or, for a latent alone, `to_text` wrote. Raises LatentError."""
        *owner, letters = text.split("~")
        if owner and not (len(owner) == 2 and runs.ID.fullmatch(owner[0])):
            raise LatentError(NO_LATENT)
        return cls(_numbers(letters), *(owner or ("", "")))
