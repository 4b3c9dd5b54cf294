"""What latents.json keeps of a model's posteriors, for pages that do without the data set."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genmodels import runs
from genmodels.data import image_tensors, own_pictures
from genmodels.errors import DataError, RunError
from genmodels.models import losses
from genmodels.recipes import DATASETS
from genmodels.runs import Run

STORED = 2000
"""How many posterior means of held-out images are kept at most."""
NUMBERS = 64_000
"""How many numbers those have at most, all together: as text they are a megabyte."""
BATCH = 128
FITTED = 20_000
"""How many training images a prior is fitted to at most."""


class Stored(NamedTuple):
    """The posterior means that a run keeps, and the classes of their images."""

    means: Tensor
    """float32 [n, latent_dim]."""
    labels: list[int]
    """Places in `classes`, one for each mean."""
    classes: list[str]
    images: list[int]
    """Their numbers among the held-out images."""


def store(run: Run, plain: dict[str, Any]) -> None:
    """Keeps the `summary` of the model whose weights the run has now."""
    whose = {"weights_fingerprint": runs.fingerprint(run)}
    runs.write_json(run.path / "latents.json", plain | whose)


def kept(run: Run) -> dict[str, Any]:
    """What latents.json says of the run's weights; empty where it is of earlier ones, as it is
    after a resumed training was killed. Raises RunError."""
    plain = run.latents()
    whose = plain.get("weights_fingerprint")
    of_these = runs.fingerprint(run) == whose if whose else _written_last(run)
    return plain if of_these else {}


def _written_last(run: Run) -> bool:
    """Whether a training of before latents.json said of which weights it is ended by writing it:
    one that is done, or was stopped at the epoch whose weights are kept."""
    status = run.status()
    seen = max((line["images_seen"] for line in run.metrics()), default=0)
    return status.state == "done" or (status.state == "stopped" and status.images_seen == seen)


def stored(run: Run) -> Stored | None:
    """The posterior means in latents.json; None where it keeps none. Raises RunError."""
    plain = kept(run)
    if not plain.get("posterior_means"):
        return None
    means = torch.tensor(plain["posterior_means"], dtype=torch.float32)
    labels = plain.get("labels", [])
    # Runs of before this was recorded keep the first ones.
    images = plain.get("images", list(range(len(labels))))
    names = image_classes(run) or list(plain.get("class_means", {}))
    if not len(means) == len(labels) == len(images) or max(labels) >= len(names):
        raise RunError(f"{run.id}: latents.json is damaged; delete the file, or restore it.")
    return Stored(means, labels, names, images)


def classes(run: Run) -> list[str]:
    """The names of the classes that a run's model can tell apart; none of own pictures, which are
    all of one class to it."""
    return image_classes(run) if run.recipe.pictures is None else []


def image_classes(run: Run) -> list[str]:
    """The names of the classes of the images that a run learnt from; empty where its pictures
    were deleted."""
    if run.recipe.pictures is None:
        return list(DATASETS[run.recipe.dataset].classes)
    try:
        return list(own_pictures.open_set(run.recipe.pictures).classes)
    except DataError:
        return []


def class_means(run: Run, model: Any) -> dict[str, list[float]]:
    """The mean latent of each class by its name: of the posteriors, or where the model has no
    encoder, of its prior. Empty where it knows no classes."""
    if model.prior is None or hasattr(model, "encode"):
        return kept(run).get("class_means", {})
    means = model.prior.means[:, 0]
    return dict(zip(classes(run), means.tolist(), strict=False))


@torch.inference_mode()
def summary(model: Any, train: image_tensors.Images, val: image_tensors.Images) -> dict[str, Any]:
    """Plain numbers of a model in evaluation mode:

    - class_means: the mean of the posterior means of each class's training images
    - kl: what each number of the latent adds to the KL, mean over the training images, in nats
    - posterior_means, labels: of held-out images at equal steps through all of them, since a
      data set may be stored class by class; images: their numbers
    """
    means, kl = _encode(model, train.pixels)
    count = min(STORED, NUMBERS // model.latent_dim, len(val))
    chosen = torch.linspace(0, len(val) - 1, count).round().long()
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


@torch.inference_mode()
def fit_prior(model: Any, train: image_tensors.Images, check_stop: Callable[[], None]) -> None:
    """Fits the Gaussians of a VAE's prior to the posteriors of each class's training images.

    What the decoder has learnt to make pictures of are draws from posteriors, and together they
    do not fill N(0, 1) evenly (Hoffman and Johnson 2016); Gaussians fitted to draws of them do
    better (Ghosh et al. 2020). Of so many images, one draw each, by expectation maximisation.
    """
    from sklearn.mixture import GaussianMixture  # Takes a second, and few trainings need it.

    prior = model.prior
    pixels, labels = train.pixels[:FITTED], train.labels[:FITTED].clamp(max=prior.classes - 1)
    rng = torch.Generator(model.device).manual_seed(0)
    draws = torch.cat(
        [
            losses.reparametrise(mean, log_variance, rng).cpu()
            for mean, log_variance in _posteriors(model, pixels)
        ]
    )
    for label in range(prior.classes):
        check_stop()
        mine = draws[labels == label].double().numpy()
        count = min(prior.means.shape[1], len(mine) // 2)
        if not count:  # Too few to tell: N(0, 1), as it began.
            continue
        mixture = GaussianMixture(count, reg_covar=1e-4, random_state=0).fit(mine)
        weights, means, covariances = (
            torch.from_numpy(fitted)
            for fitted in (mixture.weights_, mixture.means_, mixture.covariances_)
        )
        prior.weights[label] = 0.0
        prior.weights[label, :count] = weights
        prior.means[label, :count] = means
        prior.scales[label, :count] = torch.linalg.cholesky(covariances)


def _posteriors(model: Any, pixels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Means and log variances, float32, a batch at a time."""
    for part in image_tensors.batches(len(pixels), BATCH):
        mean, log_variance = model.encode(image_tensors.to_float(pixels[part].to(model.device)))
        yield mean.float(), log_variance.float()


def _encode(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior means [n, latent_dim], and the mean KL of each number [latent_dim]."""
    means, terms = [], []
    for mean, log_variance in _posteriors(model, pixels):
        means.append(mean.cpu())
        terms.append(losses.kl_terms(mean, log_variance).cpu())
    return torch.cat(means), torch.cat(terms).double().mean(0)


def _rounded(values: Tensor) -> list:
    return np.round(values.double().numpy(), 4).tolist()
