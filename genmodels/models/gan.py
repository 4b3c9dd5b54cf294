"""Generative adversarial networks (Goodfellow et al. 2014); the convolutional one is DCGAN
(Radford et al. 2016), of one doubling less at each end for 28x28.

The generator's tanh gives [-1, 1]; that range never leaves this file.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from genmodels.recipes import GANRecipe

from . import augmentation, losses, random_numbers, residual
from .base import LatentModel, Turn, norm_layer
from .prior import ClassPrior

PENALISED = 16
"""R1 is taken of every sixteenth image, which costs as little as all in every sixteenth step
(Karras et al. 2020) and needs no count of steps."""


class Generator(nn.Sequential):
    """Latents to images in [-1, 1]."""

    def __init__(self, recipe: GANRecipe):
        layers: list[nn.Module] = []
        width = recipe.latent_dim
        if recipe.network == "linear":
            layers += [nn.Linear(width, 256), *norm_layer(recipe.generator_norm, 256, 1)]
            layers += [nn.LeakyReLU(0.01), nn.Linear(256, math.prod(recipe.shape))]
            layers += [nn.Unflatten(1, recipe.shape)]
        elif recipe.network == "residual":
            norm = partial(norm_layer, recipe.generator_norm, dimensions=2)
            layers += residual.rising(width, recipe.shape, recipe.feature_maps, norm)
        else:
            bias = recipe.generator_norm == "none"  # A normalisation has its own.
            start, widths = residual.widths(recipe.shape[1] // 2, recipe.feature_maps)
            layers.append(nn.Unflatten(1, (width, 1, 1)))
            for step, features in enumerate(widths):
                kernel, stride, padding = (4, 2, 1) if step else (start, 1, 0)
                layers += [nn.ConvTranspose2d(width, features, kernel, stride, padding, bias=bias)]
                layers += [*norm_layer(recipe.generator_norm, features, 2), nn.ReLU()]
                width = features
            layers += [nn.ConvTranspose2d(width, recipe.shape[0], 4, 2, 1, bias=False)]
        super().__init__(*layers, nn.Tanh())


class Discriminator(nn.Sequential):
    """Images in [-1, 1] to one logit each, [n]: positive where it holds the image for real.

    Where the latents are of classes it is asked about the image and its class: what tells that
    class from others is added to what all have in common (Miyato and Koyama 2018).
    """

    def __init__(self, recipe: GANRecipe):
        layers: list[nn.Module] = []
        kind = "batch" if recipe.discriminator_norm == "batch" else "none"
        maps = recipe.discriminator_feature_maps or recipe.feature_maps
        answers = 1 + recipe.class_count if recipe.prior == "classes" else 1
        if recipe.network == "linear":
            layers += [nn.Flatten(), nn.Linear(math.prod(recipe.shape), 128)]
            layers += [*norm_layer(kind, 128, 1), nn.LeakyReLU(0.01)]
            layers += [nn.Linear(128, answers)]
        elif recipe.network == "residual":
            falling, width = residual.falling(
                recipe.shape, maps, partial(norm_layer, kind, dimensions=2)
            )
            start = residual.widths(recipe.shape[1], 1)[0]
            layers += [*falling, nn.Conv2d(width, answers, start, bias=False)]
        else:
            bias = kind == "none"
            start, widths = residual.widths(recipe.shape[1] // 2, maps)
            width, *wider = reversed(widths)
            layers += [nn.Conv2d(recipe.shape[0], width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
            for features in wider:
                layers += [nn.Conv2d(width, features, 4, 2, 1, bias=bias)]
                layers += [*norm_layer(kind, features, 2), nn.LeakyReLU(0.2)]
                width = features
            layers += [nn.Conv2d(width, answers, start, bias=False)]
        super().__init__(*layers, nn.Flatten())

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Without labels, the class is taken as which it holds an image for real most."""
        answers = super().forward(images)
        common, of_classes = answers[:, 0], answers[:, 1:]
        if of_classes.shape[1] == 0:
            return common
        if labels is None:
            return common + of_classes.amax(1)
        return common + of_classes.gather(1, labels[:, None])[:, 0]


