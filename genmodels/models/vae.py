"""Variational autoencoders (Kingma and Welling 2014)."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genmodels.recipes import VAERecipe

from . import augmentation, losses, random_numbers, residual
from .base import LatentModel, Turn, norm_layer
from .prior import ClassPrior

LINEAR_WIDTHS = (512, 256)
CONVOLUTIONAL_WIDTHS = (32, 64, 128, 256)


class Encoder(nn.Module):
    """Images to the mean and log variance of the posterior."""

    def __init__(self, recipe: VAERecipe):
        super().__init__()
        layers: list[nn.Module] = []
        if recipe.network == "linear":
            layers.append(nn.Flatten())
            width = math.prod(recipe.shape)
            for features in LINEAR_WIDTHS:
                layers += [nn.Linear(width, features)]
                layers += [*norm_layer(recipe.encoder_norm, features, 1), nn.ReLU()]
                width = features
        elif recipe.network == "residual":
            norm = partial(norm_layer, recipe.encoder_norm, dimensions=2)
            layers, width = residual.falling(recipe.shape, recipe.feature_maps, norm)
            layers.append(nn.Flatten())
            width *= residual.widths(recipe.shape[1], 1)[0] ** 2
        else:
            width = recipe.shape[0]
            for features in CONVOLUTIONAL_WIDTHS:
                layers += [nn.Conv2d(width, features, 4, stride=2)]
                layers += [*norm_layer(recipe.encoder_norm, features, 2), nn.ReLU()]
                width = features
            layers.append(nn.Flatten())
            width *= 2 * 2  # 64 pixels become 31, 14, 6, 2.
        self.body = nn.Sequential(*layers)
        self.mean = nn.Linear(width, recipe.latent_dim)
        self.log_variance = nn.Linear(width, recipe.latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return self.mean(features), self.log_variance(features)


class Decoder(nn.Sequential):
    """Latents to the logits of the pixels."""

    def __init__(self, recipe: VAERecipe):
        layers: list[nn.Module] = []
        if recipe.network == "linear":
            width = recipe.latent_dim
            for features in reversed(LINEAR_WIDTHS):
                layers += [nn.Linear(width, features)]
                layers += [*norm_layer(recipe.decoder_norm, features, 1), nn.ReLU()]
                width = features
            layers += [nn.Linear(width, math.prod(recipe.shape)), nn.Unflatten(1, recipe.shape)]
        elif recipe.network == "residual":
            norm = partial(norm_layer, recipe.decoder_norm, dimensions=2)
            layers += residual.rising(recipe.latent_dim, recipe.shape, recipe.feature_maps, norm)
        else:
            # 1 pixel becomes 5, 13, 30, 64 (as in Ha and Schmidhuber 2018, World Models).
            width = 1024
            layers += [nn.Linear(recipe.latent_dim, width), nn.Unflatten(1, (width, 1, 1))]
            for features, kernel in ((128, 5), (64, 5), (32, 6)):
                layers += [nn.ConvTranspose2d(width, features, kernel, stride=2)]
                layers += [*norm_layer(recipe.decoder_norm, features, 2), nn.ReLU()]
                width = features
            layers += [nn.ConvTranspose2d(width, recipe.shape[0], 6, stride=2)]
        super().__init__(*layers)


class VAE(LatentModel):
    """An encoder, a decoder and the ELBO between them."""

    def __init__(self, recipe: VAERecipe):
        prior = None
        if recipe.prior == "classes":
            classes, components = recipe.class_count, recipe.components
            prior = ClassPrior(classes, components, recipe.latent_dim, scaled=True)
        super().__init__(recipe, prior)
        self.likelihood = recipe.likelihood
        self.kl_weight = recipe.kl_weight
        self.reduction: Literal["sum", "mean"] = recipe.reduction
        self.learning_rate = recipe.learning_rate
        self.feature_weight = recipe.feature_weight
        self.features: Callable[[Tensor], list[Tensor]] | None = None
        """What a judge of images sees of them, stage by stage; set where the recipe asks for it."""
        self.encoder = Encoder(recipe)
        self.decoder = Decoder(recipe)

    def averaged(self) -> tuple[str, ...]:
        return ("encoder", "decoder")

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the posterior, each [n, latent_dim]."""
        return self.encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        """The decoder's means, which is why a VAE's pictures are soft."""
        return self.decoder(latents).sigmoid()

    def turns(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Iterator[Turn]:
        if self.mirrored:
            images = augmentation.mirror(images, rng)
        loss, measured = self._negative_elbo(images, rng)
        yield Turn(("encoder", "decoder"), loss, measured)

    def measure(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return self._negative_elbo(images, rng)[1]

    def optimizer_options(self, network: str) -> dict[str, Any]:
        return {"lr": self.learning_rate}

    def _negative_elbo(
        self, images: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss with one draw from each posterior; -ELBO where both weights are 1."""
        with self.autocast():
            mean, log_variance = self.encoder(images)
        mean, log_variance = mean.float(), log_variance.float()
        latents = losses.reparametrise(mean, log_variance, rng)
        with self.autocast():
            logits = self.decoder(latents)
        if self.likelihood == "gaussian":
            means = logits.sigmoid()
            # Where processes share the batch, its variance is of all their images. Its gradient
            # is none: it is the variance that makes the whole batch most probable.
            squares = random_numbers.batch_mean((means.float() - images).square(), rng)
            variance = None if squares is None else squares.clamp(min=losses.LEAST_VARIANCE)
            reconstruction = losses.gaussian_error(means, images, self.reduction, variance)
        else:
            reconstruction = losses.reconstruction_error(logits, images, self.reduction)
        reconstruction = reconstruction.mean()
        kl = losses.kl_divergence(mean, log_variance).mean()
        loss = reconstruction + self.kl_weight * kl
        measured = {"reconstruction": reconstruction, "kl": kl}
        if self.features is not None:
            with self.autocast():
                seen = self.features(logits.sigmoid())
            with torch.no_grad(), self.autocast():
                wanted = self.features(images)
            measured["features"] = losses.feature_distance(seen, wanted).mean()
            loss = loss + self.feature_weight * measured["features"]
        measured = {"loss": loss, **measured}
        return loss, {name: value.detach() for name, value in measured.items()}
