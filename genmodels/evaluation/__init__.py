"""How good a run's samples are: features, then statistics, then distances, each usable alone.

    from genmodels import evaluation, runs
    run = runs.find("vae-mnist")
    entries = evaluation.evaluate(run, "classifier", samples=10_000)
    evaluation.save(run, entries)

The same from a shell: `python -m genmodels evaluate vae-mnist`.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genmodels import runs
from genmodels.data import datasets
from genmodels.data.image_tensors import Images
from genmodels.errors import RunError
from genmodels.models import weights
from genmodels.models.devices import Device, choose_device
from genmodels.runs import Run, cache

from . import distances, features, neighbours, statistics
from .distances import (
    Estimate,
    EvaluationError,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from .features import Extractor, Kind, Precision, Progress
from .results import Entry, results, save, save_to_cache
from .statistics import Statistics

__all__ = [
    "Entry",
    "EvaluationError",
    "Extractor",
    "Gauge",
    "Statistics",
    "evaluate",
    "frechet_distance",
    "kernel_distance",
    "neighbours",
    "precision_recall",
    "results",
    "save",
    "save_to_cache",
]

LEAST = 4
"""Of fewer images there is neither a kernel distance nor a third neighbour."""
MOST_SAMPLES = 1_000_000
SURE = 0.9
"""The probability of its class from which a classifier counts as sure of a sample."""
COUNTS = (100, 200, 500, 1000, 2000, 5000)
"""Numbers of samples that are measured too, to see what the number does."""
PARTS = 5
"""How many parts of so many samples are averaged at most."""
COVERED = 0.1
"""A class is covered when it has this part, or more, of an equal share of the sure samples."""

Measured = dict[str, tuple[str, Estimate, dict[str, Any]]]
"""Title, value and details by the metric's name."""


