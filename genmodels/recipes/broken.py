"""Trainings that go wrong in an instructive way: one change each to a recipe that works."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from genmodels import recipes

from . import Recipe


@dataclass(frozen=True)
class Variation:
    """A change to a named recipe, short enough to wait for: under two minutes on two cores."""

    title: str
    recipe_name: str
    """Also the id of the shipped run to compare with."""
    changes: dict[str, Any]
    look_for: str

    @property
    def recipe(self) -> Recipe:
        return dataclasses.replace(recipes.named(self.recipe_name), **self.changes)


VARIATIONS = (
    Variation(
        "KL weight 0",
        "vae-mnist",
        {"kl_weight": 0.0, "epochs": 5},
        "Nothing holds the posteriors near the prior any more: the reconstruction gets better, "
        "but samples from the prior turn into scribbles.",
    ),
    Variation(
        "KL weight 10",
        "vae-mnist",
        {"kl_weight": 10.0, "epochs": 5},
        "The posteriors are pressed onto the prior: the KL falls to little, and with it what a "
        "latent can say; the samples become soft averages of digits.",
    ),
    Variation(
        "Mean instead of sum",
        "vae-mnist",
        {"reduction": "mean", "epochs": 5},
        "Averaged over 784 pixels the reconstruction weighs next to nothing: the KL goes to 0, "
        "and all samples are the same grey mean. This is posterior collapse.",
    ),
    Variation(
        "Learning rate times 10",
        "vae-mnist",
        {"learning_rate": 1e-2, "epochs": 5},
        "Steps too long to settle: the loss stays higher and rougher than the healthy run's, "
        "or leaps and does not come back.",
    ),
    Variation(
        "500 training images",
        "vae-mnist",
        {"train_limit": 500, "epochs": 60},
        "The two curves part: on its own 500 images (dashed) the loss falls ever further below "
        "that on held-out ones. It learns them by heart sooner than to draw digits.",
    ),
    Variation(
        "Two latent dimensions",
        "vae-mnist",
        {"latent_dim": 2, "epochs": 5},
        "Two numbers have to say which digit it is and how it is written: the KL is smaller, the "
        "reconstruction worse, and 4 and 9 run into one another.",
    ),
    Variation(
        "Discriminator too strong",
        "gan-mnist",
        {"discriminator_learning_rate": 5e-3, "generator_learning_rate": 1e-5, "epochs": 8},
        "D learns 500 times as fast as G and tells real from generated at once: D(x) goes to 1, "
        "D(G(z)) to 0, the generator's loss climbs far above the healthy run's, and the pictures "
        "stay grey noise.",
    ),
)
