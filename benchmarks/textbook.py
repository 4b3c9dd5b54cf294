"""A training as tutorials write it: what `benchmarks.training` compares with.

Files on a disk or torchvision's own MNIST, a transform of each picture by itself, a DataLoader,
float32, plain Adam, and the loss of every step asked for at once.
"""

import time

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from genmodels import paths
from genmodels.recipes import Recipe
from genmodels.training import loop

WORKERS = (0, 2)
"""Of the DataLoader; what is faster is taken. PyTorch's VAE example has none, its DCGAN two."""


class Textbook:
    """The loop over a recipe's networks and losses."""

    def __init__(self, recipe: Recipe, device: torch.device):
        self.recipe, self.device = recipe, device
        self.model = loop.build_to_train(recipe, device).train()
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), **self.model.optimizer_options(name))
            for name, network in self.model.networks.items()
        }
        self.rng = torch.Generator(device).manual_seed(0)
        self.images = images_of(recipe)
        self.losses: list[float] = []

    def choose_workers(self, seconds: float) -> None:
        """Tries each for so long."""
        speeds = {}
        for workers in WORKERS:
            self.workers = workers
            speeds[workers] = self.images_per_second(seconds)
        self.workers = max(speeds, key=lambda workers: speeds[workers])

    def images_per_second(self, seconds: float) -> float:
        loader = DataLoader(
            self.images,
            self.recipe.batch_size,
            shuffle=True,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )
        seen, started = 0, 0.0
        while True:
            for images, labels in loader:
                if not started:  # The workers have come up.
                    started = time.perf_counter()
                self.step(images.to(self.device), labels.to(self.device))
                seen += len(images)
                passed = time.perf_counter() - started
                if passed >= seconds:
                    return seen / passed

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        for turn in self.model.turns(images, labels, self.rng):
            for optimizer in self.optimizers.values():
                optimizer.zero_grad()
            turn.loss.backward()
            for name in turn.networks:
                self.optimizers[name].step()
            self.losses.append(turn.loss.item())


def images_of(recipe: Recipe) -> datasets.VisionDataset:
    """The training images, opened one by one."""
    if recipe.dataset == "mnist":
        return datasets.MNIST(paths.data(), train=True, transform=transforms.ToTensor())
    size = recipe.shape[1]
    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
    return datasets.Imagenette(
        paths.data(), split="train", size="160px", transform=transforms.Compose(steps)
    )
