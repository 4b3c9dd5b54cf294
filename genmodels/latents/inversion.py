"""From a picture back to a latent: by the encoder where a model has one, else by descent."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.models import LatentModel, losses

DRAWS = 64
"""Draws from the posterior over which the reconstruction error is averaged."""
LEARNING_RATE = 0.1
PULL = 1e-4
"""Weight of a latent's mean square beside the mean squared error of the pixels."""


class Posterior(NamedTuple):
    """What an encoder makes of one picture, and the decoder of that."""

    mean: Tensor
    """[latent_dim]"""
    log_variance: Tensor
    """[latent_dim]"""
    kl: Tensor
    """What each number of the latent adds to the KL, in nats: [latent_dim]"""
    image: Tensor
    """The picture decoded from the mean: [channels, height, width]"""
    reconstruction: float
    """The reconstruction error, summed over pixels, in nats."""


class Step(NamedTuple):
    """The best latent after some steps of a descent."""

    step: int
    latent: Tensor
    """[latent_dim]"""
    image: Tensor
    """[channels, height, width]"""
    error: float
    """Mean squared error of the pixels, in [0, 1]."""


@torch.inference_mode()
def posterior(model, image: Tensor, seed: int = 0, variance: float | None = None) -> Posterior:
    """The posterior of one picture [channels, height, width] in [0, 1].

    The reconstruction error is the mean over draws from the posterior, as the ELBO has it; where
    the decoder is a Gaussian, that has this variance.
    """
    images = image.to(model.device).expand(DRAWS, *image.shape)
    mean, log_variance = model.encode(images[:1])
    many = mean.expand(DRAWS, -1), log_variance.expand(DRAWS, -1)
    latents = losses.reparametrise(*many, torch.Generator(model.device).manual_seed(seed))
    decoded = model.decode(latents)
    if model.likelihood == "gaussian":
        errors = losses.gaussian_error(decoded, images, variance=variance)
    else:
        # A probability in float32 is no closer to 1 than this.
        errors = losses.reconstruction_error(decoded.logit(eps=2**-24), images)
    error = errors.mean().item()
    kl = losses.kl_terms(mean, log_variance)[0]
    return Posterior(mean[0], log_variance[0], kl, model.decode(mean)[0], error)


def invert(
    model: LatentModel, image: Tensor, steps: int, seed: int, *, restarts: int = 8, every: int = 5
) -> Iterator[Step]:
    """The latent whose picture is nearest to an image [channels, height, width] in [0, 1].

    Adam descends the pixels' mean squared error from `restarts` latents of the prior at once,
    with a small pull towards the middle of the latent space (Creswell and Bharath 2018, "Inverting
    the generator of a generative adversarial network"). The best that any of them had so far
    comes at step 0, after every `every` steps and after the last one. The model is left as it is.
    """
    target = image.to(model.device)
    latents = model.sample_latents(restarts, seed).requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=LEARNING_RATE)
    best = None
    for step in range(steps + 1):
        # Entered anew in each step: between two of them the caller has the thread.
        with torch.enable_grad():
            images = model.decode(latents)
            errors = (images - target).square().mean((1, 2, 3))
            loss = (errors + PULL * latents.square().mean(1)).sum()
            # The parameters' own gradients are others' business.
            (latents.grad,) = torch.autograd.grad(loss, [latents])
        nearest = int(errors.argmin())
        if best is None or errors[nearest] < best.error:
            found = latents[nearest].detach().clone(), images[nearest].detach()
            best = Step(step, *found, errors[nearest].item())
        if step % every == 0 or step == steps:
            yield best._replace(step=step)
        optimizer.step()
