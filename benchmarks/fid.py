"""Our Fréchet distance and Inception features against pytorch-fid's, in one run.

    python benchmarks/fid.py            a few minutes
    python benchmarks/fid.py --short    smaller matrices and fewer images, half a minute

Inception has random weights: speed does not depend on their values.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from pytorch_fid import fid_score
from pytorch_fid import inception as theirs

from genmodels.evaluation import distances, features


def main(short: bool) -> None:
    print(f"{torch.get_num_threads()} threads, {torch.__version__}")
    compare_distances(512 if short else 2048)
    with tempfile.TemporaryDirectory() as folder:
        compare_features(Path(folder), 64 if short else 256)


def compare_distances(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(dimensions, dimensions)) / dimensions**0.5
    spectrum = np.logspace(0, -2, dimensions)  # as uneven as real features are
    many = [(rng.normal(size=(4 * dimensions, dimensions)) * spectrum) @ mixing for _ in range(2)]
    few = [part[: dimensions // 2] for part in many]
    for count, sets in ((len(many[0]), many), (len(few[0]), few)):
        first, second = ((each.mean(0), np.cov(each, rowvar=False)) for each in sets)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy's on `disp` and on singular matrices
            expected, reference = timed(
                lambda a=first, b=second: fid_score.calculate_frechet_distance(*a, *b)
            )
        print(f"distance, {dimensions} dimensions, {count} samples: pytorch-fid {reference:.2f} s")
        if count > dimensions:
            for name, root in (("", None), (", real root cached", distances.root(second[1]))):
                ours = timed(
                    lambda a=first, b=second, r=root: distances.frechet_distance(*a, *b, root2=r)
                )
                tell(f"eigenvalues{name}", *ours, expected, reference)
        else:
            ours = timed(lambda s=sets: of_few(*s))
            tell("nuclear norm", *ours, expected, reference)


def of_few(first: np.ndarray, second: np.ndarray) -> float:
    factors = [distances.factor(part) for part in (first, second)]
    means = first.mean(0), second.mean(0)
    return distances.frechet_distance_of_factors(means[0], factors[0], means[1], factors[1])


def compare_features(folder: Path, count: int) -> None:
    file = folder / "random.pth"
    random_weights(file)
    pixels = np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:04d}.png")
    state = torch.load(file, weights_only=True)
    with mock.patch.object(theirs, "load_state_dict_from_url", return_value=state):
        network = theirs.InceptionV3()
    files = sorted(folder.glob("*.png"))
    fid_score.get_activations(files[:8], network, batch_size=8, num_workers=0)
    expected, reference = timed(
        lambda: fid_score.get_activations(files, network, batch_size=50, num_workers=2)
    )
    print(f"features of {count} images: pytorch-fid {count / reference:.1f} images/s")
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    for precision in ("float32", "bfloat16"):
        extractor = features.inception(file, precision=precision)
        extractor(images[:8])
        parts = images.split(extractor.batch_size)
        found, seconds = timed(lambda e=extractor, p=parts: torch.cat([e(part) for part in p]))
        apart = np.abs(found.numpy() - expected).mean() / np.abs(expected).mean()
        print(
            f"  {precision}: {count / seconds:.1f} images/s, {reference / seconds:.2f} times as "
            f"fast, values apart by {apart:.1e}"
        )


def random_weights(path: Path, seed: int = 0) -> None:
    """A file of seeded random weights in the form of pytorch_fid's, sane in their sizes."""
    with (
        mock.patch.object(theirs, "load_state_dict_from_url"),
        mock.patch.object(torch.nn.Module, "load_state_dict"),
    ):
        state = theirs.fid_inception_v3().state_dict()
    rng = torch.Generator().manual_seed(seed)
    for name, values in state.items():
        if values.ndim > 1:
            spread = (2 / values[0].numel()) ** 0.5
            state[name] = torch.randn(values.shape, generator=rng) * spread
        elif name.endswith(("running_var", "bn.weight")):
            state[name] = 0.5 + torch.rand(values.shape, generator=rng)
        elif values.is_floating_point():
            state[name] = torch.randn(values.shape, generator=rng) * 0.1
    torch.save(state, path)


def timed(compute: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return compute(), time.perf_counter() - started


def tell(name: str, found: float, seconds: float, expected: float, reference: float) -> None:
    print(
        f"  {name}: {seconds:.2f} s, {reference / seconds:.1f} times as fast, "
        f"values apart by {abs(found / expected - 1):.1e}"
    )


if __name__ == "__main__":
    main("--short" in sys.argv[1:])
