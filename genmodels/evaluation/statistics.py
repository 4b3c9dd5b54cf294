"""Mean and covariance of features, streamed, and those of real images kept in the cache."""

from collections.abc import Iterable
from functools import cached_property

import torch
from torch import Tensor

from genmodels.data.image_tensors import Images, to_float
from genmodels.data.image_tensors import batches as slices
from genmodels.runs import cache

from . import distances
from .distances import Array, Estimate, EvaluationError
from .features import Extractor, Progress

KEPT = 10_000
"""How many samples' features are kept for what needs more than mean and covariance."""
SUBSET_SEED = 0
FORMAT = "real 2"


class Statistics:
    """Of `count` samples: mean [d], covariance [d, d] over n - 1, the first `KEPT` features.

    Mean and covariance are float64, features float32.
    """

    def __init__(self, count: int, mean: Tensor, covariance: Tensor, features: Tensor):
        self.count = count
        self.mean = mean
        self.covariance = covariance
        self.features = features

    @cached_property
    def root(self) -> Tensor:
        """The symmetric root of the covariance."""
        return distances.root(self.covariance)

    def parts(self, count: int, most: int) -> list["Statistics"]:
        """Of the first `count` samples, the next `count` and so on: at most so many parts."""
        streams = []
        for features in self.features.split(count)[:most]:
            if len(features) == count:
                streams.append(Stream())
                streams[-1].add(features)
        return [stream.result() for stream in streams]

    @property
    def singular(self) -> bool:
        """Whether there are too few samples for a covariance of full rank."""
        return self.count <= len(self.mean)

    @property
    def factor(self) -> Tensor:
        """F with Fᵀ F the covariance, exact for few samples too."""
        if self.singular and self.count == len(self.features):
            return distances.factor(self.features)
        return self.root


class Stream:
    """Takes features in batches; memory does not depend on how many come."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.scatter = torch.zeros(())
        self.kept: list[Tensor] = []

    def add(self, features: Array) -> None:
        """A batch [n, d], of any n. Raises EvaluationError for numbers that are not finite."""
        values = distances.check(features, least=1)
        # Chan et al. 1983: centred sums of two sets make those of both without cancellation.
        mean = values.mean(0)
        centred = values - mean
        scatter = centred.T @ centred
        if self.count == 0:
            self.mean, self.scatter = torch.zeros_like(mean), torch.zeros_like(scatter)
        distances.check_alike(self.mean, mean)
        count = self.count + len(values)
        apart = mean - self.mean
        weight = self.count * len(values) / count
        self.scatter += scatter + weight * torch.outer(apart, apart)
        self.mean = self.mean + apart * (len(values) / count)
        room = max(KEPT - self.count, 0)
        if room:
            self.kept.append(values[:room].float())
        self.count = count

    def result(self) -> Statistics:
        """Raises EvaluationError when there were fewer than two samples."""
        if self.count < 2:
            raise EvaluationError(
                f"statistics take at least 2 samples, not {self.count}; ask for more."
            )
        return Statistics(
            self.count, self.mean, self.scatter / (self.count - 1), torch.cat(self.kept)
        )


def gather(
    batches: Iterable[Tensor],
    extractor: Extractor,
    count: int,
    what: str,
    progress: Progress,
) -> Statistics:
    """The statistics of images that come in batches, float32 [n, c, h, w] in [0, 1]."""
    stream = Stream()
    progress(what, 0, count)
    for images in batches:
        stream.add(extractor(images))
        progress(what, stream.count, count)
    return stream.result()


def of_real(
    images: Images, extractor: Extractor, limit: int | None, what: str, progress: Progress
) -> Statistics:
    """The statistics of a split, or of a random `limit` of it, from the cache if they are there.

    The same images are taken every time. A damaged cache file is made again.
    """
    count = len(images) if limit is None else min(limit, len(images))
    # A data set may be stored class by class: its first images are not like the others.
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SUBSET_SEED))
    key = f"{FORMAT}, {count} of seed {SUBSET_SEED}, {images.fingerprint}, {extractor.fingerprint}"
    cached = cache.read(key)
    if cached:
        statistics = Statistics(
            int(cached["count"]), cached["mean"], cached["covariance"], cached["features"]
        )
        if "root" in cached:
            statistics.root = cached["root"]
        return statistics
    parts = slices(count, extractor.batch_size)
    floats = (to_float(images.pixels[order[part]]) for part in parts)
    statistics = gather(floats, extractor, count, what, progress)
    tensors = {
        "count": torch.tensor(statistics.count),
        "mean": statistics.mean,
        "covariance": statistics.covariance,
        "features": statistics.features,
    }
    if not statistics.singular:
        tensors["root"] = statistics.root
    cache.write(key, tensors)
    return statistics


def frechet(first: Statistics, second: Statistics) -> Estimate:
    """Their Fréchet distance, in the way that is exact for their counts.

    The error is that of drawing the first anew; None for fewer than 3 samples a dimension.
    """
    if first.singular or second.singular:
        value = distances.frechet_distance_of_factors(
            first.mean, first.factor, second.mean, second.factor
        )
        return Estimate(value, None)
    value = distances.frechet_distance(
        first.mean, first.covariance, second.mean, second.covariance, root2=second.root
    )
    if len(first.features) < 3 * len(first.mean):
        return Estimate(value, None)
    error = distances.frechet_error(first.features, second.mean, second.root)
    return Estimate(value, error * (len(first.features) / first.count) ** 0.5)
