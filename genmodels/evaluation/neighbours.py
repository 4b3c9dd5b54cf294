"""The nearest training images of given ones: does a model repeat what it was shown?"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.data.image_tensors import Images, batches, to_float
from genmodels.runs import cache

from .distances import Estimate, EvaluationError, check_alike
from .features import Extractor, Progress

FORMAT = "features 1"
BLOCK = 2000
"""Training images compared at a time."""

SAME = 1e-4
"""Images whose features are closer than this part of their length are the same: more than what
rounding does to them in batches of another size."""


class Neighbours(NamedTuple):
    """Of each of n images the nearest training image."""

    distances: Tensor
    """Euclidean, [n]."""
    indices: Tensor
    """Places in the training set, [n]."""


def in_pixels(images: Tensor, train: Images, progress: Progress) -> Neighbours:
    """By the pixels of float32 images [n, channels, height, width] in [0, 1]."""

    def blocks() -> Iterable[Tensor]:
        for part in batches(len(train), BLOCK):
            progress("Comparing pixels", part.stop, len(train))
            yield to_float(train.pixels[part]).flatten(1)

    return nearest(images.flatten(1), blocks())


def in_features(
    images: Tensor, train: Images, extractor: Extractor, progress: Progress
) -> Neighbours:
    """By their features."""
    features = training_features(train, extractor, progress)
    queries = torch.cat([extractor(part) for part in images.split(extractor.batch_size)])
    return nearest(queries, features.split(BLOCK))


def training_features(train: Images, extractor: Extractor, progress: Progress) -> Tensor:
    """Of all training images, [n, d]; kept in the cache."""
    key = f"{FORMAT}, {train.fingerprint}, {extractor.fingerprint}"
    cached = cache.read(key)
    if cached:
        return cached["features"]
    made = []
    for part in batches(len(train), extractor.batch_size):
        made.append(extractor(to_float(train.pixels[part])))
        progress("Features of the training images", part.stop, len(train))
    features = torch.cat(made)
    cache.write(key, {"features": features})
    return features


def nearness(features: Tensor, others: Tensor, training: Tensor) -> Estimate | None:
    """The median distance of `features` [n, d] to the nearest of the training images' [m, d], over
    that of `others`, images the model never saw: 0 for copies, 1 where it draws anew.

    A held-out image that is the same as a training image was seen, and isn't counted; None
    where they all are. The error is the first median's, from the order statistics about it.
    """
    ours, theirs = (
        nearest(queries, training.split(BLOCK)).distances.double() for queries in (features, others)
    )
    theirs = theirs[theirs > SAME * others.norm(dim=1)]
    if not len(theirs):
        return None
    ours, count = ours.sort().values, len(ours)
    # So many ranks are the standard error of the median's.
    reach = min(round(math.sqrt(count) / 2), (count - 1) // 2)
    low, high = ours[(count - 1) // 2 - reach], ours[count // 2 + reach]
    unseen = theirs.median().item()
    return Estimate(ours.median().item() / unseen, (high - low).item() / 2 / unseen)


def nearest(queries: Tensor, blocks: Iterable[Tensor]) -> Neighbours:
    """Of each query [n, d] the nearest of all rows of the blocks [m, d], in their order.

    Raises EvaluationError when there are none, or their dimensions differ.
    """
    best = torch.full((len(queries),), torch.inf)
    indices = torch.zeros(len(queries), dtype=torch.int64)
    winners = torch.zeros_like(queries)
    start = 0
    for block in blocks:
        check_alike(queries[0], block[0])
        # |q - b|² without |q|², which is the same for all.
        values, places = torch.addmm(block.square().sum(1), queries, block.T, alpha=-2).min(1)
        closer = values < best
        best = torch.where(closer, values, best)
        indices = torch.where(closer, places + start, indices)
        winners[closer] = block[places[closer]]
        start += len(block)
    if start == 0:
        raise EvaluationError("there are no training images to compare with.")
    # Computed anew: the difference of large squares above loses what is small.
    return Neighbours((queries - winners).square().sum(1).sqrt(), indices)
