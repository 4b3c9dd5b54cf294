"""Gaussians of each class, to draw latents from in place of N(0, 1)."""

import torch
from torch import Tensor, nn


class ClassPrior(nn.Module):
    """A mixture of Gaussians for each class; the classes are equally probable.

    A GAN learns one mean for each class with its generator: what that does to its first layer is
    what a class given beside the latent would do (Mirza and Osindero 2014). For a VAE all of it
    is fitted to the posteriors (see `genmodels.latents.posteriors.fit_prior`).
    """

    def __init__(self, classes: int, components: int, latent_dim: int, scaled: bool):
        super().__init__()
        self.classes = classes
        size = (classes, components, latent_dim)
        self.means = nn.Parameter(torch.zeros(size), requires_grad=False)
        self.scales = self.weights = None
        if not scaled:
            # As far from one another as latents of N(0, 1) are.
            self.means = nn.Parameter(torch.empty(size))
            if not self.means.is_meta:
                nn.init.normal_(self.means)
        else:
            scales = torch.zeros(*size, latent_dim)
            scales.diagonal(dim1=-2, dim2=-1).fill_(1)
            self.scales = nn.Parameter(scales, requires_grad=False)
            """Lower triangular; its product with its transpose is the covariance."""
            weights = torch.full((classes, components), 1 / components)
            self.weights = nn.Parameter(weights, requires_grad=False)

    def forward(self, noise: Tensor, labels: Tensor, choice: Tensor | None = None) -> Tensor:
        """Noise from N(0, 1) [n, latent_dim] to latents of the classes `labels` [n].

        `choice`, uniform in [0, 1), is for the component of each, [n].
        """
        if self.scales is None or self.weights is None:
            return self.means[labels, 0] + noise
        assert choice is not None
        reached = self.weights[labels].cumsum(1)
        component = (choice[:, None] >= reached[:, :-1]).sum(1)
        scaled = torch.einsum("nij,nj->ni", self.scales[labels, component], noise)
        return self.means[labels, component] + scaled

    @torch.no_grad()
    def quantiles(self, probabilities: Tensor) -> Tensor:
        """Below which value each number of a latent, of any class, is with each of these
        probabilities [n], in (0, 1): [n, latent_dim]."""
        means = self.means.flatten(0, 1).double()[:, None]
        deviations = torch.ones_like(means)
        weights = torch.full((len(means),), 1 / len(means), dtype=torch.float64)
        if self.scales is not None and self.weights is not None:
            deviations = self.scales.flatten(0, 1).double().norm(dim=2)[:, None]
            weights = self.weights.flatten().double() / self.classes
        # Each component of the mixture has it between these; halved until float32 is reached.
        ends = means + deviations * torch.special.ndtri(probabilities.double())[:, None]
        low, high = ends.amin(0), ends.amax(0)
        for _ in range(40):
            middle = (low + high) / 2
            below = torch.einsum(
                "m,mnd->nd", weights, torch.special.ndtr((middle - means) / deviations)
            )
            less = below < probabilities[:, None]
            low, high = torch.where(less, middle, low), torch.where(less, high, middle)
        return ((low + high) / 2).float()
