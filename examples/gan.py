"""A generative adversarial network on MNIST, the whole of it in one file: `python examples/gan.py`.

Networks, losses and steps are those of the recipe `gan-mnist`. The package adds what makes a
training safe to stop, quick and pleasant to watch; none of that is needed to understand a GAN.

Goodfellow et al. 2014, "Generative Adversarial Networks"; the optimizer's settings and the initial
weights are DCGAN's (Radford et al. 2016).
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.utils import save_image

LATENT_DIM = 64


class Generator(nn.Sequential):
    """Latents z [n, 64] to images in [-1, 1], [n, 1, 28, 28]."""

    def __init__(self):
        super().__init__(
            nn.Linear(LATENT_DIM, 256),
            nn.LeakyReLU(0.01),
            nn.Linear(256, 784),
            nn.Unflatten(1, (1, 28, 28)),
            nn.Tanh(),
        )


class Discriminator(nn.Sequential):
    """Images in [-1, 1] to one logit each, [n, 1]; its sigmoid is D(x), "real" above a half."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, 128), nn.LeakyReLU(0.01), nn.Linear(128, 1))


class GAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = Generator()
        self.discriminator = Discriminator()
        self.apply(initialise)
        adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), **adam)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), **adam)

    def step(self, x: Tensor) -> tuple[float, float]:
        """Both players' moves on a batch of images in [0, 1]; the losses of D and of G."""
        fakes = self.generator(torch.randn(len(x), LATENT_DIM))

        # The discriminator's move: -log D(x) - log(1 - D(G(z))). `detach` stops the gradient
        # before the generator, which must not learn to help its opponent.
        real_logits = self.discriminator(x * 2 - 1)
        fake_logits = self.discriminator(fakes.detach())
        discriminator_loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        self.discriminator_optimizer.zero_grad()
        discriminator_loss.backward()
        self.discriminator_optimizer.step()

        # The generator's move: -log D(G(z)). Minimising log(1 - D(G(z))) has the same goal, but
        # hardly any gradient while the discriminator is winning (section 3 of the paper).
        generator_loss = F.softplus(-self.discriminator(fakes)).mean()
        self.generator_optimizer.zero_grad()
        generator_loss.backward()
        self.generator_optimizer.step()
        return discriminator_loss.item(), generator_loss.item()

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """New images in [0, 1]."""
        return (self.generator(torch.randn(count, LATENT_DIM)) + 1) / 2


def initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        nn.init.zeros_(layer.bias)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a GAN on MNIST and draw 64 new digits.")
    parser.add_argument("--data-dir", default="data", help="the folder for MNIST")
    parser.add_argument("--epochs", type=int, default=30, help="passes over the 60,000 images")
    parser.add_argument("--out", default="gan.png", help="the picture to write")
    options = parser.parse_args()

    torch.manual_seed(0)
    gan = GAN()
    mnist = datasets.MNIST(options.data_dir, download=True, transform=transforms.ToTensor())
    for epoch in range(1, options.epochs + 1):
        losses = [gan.step(x) for x, _ in DataLoader(mnist, batch_size=128, shuffle=True)]
        discriminator, generator = (sum(of) / len(of) for of in zip(*losses, strict=True))
        print(f"epoch {epoch}: loss of D {discriminator:.2f}, of G {generator:.2f}", flush=True)
        save_image(gan.sample(64), options.out)
    print(f"64 new digits are in {options.out}")


if __name__ == "__main__":
    main()
