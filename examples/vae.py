"""A variational autoencoder on MNIST, the whole of it in one file: `python examples/vae.py`.

Networks, loss and steps are those of the recipe `vae-mnist`. The package adds what makes a
training safe to stop, quick and pleasant to watch; none of that is needed to understand a VAE.

Kingma and Welling 2014, "Auto-Encoding Variational Bayes".
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.utils import save_image

LATENT_DIM = 16


class Encoder(nn.Module):
    """Images x [n, 1, 28, 28] to the mean and log variance of q(z|x), each [n, 16]."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU()
        )
        self.mean = nn.Linear(256, LATENT_DIM)
        self.log_variance = nn.Linear(256, LATENT_DIM)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.mean(h), self.log_variance(h)


class Decoder(nn.Sequential):
    """Latents z [n, 16] to the logits of p(x|z), one for each pixel: [n, 1, 28, 28]."""

    def __init__(self):
        super().__init__(
            nn.Linear(LATENT_DIM, 256),
            nn.ReLU(),
            nn.Linear(256, 512),
            nn.ReLU(),
            nn.Linear(512, 784),
            nn.Unflatten(1, (1, 28, 28)),
        )


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)

    def negative_elbo(self, x: Tensor) -> Tensor:
        """The loss, in nats per image: reconstruction + KL, averaged over the batch."""
        mean, log_variance = self.encoder(x)
        # Reparametrisation: z is drawn from q(z|x), and gradients still reach mean and variance.
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        # -log p(x|z), a Bernoulli in each pixel, summed over pixels. Averaged, this term would be
        # 784 times smaller and the KL term would win: every z would decode to the same grey.
        logits = self.decoder(z)
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        # KL(q(z|x) || N(0, 1)), appendix B of the paper.
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum() / len(x)
        return reconstruction + kl

    def step(self, x: Tensor) -> float:
        """One step of training on a batch of images in [0, 1]; the loss before it."""
        loss = self.negative_elbo(x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """New images in [0, 1]: latents drawn from the prior N(0, 1), decoded."""
        return self.decoder(torch.randn(count, LATENT_DIM)).sigmoid()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a VAE on MNIST and draw 64 new digits.")
    parser.add_argument("--data-dir", default="data", help="the folder for MNIST")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the 60,000 images")
    parser.add_argument("--out", default="vae.png", help="the picture to write")
    options = parser.parse_args()

    torch.manual_seed(0)
    vae = VAE()
    mnist = datasets.MNIST(options.data_dir, download=True, transform=transforms.ToTensor())
    for epoch in range(1, options.epochs + 1):
        losses = [vae.step(x) for x, _ in DataLoader(mnist, batch_size=64, shuffle=True)]
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.1f} nats", flush=True)
        save_image(vae.sample(64), options.out)
    print(f"64 new digits are in {options.out}")


if __name__ == "__main__":
    main()
