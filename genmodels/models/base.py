"""What every family's model can do.

Images are float32 [n, channels, height, width] in [0, 1], latents float32 [n, latent_dim].
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genmodels.errors import GenmodelsError
from genmodels.recipes import LatentRecipe, Recipe

from .prior import ClassPrior


class Turn(NamedTuple):
    """One move of a training step: the networks that move and the loss they descend."""

    networks: tuple[str, ...]
    loss: Tensor
    measured: dict[str, Tensor]
    """Means over the batch, for the learning curves; the same quantities in every step."""


class Model(nn.Module):
    """The networks of one recipe. Its children are the networks, by name.

    What a model can do is asked by `hasattr`: `decode`, `encode`, `discriminate`.
    """

    recordable = True
    """Whether its training steps can be a CUDA graph: `turns` and `measure` look at no value of a
    tensor (`item`, `if`, shapes that depend on it) and do the same in every step, with no random
    numbers but those of `rng`."""

    unit = 1
    """How many neighbouring images of a batch have to be in one process."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        self.image_shape = recipe.shape
        self.compute_type = torch.float32
        """The networks' arithmetic; torch.bfloat16 while training where it is faster."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        return dict(self.named_children())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def autocast(self) -> torch.autocast:
        enabled = self.compute_type != torch.float32
        return torch.autocast(self.device.type, self.compute_type, enabled=enabled)

    def turns(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Iterator[Turn]:
        """The moves of one training step, in order.

        The caller descends each loss before it asks for the next, so that a later turn sees
        the networks as the earlier one left them.
        """
        raise NotImplementedError

    def measure(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The same quantities on held-out images, nothing learnt: means over the batch."""
        raise NotImplementedError

    def averaged(self) -> tuple[str, ...]:
        """The networks that a recipe's `weight_average` is of."""
        raise NotImplementedError

    def optimizer_options(self, network: str) -> dict[str, Any]:
        """Adam's options for a network."""
        raise NotImplementedError

    def learning_rate_factor(self, progress: float) -> float:
        """What the learning rates are multiplied by once `progress` of the training is done."""
        return 1.0


class LatentModel(Model):
    """A model that turns latents into images."""

    prior: ClassPrior | None
    """Where latents come from; None for N(0, 1)."""

    def __init__(self, recipe: LatentRecipe, prior: ClassPrior | None):
        super().__init__(recipe)
        self.latent_dim = recipe.latent_dim
        self.schedule = recipe.schedule
        self.mirrored = recipe.augmentation == "mirror"
        self.prior = prior

    def learning_rate_factor(self, progress: float) -> float:
        return (1 + math.cos(math.pi * progress)) / 2 if self.schedule == "cosine" else 1.0

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [n, latent_dim] to images in [0, 1]."""
        raise NotImplementedError

    def sample_latents(
        self, count: int, seed: int = 0, spread: float = 1.0, label: int | None = None
    ) -> Tensor:
        """`count` latents from the prior: the same ones for the same seed, on every device, and
        the first ones of a larger count.

        `spread` is a factor on their standard deviation. `label` is a class, for models that
        have a prior of each; None draws from all. Raises GenmodelsError for one it does not have.
        """
        classes = 0 if self.prior is None else self.prior.classes
        if label is not None and not 0 <= label < classes:
            has = f"only the classes 0 to {classes - 1}" if classes else "no classes"
            raise GenmodelsError(f"this model has {has}; there is no class {label} to sample.")
        # A prior of classes began as the first numbers of its recipe's seed: those of another.
        rng = torch.Generator().manual_seed(seed if self.prior is None else seed + 2**31)
        # randn draws in blocks of 16, and what does not fill a block in another order.
        numbers = torch.randn(math.ceil(count * self.latent_dim / 16) * 16, generator=rng)
        noise = numbers[: count * self.latent_dim].view(count, self.latent_dim)
        noise = noise.to(self.device) * spread
        if self.prior is None:
            return noise
        # The same numbers would make them depend on the noise.
        choices = torch.rand(count, 2, generator=rng.manual_seed(seed)).to(self.device)
        labels = (choices[:, 0] * self.prior.classes).long()
        if label is not None:
            labels = torch.full_like(labels, label)
        with torch.no_grad():
            return self.prior(noise, labels, choices[:, 1])

    @torch.no_grad()
    def sample(
        self, count: int, seed: int = 0, spread: float = 1.0, label: int | None = None
    ) -> Tensor:
        """`count` images of latents from the prior, as `sample_latents` draws them."""
        return self.decode(self.sample_latents(count, seed, spread, label))


def norm_layer(kind: str, features: int, dimensions: int) -> list[nn.Module]:
    """The normalisation a recipe asks for after a layer; empty for none."""
    if kind == "none":
        return []
    return [nn.BatchNorm1d(features) if dimensions == 1 else nn.BatchNorm2d(features)]