class GAN(LatentModel):
    """A generator and the discriminator it plays against."""

    def __init__(self, recipe: GANRecipe):
        prior = None
        if recipe.prior == "classes":
            prior = ClassPrior(recipe.class_count, 1, recipe.latent_dim, scaled=False)
        super().__init__(recipe, prior)
        self.options = recipe
        self.unit = 2 if recipe.mode_seeking_weight else 1
        self.generator = Generator(recipe)
        self.discriminator = Discriminator(recipe)
        self.apply(_initialise)
        if recipe.discriminator_norm == "spectral":
            self.discriminator.apply(_normalise_spectrum)

    def averaged(self) -> tuple[str, ...]:
        return tuple(name for name in self.networks if name != "discriminator")

    def decode(self, latents: Tensor) -> Tensor:
        return (self.generator(latents) + 1) / 2

    def discriminate(self, images: Tensor) -> Tensor:
        """D(x) of each image, [n], from 0 to 1: above a half where it holds it for real. Where it
        learnt by cross-entropy, the probability it gives that; a hinge loss teaches none."""
        return self.discriminator(images * 2 - 1).sigmoid()

    def turns(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Iterator[Turn]:
        loss_kind = self.options.loss
        if self.mirrored:
            images = augmentation.mirror(images, rng)
        labels = self._known(labels)
        asked = _in_pairs(labels) if self.options.mode_seeking_weight else labels
        with self.autocast():
            latents = self._latents(asked, rng)
            fakes = self.generator(latents)
            real_logits = self.discriminator(self._seen(images * 2 - 1, rng), labels)
            fake_logits = self.discriminator(self._seen(fakes.detach(), rng), asked)
        loss = losses.discriminator_loss(real_logits, fake_logits, loss_kind)
        measured = {
            "discriminator_loss": loss.detach(),
            "d_real": real_logits.detach().float().sigmoid().mean(),
            "d_fake": fake_logits.detach().float().sigmoid().mean(),
        }
        if self.options.r1_weight:
            chosen, part = random_numbers.every(PENALISED, len(images), rng)
            some = (images[chosen] * 2 - 1).requires_grad_()
            penalty = loss.new_zeros(())
            if len(some):  # Of several processes' images, none may be this one's.
                with self.autocast():
                    logits = self.discriminator(some, labels[chosen])
                penalty = losses.gradient_penalty(logits, some) * part
            loss = loss + self.options.r1_weight * penalty
            measured["r1"] = penalty.detach()
        yield Turn(("discriminator",), loss, measured)
        # The same fakes before the discriminator that has just learnt.
        with self.autocast():
            fake_logits = self.discriminator(self._seen(fakes, rng), asked)
        loss = losses.generator_loss(fake_logits, loss_kind)
        measured = {"generator_loss": loss.detach()}
        if self.options.mode_seeking_weight:
            part = random_numbers.pairs(rng)
            sameness = losses.mode_seeking(latents, fakes) * part
            loss = loss + self.options.mode_seeking_weight * sameness
            measured["mode_seeking"] = sameness.detach()
        moving = tuple(name for name in self.networks if name != "discriminator")
        yield Turn(moving, loss, measured)

    def measure(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        labels = self._known(labels)
        with self.autocast():
            fakes = self.generator(self._latents(labels, rng))
            real_logits = self.discriminator(images * 2 - 1, labels)
            fake_logits = self.discriminator(fakes, labels)
        return {
            "generator_loss": losses.generator_loss(fake_logits, self.options.loss),
            "discriminator_loss": losses.discriminator_loss(
                real_logits, fake_logits, self.options.loss
            ),
            "d_real": real_logits.float().sigmoid().mean(),
            "d_fake": fake_logits.float().sigmoid().mean(),
        }

    def optimizer_options(self, network: str) -> dict[str, Any]:
        recipe = self.options
        own = network == "discriminator"
        rate = recipe.discriminator_learning_rate if own else recipe.generator_learning_rate
        return {"lr": rate, "betas": (recipe.beta1, 0.999)}

    def _latents(self, labels: Tensor, rng: torch.Generator) -> Tensor:
        """New latents [n, latent_dim], of the classes `labels` [n] where it has classes."""
        latents = random_numbers.normal((len(labels), self.latent_dim), rng)
        return latents if self.prior is None else self.prior(latents, labels)

    def _seen(self, images: Tensor, rng: torch.Generator) -> Tensor:
        kind = self.options.discriminator_augmentation
        return augmentation.for_discriminator(images, kind, rng)

    def _known(self, labels: Tensor) -> Tensor:
        """The classes it can tell apart: own pictures are all of one."""
        return labels.clamp(max=self.options.class_count - 1)


def _in_pairs(labels: Tensor) -> Tensor:
    """The classes [n] of fakes of which each two neighbours are of one class."""
    asked = labels.clone()
    asked[1::2] = labels[: len(labels) // 2 * 2 : 2]
    return asked


def _initialise(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), those of a normalisation from N(1, 0.02) (Radford et al. 2016)."""
    if any(weight.is_meta for weight in layer.parameters(recurse=False)):
        return
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
    else:
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _normalise_spectrum(layer: nn.Module) -> None:
    """Divides weights by their largest singular value (Miyato et al. 2018)."""
    if isinstance(layer, nn.Linear | nn.Conv2d):
        if layer.weight.is_meta:  # It begins with products of the weights.
            layer.weight = nn.Parameter(torch.zeros(layer.weight.shape, device="cpu"))
        parametrizations.spectral_norm(layer)
