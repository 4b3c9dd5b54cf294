"""What the networks descend: the ELBO's two terms and the adversarial losses.

Networks give logits; the sigmoid is inside the loss, where it is numerically stable.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from . import random_numbers

LEAST_VARIANCE = 1 / 255**2
"""Below a grey level, an error is that of rounding."""


def reconstruction_error(
    logits: Tensor, images: Tensor, reduction: Literal["sum", "mean"] = "sum"
) -> Tensor:
    """Binary cross-entropy of each image, summed (or averaged) over its pixels, in nats: [n].

    -log p(x|z) of a Bernoulli decoder (Kingma and Welling 2014, appendix C.1). On grey values
    it is no proper likelihood: its least value is the entropy of the pixels, not 0.
    """
    errors = F.binary_cross_entropy_with_logits(logits.float(), images, reduction="none")
    errors = errors.flatten(1)
    return errors.sum(1) if reduction == "sum" else errors.mean(1)


def gaussian_error(
    means: Tensor,
    images: Tensor,
    reduction: Literal["sum", "mean"] = "sum",
    variance: float | Tensor | None = None,
) -> Tensor:
    """-log p(x|z) of a Gaussian decoder, summed (or averaged) over pixels, in nats: [n].

    One variance serves all pixels; None takes the one that makes this batch most probable, its
    mean squared error (Rybkin et al. 2021, equation 5). So it weighs reconstruction against KL by
    itself. A density: it may be below 0.
    """
    squares = (means.float() - images).square().flatten(1)
    if variance is None:
        variance = squares.mean().clamp(min=LEAST_VARIANCE)
    variance = torch.as_tensor(variance)
    errors = 0.5 * (squares / variance + (2 * math.pi * variance).log())
    return errors.sum(1) if reduction == "sum" else errors.mean(1)


def feature_distance(features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """How differently a network sees the images of two batches: [n].

    At each place of each stage's features [n, channels, h, w] the squared distance of the two
    directions, mean over places and sum over stages (Zhang et al. 2018, without learnt weights).
    """
    distance = torch.zeros(())
    for pair in zip(features, others, strict=True):
        one, other = (F.normalize(stage.float(), dim=1, eps=1e-3) for stage in pair)
        distance = distance + (one - other).square().sum(1).mean((1, 2))
    return distance


def variance_behind(error: float, pixels: int) -> float:
    """The variance at which `gaussian_error`, summed over so many pixels, has this mean over the
    images that it was fitted to."""
    return math.exp(2 * error / pixels - 1) / (2 * math.pi)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of each latent, summed over its numbers, in nats: [n].

    Kingma and Welling 2014, appendix B.
    """
    return kl_terms(mean, log_variance).flatten(1).sum(1)


def kl_terms(mean: Tensor, log_variance: Tensor) -> Tensor:
    """What each number of a latent adds to `kl_divergence`, in nats: [n, latent_dim]."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


AdversarialLoss = Literal["cross-entropy", "hinge"]


def discriminator_loss(
    real_logits: Tensor, fake_logits: Tensor, kind: AdversarialLoss = "cross-entropy"
) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))) in nats (Goodfellow et al. 2014, equation 1).

    hinge: E max(0, 1 - logit) over real images and E max(0, 1 + logit) over fakes (Lim and Ye
    2017).
    """
    real, fake = real_logits.float(), fake_logits.float()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake_logits: Tensor, kind: AdversarialLoss = "cross-entropy") -> Tensor:
    """-E log D(G(z)) in nats, which does not saturate (Goodfellow et al. 2014, section 3).

    hinge: minus the mean logit.
    """
    fake = fake_logits.float()
    return -fake.mean() if kind == "hinge" else F.softplus(-fake).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Half the squared gradient of each image's logit with respect to it, mean over images: R1
    (Mescheder et al. 2018, equation 9). `images` must require gradients."""
    (gradients,) = torch.autograd.grad(logits.float().sum(), images, create_graph=True)
    return 0.5 * gradients.float().square().flatten(1).sum(1).mean()


def mode_seeking(latents: Tensor, images: Tensor) -> Tensor:
    """How much farther apart two latents are than their pictures: the mean over pairs, each a row
    and the next, of the ratio of their mean absolute differences; large where a generator makes
    one picture of all latents. Mao et al. 2019, equation 2, turned over so as to be descended; of
    each pair by itself. Pictures nearer than 1e-4 count as that near, and give no gradient.
    """
    count = len(images) // 2 * 2
    apart = [
        (rows[0:count:2].float() - rows[1:count:2].float()).abs().flatten(1).mean(1)
        for rows in (latents, images)
    ]
    return (apart[0] / apart[1].clamp(min=1e-4)).sum() / max(1, count // 2)


def reparametrise(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """A draw from N(mean, variance) through which gradients reach both."""
    return mean + random_numbers.normal(mean.shape, rng) * (0.5 * log_variance).exp()
