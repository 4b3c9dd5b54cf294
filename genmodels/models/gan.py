"""Generative adversarial networks (Goodfellow et al. 2014); the convolutional one is DCGAN
(Radford et al. 2016).

The generator's tanh gives [-1, 1]; that range never leaves this file.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .. import noise, objectives
from ..recipes import GANRecipe
from . import LatentModel, Turn, norm_layer


class Generator(nn.Sequential):
    """Latents to images in [-1, 1]."""

    def __init__(self, recipe: GANRecipe):
        layers: list[nn.Module] = []
        width = recipe.latent_dim
        if recipe.network == "linear":
            layers += [nn.Linear(width, 256), *norm_layer(recipe.generator_norm, 256, 1)]
            layers += [nn.LeakyReLU(0.01), nn.Linear(256, math.prod(recipe.shape))]
            layers += [nn.Unflatten(1, recipe.shape)]
        else:
            bias = recipe.generator_norm == "none"  # A normalisation has its own.
            layers.append(nn.Unflatten(1, (width, 1, 1)))
            for step, factor in enumerate((8, 4, 2, 1)):  # 4, 8, 16, 32 pixels
                features = recipe.feature_maps * factor
                stride, padding = (2, 1) if step else (1, 0)
                layers += [nn.ConvTranspose2d(width, features, 4, stride, padding, bias=bias)]
                layers += [*norm_layer(recipe.generator_norm, features, 2), nn.ReLU()]
                width = features
            layers += [nn.ConvTranspose2d(width, recipe.shape[0], 4, 2, 1, bias=False)]
        super().__init__(*layers, nn.Tanh())


class Discriminator(nn.Sequential):
    """Images in [-1, 1] to one logit each, [n]: positive where it holds the image for real."""

    def __init__(self, recipe: GANRecipe):
        layers: list[nn.Module] = []
        if recipe.network == "linear":
            layers += [nn.Flatten(), nn.Linear(math.prod(recipe.shape), 128)]
            layers += [*norm_layer(recipe.discriminator_norm, 128, 1), nn.LeakyReLU(0.01)]
            layers += [nn.Linear(128, 1)]
        else:
            bias = recipe.discriminator_norm == "none"
            width = recipe.feature_maps
            layers += [nn.Conv2d(recipe.shape[0], width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
            for factor in (2, 4, 8):  # 16, 8, 4 pixels
                features = recipe.feature_maps * factor
                layers += [nn.Conv2d(width, features, 4, 2, 1, bias=bias)]
                layers += [*norm_layer(recipe.discriminator_norm, features, 2), nn.LeakyReLU(0.2)]
                width = features
            layers += [nn.Conv2d(width, 1, 4, bias=False)]
        super().__init__(*layers, nn.Flatten(0))


class GAN(LatentModel):
    """A generator and the discriminator it plays against."""

    def __init__(self, recipe: GANRecipe):
        super().__init__(recipe, recipe.latent_dim)
        self.learning_rates = {
            "generator": recipe.generator_learning_rate,
            "discriminator": recipe.discriminator_learning_rate,
        }
        self.beta1 = recipe.beta1
        self.generator = Generator(recipe)
        self.discriminator = Discriminator(recipe)
        self.apply(_initialise)

    def decode(self, latents: Tensor) -> Tensor:
        return (self.generator(latents) + 1) / 2

    def discriminate(self, images: Tensor) -> Tensor:
        """D(x) of each image, [n]: the probability it is given to be real."""
        return self.discriminator(images * 2 - 1).sigmoid()

    def turns(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Iterator[Turn]:
        with self.autocast():
            fakes = self.generator(self._latents(len(images), rng))
            real_logits = self.discriminator(images * 2 - 1)
            fake_logits = self.discriminator(fakes.detach())
        loss = objectives.discriminator_loss(real_logits, fake_logits)
        measured = {
            "discriminator_loss": loss.detach(),
            "d_real": real_logits.detach().float().sigmoid().mean(),
            "d_fake": fake_logits.detach().float().sigmoid().mean(),
        }
        yield Turn(("discriminator",), loss, measured)
        # The same fakes before the discriminator that has just learnt.
        with self.autocast():
            fake_logits = self.discriminator(fakes)
        loss = objectives.generator_loss(fake_logits)
        yield Turn(("generator",), loss, {"generator_loss": loss.detach()})

    def measure(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        with self.autocast():
            fakes = self.generator(self._latents(len(images), rng))
            real_logits = self.discriminator(images * 2 - 1)
            fake_logits = self.discriminator(fakes)
        return {
            "generator_loss": objectives.generator_loss(fake_logits),
            "discriminator_loss": objectives.discriminator_loss(real_logits, fake_logits),
            "d_real": real_logits.float().sigmoid().mean(),
            "d_fake": fake_logits.float().sigmoid().mean(),
        }

    def optimizer_options(self, network: str) -> dict[str, Any]:
        return {"lr": self.learning_rates[network], "betas": (self.beta1, 0.999)}

    def _latents(self, count: int, rng: torch.Generator) -> Tensor:
        return noise.normal((count, self.latent_dim), rng)


def _initialise(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), those of a normalisation from N(1, 0.02) (Radford et al. 2016)."""
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
    else:
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
