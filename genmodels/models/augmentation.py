"""Changes of images on their way into a network, each image's its own."""

import torch
from torch import Tensor
from torch.nn import functional as F

from . import random_numbers


def mirror(images: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the images turned left to right."""
    turned = random_numbers.uniform((len(images), 1, 1, 1), rng) < 0.5
    return torch.where(turned, images.flip(3), images)


def for_discriminator(images: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    """Images in [-1, 1] as a discriminator sees them; differentiable (Zhao et al. 2020).

    shift moves by up to an eighth of the side and fills with grey; colour changes brightness,
    saturation and contrast; cutout hides a square of half the side.
    """
    for change in [] if kind == "none" else kind.split(", "):
        images = {"shift": _shift, "colour": _colour, "cutout": _cutout}[change](images, rng)
    return images


def _shift(images: Tensor, rng: torch.Generator) -> Tensor:
    size = images.shape[-1]
    reach = size // 8
    columns = torch.arange(size, device=images.device)
    moves = (random_numbers.uniform((len(images), 2), rng) * (2 * reach + 1)).long()
    rows = torch.arange(len(images), device=images.device)[:, None, None]
    down, across = (moves[:, axis, None] + columns for axis in (0, 1))
    padded = F.pad(images, [reach] * 4).permute(0, 2, 3, 1)
    return padded[rows, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


def _colour(images: Tensor, rng: torch.Generator) -> Tensor:
    amounts = random_numbers.uniform((len(images), 3, 1, 1, 1), rng)
    brightness, saturation, contrast = amounts[:, 0], amounts[:, 1], amounts[:, 2]
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    level = images.mean((1, 2, 3), keepdim=True)
    return level + (images - level) * (contrast + 0.5)


def _cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    size = images.shape[-1]
    places = torch.arange(size, device=images.device)
    middles = random_numbers.uniform((len(images), 2, 1), rng) * size
    near = (places - middles).abs() < size / 4
    hidden = near[:, 0, :, None] & near[:, 1, None, :]
    return images.masked_fill(hidden[:, None], 0.0)
