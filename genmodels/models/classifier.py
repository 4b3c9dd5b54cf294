"""Small residual classifiers (after He et al. 2016 and Page's ResNet-9).

They are no end in themselves: their features measure what the other families sample.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genmodels.recipes import DATASETS, ClassifierRecipe

from . import random_numbers
from .base import Model, Turn

SHIFT = 2
"""Pixels by which `shift` moves an image at most."""
SMALLEST_CROP = 0.35
"""The least part of an image's area that `crop` leaves."""


class Residual(nn.Module):
    """x + f(x), two convolutions deep."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(*convolution(width, width), *convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Network(nn.Module):
    """Images in [0, 1] to features, and features to logits."""

    def __init__(self, recipe: ClassifierRecipe):
        super().__init__()
        layers: list[nn.Module] = []
        channels, width = recipe.shape[0], recipe.width
        for _ in range(recipe.stages):
            layers += [*convolution(channels, width, nn.MaxPool2d(2)), Residual(width)]
            channels, width = width, width * 2
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, len(DATASETS[recipe.dataset].classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images * 2 - 1))


class Classifier(Model):
    """One network that names the class of an image."""

    def __init__(self, recipe: ClassifierRecipe):
        super().__init__(recipe)
        self.options = recipe
        self.classifier = Network(recipe)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees of each image, [n, d]."""
        return self.classifier.body(images * 2 - 1)

    def stages(self, images: Tensor) -> list[Tensor]:
        """What each stage sees of the images, [n, channels, h, w], from fine to coarse."""
        found, x = [], images * 2 - 1
        for layer in self.classifier.body:
            x = layer(x)
            if isinstance(layer, Residual):
                found.append(x)
        return found

    def classify(self, images: Tensor) -> Tensor:
        """Logits of the classes, [n, 10]."""
        return self.classifier(images)

    def turns(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Iterator[Turn]:
        images = augment(images, self.options.augmentation, rng)
        loss, measured = self._cross_entropy(images, labels, self.options.label_smoothing)
        yield Turn(("classifier",), loss, measured)

    def measure(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return self._cross_entropy(images, labels, 0.0)[1]

    def optimizer_options(self, network: str) -> dict[str, Any]:
        return {
            "lr": self.options.learning_rate,
            "weight_decay": self.options.weight_decay,
            "decoupled_weight_decay": True,
        }

    def learning_rate_factor(self, progress: float) -> float:
        """Up along a line, then down along a cosine."""
        warm_up = self.options.warm_up
        if progress < warm_up:
            return progress / warm_up
        return (1 + math.cos(math.pi * (progress - warm_up) / max(1 - warm_up, 1e-9))) / 2

    def _cross_entropy(
        self, images: Tensor, labels: Tensor, smoothing: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            logits = self.classifier(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        accuracy = (logits.argmax(1) == labels).float().mean()
        return loss, {"loss": loss.detach(), "accuracy": accuracy}


def convolution(channels: int, width: int, *then: nn.Module) -> list[nn.Module]:
    """A 3x3 convolution and what follows it; the pooling first, which leaves less to do."""
    return [
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        *then,
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]


def augment(images: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    """The images as a recipe's `augmentation` changes them, each differently."""
    if kind == "none":
        return images
    count, size = len(images), images.shape[-1]

    def uniform(low: float, high: float, columns: int = 2) -> Tensor:
        return low + (high - low) * random_numbers.uniform((count, columns), rng)

    if kind == "shift":
        zoom = uniform(0.9, 1.1)
        middle = uniform(-2 * SHIFT / size, 2 * SHIFT / size)
        sides = zoom
    else:
        area, ratio = uniform(SMALLEST_CROP, 1.0, 1), uniform(-0.28, 0.28, 1).exp()
        sides = (area * torch.cat([ratio, 1 / ratio], 1)).sqrt().clamp(max=1)
        middle = uniform(-1.0, 1.0) * (1 - sides)
        mirrored = (uniform(0, 1, 1) < 0.5).float() * -2 + 1
        sides = sides * torch.cat([mirrored, torch.ones_like(mirrored)], 1)
    # Output pixel (x, y) in [-1, 1]² shows the input at sides * (x, y) + middle.
    maps = torch.zeros(count, 2, 3, device=images.device)
    maps[:, 0, 0], maps[:, 1, 1], maps[:, :, 2] = sides[:, 0], sides[:, 1], middle
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
