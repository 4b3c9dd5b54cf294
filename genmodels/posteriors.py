"""What latents.json keeps of a model's posteriors, for pages that do without the data set."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import data, objectives

STORED = 2000
"""How many posterior means of held-out images are kept."""
BATCH = 128


@torch.inference_mode()
def summary(model: Any, train: data.Images, val: data.Images) -> dict[str, Any]:
    """Plain numbers of a model in evaluation mode:

    - class_means: the mean of the posterior means of each class's training images
    - kl: what each number of the latent adds to the KL, mean over the training images, in nats
    - posterior_means, labels: of the first held-out images
    """
    means, kl = _encode(model, train.pixels)
    groups = {name: means[train.labels == label] for label, name in enumerate(train.classes)}
    return {
        "class_means": {
            name: _rounded(group.mean(0)) for name, group in groups.items() if len(group)
        },
        "kl": _rounded(kl),
        "posterior_means": _rounded(_encode(model, val.pixels[:STORED])[0]),
        "labels": val.labels[:STORED].tolist(),
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
