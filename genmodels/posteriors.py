"""What latents.json keeps of a model's posteriors, for pages that do without the data set."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import data, objectives, own_pictures
from .errors import DataError, RunError
from .recipes import DATASETS
from .runs import Run

STORED = 2000
"""How many posterior means of held-out images are kept."""
BATCH = 128


class Stored(NamedTuple):
    """The posterior means that a run keeps, and the classes of their images."""

    means: Tensor
    """float32 [n, latent_dim]."""
    labels: list[int]
    """Places in `classes`, one for each mean."""
    classes: list[str]
    images: list[int]
    """Their numbers among the held-out images."""


def stored(run: Run) -> Stored | None:
    """The posterior means in latents.json; None where it keeps none. Raises RunError."""
    plain = run.latents()
    if not plain.get("posterior_means"):
        return None
    try:
        means = torch.tensor(plain["posterior_means"], dtype=torch.float32)
        labels = [int(label) for label in plain["labels"]]
        # Runs of before this was recorded keep the first ones.
        images = [int(number) for number in plain.get("images", range(len(labels)))]
        classes = _classes(run) or list(plain["class_means"])
        whole = means.ndim == 2 and len(means) == len(labels) and bool(means.isfinite().all())
        whole = whole and means.shape[1] == getattr(run.recipe, "latent_dim", 0)
        whole = whole and len(images) == len(labels)
        whole = whole and min(labels) >= 0 and max(labels) < len(classes)
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise RunError(f"{run.id}: latents.json is damaged; delete the file, or restore it.")
    return Stored(means, labels, classes, images)


def _classes(run: Run) -> list[str]:
    """The names of the classes a run learnt from; empty where its pictures were deleted."""
    if run.recipe.pictures is None:
        return list(DATASETS[run.recipe.dataset].classes)
    try:
        return list(own_pictures.open_set(run.recipe.pictures).classes)
    except DataError:
        return []


@torch.inference_mode()
def summary(model: Any, train: data.Images, val: data.Images) -> dict[str, Any]:
    """Plain numbers of a model in evaluation mode:

    - class_means: the mean of the posterior means of each class's training images
    - kl: what each number of the latent adds to the KL, mean over the training images, in nats
    - posterior_means, labels: of held-out images at equal steps through all of them, since a
      data set may be stored class by class; images: their numbers
    """
    means, kl = _encode(model, train.pixels)
    chosen = torch.linspace(0, len(val) - 1, min(STORED, len(val))).round().long()
    groups = {name: means[train.labels == label] for label, name in enumerate(train.classes)}
    return {
        "class_means": {
            name: _rounded(group.mean(0)) for name, group in groups.items() if len(group)
        },
        "kl": _rounded(kl),
        "posterior_means": _rounded(_encode(model, val.pixels[chosen])[0]),
        "labels": val.labels[chosen].tolist(),
        "images": chosen.tolist(),
    }


def _encode(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior means [n, latent_dim], and the mean KL of each number [latent_dim]."""
    means, terms = [], []
    for part in data.batches(len(pixels), BATCH):
        mean, log_variance = model.encode(data.to_float(pixels[part].to(model.device)))
        means.append(mean.float().cpu())
        terms.append(objectives.kl_terms(mean.float(), log_variance.float()).cpu())
    return torch.cat(means), torch.cat(terms).double().mean(0)


def _rounded(values: Tensor) -> list:
    return np.round(values.double().numpy(), 4).tolist()