def evaluate(
    run: Run,
    kind: Kind | Extractor = "classifier",
    *,
    samples: int = 10_000,
    seed: int = 0,
    data_folder: Path | None = None,
    weights_file: Path | None = None,
    device: Device = "auto",
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> list[Entry]:
    """Measures samples of a run against the held-out real images, by one kind of features.

    Beside each value stands its floor: what as many training images get in place of the
    samples. Nothing is stored but the real images' statistics, in the cache; `save` and
    `save_to_cache` store what this gives. `progress` may raise to interrupt.
    Raises EvaluationError, RunError or DataError.
    """
    progress = progress or (lambda what, done, total: None)
    started = time.perf_counter()
    if samples < LEAST:
        raise EvaluationError(f"measuring takes at least {LEAST} samples, not {samples}.")
    if samples > MOST_SAMPLES:
        raise EvaluationError(f"at most {MOST_SAMPLES:,} samples are measured; ask for fewer.")
    if not 0 <= seed < 2**31:
        raise EvaluationError(f"the seed must be from 0 to {2**31 - 1:,}, not {seed}.")
    features.check_known(run.recipe, kind.name if isinstance(kind, Extractor) else kind)
    check_counts(run)
    cache.check_writable()
    place = choose_device(device)
    fingerprint = runs.fingerprint(run)
    model = weights.load_run(run, str(place))
    if not hasattr(model, "sample_latents"):
        raise EvaluationError(f"{run.id} makes no images; name a run of a model that does.")
    dataset = run.recipe.dataset
    extractor = kind
    if not isinstance(extractor, Extractor):
        extractor = features.load(
            extractor,
            dataset,
            weights_file=weights_file,
            device=place,
            precision=precision,
            progress=progress,
        )
    val = datasets.of(run.recipe, "val", data_folder, progress)
    train = datasets.of(run.recipe, "train", data_folder, progress)
    learnt = train
    if run.recipe.train_limit is not None:
        learnt = datasets.learnt_from(run, data_folder, progress)
    check_images(run, learnt, val)
    real = statistics.of_real(val, extractor, None, "Real images (val)", progress)
    if real.covariance.trace() <= (neighbours.SAME * real.mean.norm()) ** 2:
        raise EvaluationError(
            f"{run.id} can't be measured: {extractor.label} sees no difference between its "
            "held-out images. Train it on different pictures."
        )
    others = statistics.of_real(train, extractor, samples, "Real images (train)", progress)
    training = neighbours.training_features(learnt, extractor, progress)
    images = sample_in_batches(model, samples, seed, extractor.batch_size)
    generated = statistics.gather(images, extractor, samples, "Samples", progress)
    if runs.fingerprint(run) != fingerprint:
        raise RunError(f"{run.id} was trained on meanwhile; measure it when its training is over.")
    progress("Distances", 0, 3)
    values = measure(generated, real, training, extractor)
    progress("Distances", 1, 3)
    floors = measure(others, real, training, extractor)
    progress("Distances", 2, 3)
    counted = by_count(generated, others, real)
    progress("Distances", 3, 3)
    seconds = round(time.perf_counter() - started, 1)
    return [
        {
            "metric": metric,
            "title": title,
            "value": estimate.value,
            "error": estimate.error,
            **details,
            "samples": samples,
            "seed": seed,
            "features": extractor.name,
            "features_fingerprint": extractor.fingerprint,
            "weights_fingerprint": fingerprint,
            "real": {
                "dataset": run.recipe.pictures or dataset,
                "split": "val",
                "images": len(val),
                "fingerprint": val.fingerprint,
            },
            "floor": {
                "value": floors[metric][1].value,
                "error": floors[metric][1].error,
                "split": "train",
                "images": others.count,
                "fingerprint": train.fingerprint,
            },
            "by_count": counted.get(metric, []),
            "seconds": seconds,
            "created": runs.now(),
        }
        for metric, (title, estimate, details) in values.items()
    ]


def check_counts(run: Run) -> None:
    """Raises EvaluationError where a run is known to have too few images to be measured."""
    origins = run.info["data"] or {}
    if {"train", "val"} <= origins.keys():
        _check_counts(run, *(origins[split]["images"] for split in ("train", "val")))


def _check_counts(run: Run, learnt: int, held_out: int) -> None:
    if min(learnt, held_out) < LEAST:
        raise EvaluationError(
            f"{run.id} can't be measured: that takes at least {LEAST} training images and "
            f"{LEAST} held-out images, and it has {learnt:,} and {held_out:,}. Train it on more "
            "images: of your own pictures a tenth is held out, so bring at least 40."
        )


def check_images(run: Run, learnt: Images, held_out: Images) -> None:
    """Raises EvaluationError for real images that nothing can be measured against."""
    _check_counts(run, len(learnt), len(held_out))
    if (held_out.pixels == held_out.pixels[:1]).all():
        raise EvaluationError(
            f"{run.id} can't be measured: all of its held-out images are the same picture. "
            "Train it on different pictures."
        )


class Gauge:
    """Measures a model's Fréchet distance while it trains, on the classifier's features."""

    def __init__(self, dataset: str, val: Images, device: torch.device, progress: Progress) -> None:
        """Takes the held-out images' statistics, once. Raises EvaluationError."""
        self.extractor = features.load("classifier", dataset, device=device)
        self.real = statistics.of_real(val, self.extractor, None, "Real images (val)", progress)

    def __call__(
        self, model: Any, samples: int, seed: int, check_stop: Callable[[], None]
    ) -> float:
        """Of a model in eval mode; the same latents for the same seed."""
        images = sample_in_batches(model, samples, seed, self.extractor.batch_size)
        generated = statistics.gather(
            images, self.extractor, samples, "Samples", lambda *_: check_stop()
        )
        return statistics.frechet(generated, self.real).value


def sample_in_batches(model: Any, samples: int, seed: int, size: int) -> Iterator[Tensor]:
    """A model's samples, rounded to 8 bits as pictures of them are and the real images."""
    for latents in model.sample_latents(samples, seed).split(size):
        with torch.inference_mode():
            images = model.decode(latents)
        yield images.clamp(0, 1).mul(255).round().div(255)


def measure(
    generated: Statistics, real: Statistics, training: Tensor, extractor: Extractor
) -> Measured:
    """All that is measured of one set against the real one, and whether it repeats the images
    whose features are `training` [m, d]. Raises EvaluationError.
    """
    label = extractor.label
    precision, recall = precision_recall(real.features, generated.features)
    nearness = neighbours.nearness(generated.features, real.features, training)
    measured: Measured = {
        "frechet": (extractor.title, statistics.frechet(generated, real), {}),
        "kernel": (extractor.kernel_title, kernel_distance(generated.features, real.features), {}),
        "precision": (f"Precision ({label})", precision, {"k": 3}),
        "recall": (f"Recall ({label})", recall, {"k": 3}),
    }
    if nearness is not None:
        title = f"Distance to the nearest training image, of samples / of real images ({label})"
        measured["nearness"] = title, nearness, {}
    title = f"Spread of samples / of real images ({label})"
    measured["spread"] = title, spread(generated, real), {}
    if extractor.head is not None:
        measured |= certainty(generated, extractor)
    return measured


def by_count(
    generated: Statistics, others: Statistics, real: Statistics
) -> dict[str, list[dict[str, Any]]]:
    """Both distances of fewer samples, for each of `COUNTS`, and their floors.

    Each is the mean over up to `PARTS` disjoint parts of the samples, its error the mean's.
    """
    counts = [count for count in COUNTS if count < min(generated.count, others.count)]
    measures = {
        "frechet": lambda some: statistics.frechet(some, real).value,
        "kernel": lambda some: kernel_distance(some.features, real.features).value,
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for metric, measure in measures.items():
        found[metric] = []
        for count in counts:
            values, floors = (
                torch.tensor([measure(part) for part in whole.parts(count, PARTS)])
                for whole in (generated, others)
            )
            error = values.std().item() / len(values) ** 0.5 if len(values) > 1 else None
            found[metric].append(
                {
                    "samples": count,
                    "parts": len(values),
                    "value": values.mean().item(),
                    "error": error,
                    "floor": floors.mean().item(),
                }
            )
    return found


def spread(generated: Statistics, real: Statistics) -> Estimate:
    """The mean distance between two samples over that between two real images; 1 is alike.

    The error is that of drawing the samples.
    """
    ours, theirs = (distances.mean_distance(each.features) for each in (generated, real))
    error = None if ours.error is None else ours.error / theirs.value
    return Estimate(ours.value / theirs.value, error)


def certainty(generated: Statistics, extractor: Extractor) -> Measured:
    """The share of samples the classifier is sure of, and how many classes those cover."""
    probabilities, classes = extractor.probabilities(generated.features).max(1)
    sure = classes[probabilities > SURE]
    counts = torch.bincount(sure, minlength=len(extractor.classes)) / max(1, len(sure))
    covered = (counts >= COVERED / len(extractor.classes)).sum().item()
    shares = dict(zip(extractor.classes, counts.tolist(), strict=True))
    label = extractor.label
    return {
        "sure": (
            f"Samples with a class above {SURE:.0%} ({label})",
            distances.share(len(sure) / len(classes), len(classes)),
            {"threshold": SURE},
        ),
        "classes": (
            f"Classes covered ({label})",
            Estimate(covered, None),
            {"threshold": SURE, "least_share": COVERED / len(counts), "shares": shares},
        ),
    }
