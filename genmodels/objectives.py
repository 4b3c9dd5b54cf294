"""What the networks descend: the ELBO's two terms and the adversarial losses.

Networks give logits; the sigmoid is inside the loss, where it is numerically stable.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from . import noise


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


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of each latent, summed over its numbers, in nats: [n].

    Kingma and Welling 2014, appendix B.
    """
    return kl_terms(mean, log_variance).flatten(1).sum(1)


def kl_terms(mean: Tensor, log_variance: Tensor) -> Tensor:
    """What each number of a latent adds to `kl_divergence`, in nats: [n, latent_dim]."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))) in nats (Goodfellow et al. 2014, equation 1)."""
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-E log D(G(z)) in nats, which does not saturate (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_logits.float()).mean()


def reparametrise(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """A draw from N(mean, variance) through which gradients reach both."""
    return mean + noise.normal(mean.shape, rng) * (0.5 * log_variance).exp()
