"""Distances between two sets of features, and how varied one is.

Features are [n, d], arrays or tensors. All arithmetic is float64: most of a distance between
close sets lies in small eigenvalues, which float32 loses. Nothing here knows of images.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genmodels.errors import GenmodelsError

Array = np.ndarray | Tensor


class EvaluationError(GenmodelsError):
    """Something that cannot be measured, or cannot be measured with."""


class Estimate(NamedTuple):
    """A value and its standard error over samples drawn anew; None where it is not known."""

    value: float
    error: float | None


def frechet_distance(
    mean1: Array,
    covariance1: Array,
    mean2: Array,
    covariance2: Array,
    *,
    root2: Tensor | None = None,
) -> float:
    """|m1 - m2|² + Tr(C1 + C2 - 2 (C1 C2)^½), of means [d] and covariances [d, d].

    Dowson and Landau 1982; Heusel et al. 2017, equation 6. With R = C2^½ the eigenvalues of
    C1 C2 are those of R C1 R, which is symmetric: no root of a matrix is needed that is not.
    `root2` is `root(covariance2)` where the caller has it already. Raises EvaluationError.
    """
    mean1, covariance1 = _gaussian(mean1, covariance1)
    mean2, covariance2 = _gaussian(mean2, covariance2)
    check_alike(mean1, mean2)
    between = (mean1 - mean2).square().sum()
    if torch.equal(covariance1, covariance2):
        return between.item()  # Exactly: the rest is Tr(2 C - 2 C).
    root2 = root(covariance2) if root2 is None else root2
    eigenvalues = torch.linalg.eigvalsh(root2 @ covariance1 @ root2)
    trace_of_root = eigenvalues.clamp(min=0).sqrt().sum()
    apart = between + covariance1.trace() + covariance2.trace() - 2 * trace_of_root
    return max(0.0, apart.item())  # Below 0 is rounding.


def frechet_distance_of_factors(
    mean1: Array, factor1: Array, mean2: Array, factor2: Array
) -> float:
    """The same distance where a covariance is singular, as of fewer samples than dimensions.

    A factor is any F [k, d] with Fᵀ F = C, for example `factor(features)` or `root(C)`. Then
    Tr (C1 C2)^½ is the nuclear norm of F1 F2ᵀ, without the noise of eigenvalues that should
    be 0. Raises EvaluationError.
    """
    mean1, factor1 = _finite(mean1, "mean"), _finite(factor1, "factor")
    mean2, factor2 = _finite(mean2, "mean"), _finite(factor2, "factor")
    check_alike(mean1, mean2)
    traces = factor1.square().sum() + factor2.square().sum()
    nuclear = torch.linalg.svdvals(factor1 @ factor2.T).sum()
    apart = (mean1 - mean2).square().sum() + traces - 2 * nuclear
    return max(0.0, apart.item())  # Below 0 is rounding.


def root(covariance: Array) -> Tensor:
    """The symmetric root of a covariance [d, d]; eigenvalues below 0 are rounding and count 0."""
    eigenvalues, vectors = torch.linalg.eigh(_finite(covariance, "covariance"))
    return (vectors * eigenvalues.clamp(min=0).sqrt()) @ vectors.T


def factor(features: Array) -> Tensor:
    """Centred features over √(n - 1): F [n, d] with Fᵀ F their covariance."""
    features = check(features)
    return (features - features.mean(0)) / math.sqrt(len(features) - 1)


def frechet_error(features1: Array, mean2: Array, root2: Tensor) -> float:
    """The standard error of a Fréchet distance that comes from drawing `features1`, [n, d].

    By the delta method: the distance's derivative by C1 is I - R (R C1 R)^-½ R, so each
    sample x moves it by (x - m1)ᵀ (I - R (R C1 R)^-½ R) (x - m1) + 2 (m1 - m2)ᵀ (x - m1). With
    3 samples a dimension or more it was right to 5 % of itself. Raises EvaluationError.
    """
    features1 = check(features1)
    mean2 = _finite(mean2, "mean")
    mean1, covariance1 = features1.mean(0), features1.T.cov()
    check_alike(mean1, mean2)
    eigenvalues, vectors = torch.linalg.eigh(root2 @ covariance1 @ root2)
    # Directions in which R C1 R is 0 take no part in the trace of its root.
    small = eigenvalues < eigenvalues[-1] * len(mean1) * torch.finfo(torch.float64).eps
    inverse_roots = eigenvalues.clamp(min=1e-300).rsqrt().masked_fill(small, 0)
    mapped = root2 @ vectors
    slope = torch.eye(len(mean1), dtype=torch.float64) - (mapped * inverse_roots) @ mapped.T
    centred = features1 - mean1
    influence = ((centred @ slope) * centred).sum(1) + 2 * centred @ (mean1 - mean2)
    return (influence.std() / math.sqrt(len(centred))).item()


def kernel_distance(
    features1: Array, features2: Array, *, subsets: int = 10, seed: int = 0
) -> Estimate:
    """The kernel (Inception) distance, KID: the mean of unbiased squared MMDs over subsets.

    Bińkowski et al. 2018, with their kernel (xᵀy / d + 1)³. Their random subsets overlap, so
    that nothing tells the error; here each set is dealt into disjoint ones, whose values are
    independent. Raises EvaluationError.
    """
    features1, features2 = check(features1, least=4), check(features2, least=4)
    check_alike(features1[0], features2[0])
    subsets = min(subsets, len(features1) // 2, len(features2) // 2)
    rng = torch.Generator().manual_seed(seed)
    parts = [
        features[torch.randperm(len(features), generator=rng)].tensor_split(subsets)
        for features in (features1, features2)
    ]
    values = torch.stack([_squared_mmd(*pair) for pair in zip(*parts, strict=True)])
    return Estimate(values.mean().item(), values.std().item() / math.sqrt(subsets))


def _squared_mmd(features1: Tensor, features2: Tensor) -> Tensor:
    """The unbiased squared maximum mean discrepancy (Gretton et al. 2012, equation 3)."""

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:
        values, count = kernel(a, a), len(a)
        return (values.sum() - values.trace()) / (count * (count - 1))

    return within(features1) + within(features2) - 2 * kernel(features1, features2).mean()


def precision_recall(
    real: Array, generated: Array, *, k: int = 3, chunk: int = 1000
) -> tuple[Estimate, Estimate]:
    """The share of generated samples among the real ones, and of real among the generated.

    Kynkäänniemi et al. 2019: among means within the distance from some sample of the other
    set to its k-th neighbour. `chunk` bounds the memory. Raises EvaluationError.
    """
    real, generated = check(real, least=k + 1), check(generated, least=k + 1)
    check_alike(real[0], generated[0])
    precision = _share_among(generated, real, k, chunk)
    recall = _share_among(real, generated, k, chunk)
    return share(precision, len(generated)), share(recall, len(real))


def _share_among(features: Tensor, others: Tensor, k: int, chunk: int) -> float:
    """The share of `features` within the k-th neighbour's distance of some of `others`."""
    # The nearest of all is the sample itself.
    radii = torch.cat(
        [torch.cdist(part, others).kthvalue(k + 1).values for part in others.split(chunk)]
    )
    # Of copies the radius is 0, but for the rounding of cdist.
    radii += 1e-7 * others.norm(dim=1)
    inside = [(torch.cdist(part, others) <= radii).any(1) for part in features.split(chunk)]
    return torch.cat(inside).double().mean().item()


