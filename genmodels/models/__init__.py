"""The networks and what they can do. A family is one file here and its recipes.

Images are float32 [n, channels, height, width] in [0, 1], latents float32 [n, latent_dim].
"""

import torch

from genmodels.recipes import Recipe

from .base import LatentModel, Model, Turn
from .classifier import Classifier
from .devices import limit_threads
from .gan import GAN
from .vae import VAE

__all__ = ["FAMILIES", "LatentModel", "Model", "Turn", "build"]

FAMILIES: dict[str, type[Model]] = {"vae": VAE, "gan": GAN, "classifier": Classifier}
"""The model of each recipe's family."""


def build(recipe: Recipe) -> Model:
    """A model of fresh networks; its initial weights depend on `recipe.seed` alone."""
    limit_threads()
    family = FAMILIES[recipe.family]
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that one seeds the GPUs too, and they are not put back.
        torch.default_generator.manual_seed(recipe.seed)
        return family(recipe)