def share(value: float, count: int) -> Estimate:
    """A share of `count` independent samples, with a binomial's error."""
    return Estimate(value, math.sqrt(value * (1 - value) / count))


def mean_distance(features: Array, *, chunk: int = 1000) -> Estimate:
    """The mean Euclidean distance between two samples of [n, d]: little, and they are alike.

    The error is that of a U-statistic of order two (Hoeffding 1948). Raises EvaluationError.
    """
    features = check(features)
    count = len(features)
    means = torch.cat([torch.cdist(part, features).sum(1) for part in features.split(chunk)])
    means /= count - 1
    return Estimate(means.mean().item(), 2 * means.std().item() / math.sqrt(count))


def check(features: Array, least: int = 2) -> Tensor:
    """Features as float64 [n, d]. Raises EvaluationError when they are none, or too few."""
    if features.ndim != 2:
        raise EvaluationError(f"features must be [n, d], not {list(features.shape)}.")
    if len(features) < least:
        raise EvaluationError(
            f"this takes at least {least} samples, not {len(features)}; ask for more."
        )
    return _finite(features, "features")


def _gaussian(mean: Array, covariance: Array) -> tuple[Tensor, Tensor]:
    mean, covariance = _finite(mean, "mean"), _finite(covariance, "covariance")
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise EvaluationError(
            f"a mean [d] and a covariance [d, d] are needed, not {list(mean.shape)} "
            f"and {list(covariance.shape)}."
        )
    return mean, covariance


def check_alike(first: Tensor, second: Tensor) -> None:
    """Raises EvaluationError when two features [d] differ in d."""
    if first.shape != second.shape:
        raise EvaluationError(
            f"the two sets have features of {len(first)} and {len(second)} dimensions; "
            "measure both by the same network."
        )


def _finite(values: Array, what: str) -> Tensor:
    values = torch.as_tensor(values, dtype=torch.float64, device="cpu")
    if not values.isfinite().all():
        raise EvaluationError(f"the {what} must be finite numbers; some are NaN or infinite.")
    return values
