"""Our Fréchet distance and Inception features beside pytorch-fid's: `python -m benchmarks.fid`.

Inception has random weights: speed does not depend on their values. Both get the same features
and the same pictures, and how far apart their answers are is told too.
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

from genmodels import terminal
from genmodels.evaluation import distances, features

from . import results

Answer = tuple[Any, float]
"""What was computed, and the seconds it took."""


def compare_distances(dimensions: int, rounds: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(dimensions, dimensions)) / dimensions**0.5
    spectrum = np.logspace(0, -2, dimensions)  # as uneven as real features are
    many = [(rng.normal(size=(4 * dimensions, dimensions)) * spectrum) @ mixing for _ in range(2)]
    few = [part[: dimensions // 2] for part in many]
    first, second = ((each.mean(0), np.cov(each, rowvar=False)) for each in many)
    root = distances.root(second[1])
    size = f"distance, {dimensions:,} dimensions, "
    lines = compare(
        lambda: reference(first, second),
        {
            f"{size}{len(many[0]):,} samples": lambda: distances.frechet_distance(*first, *second),
            "the same, the real covariance's root cached": lambda: distances.frechet_distance(
                *first, *second, root2=root
            ),
        },
        rounds,
    )
    third, fourth = ((each.mean(0), np.cov(each, rowvar=False)) for each in few)
    return lines + compare(
        lambda: reference(third, fourth),
        {f"{size}{len(few[0]):,} samples": lambda: of_few(*few)},
        rounds,
    )


def reference(first: tuple, second: tuple) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's on `disp` and on singular matrices
        return fid_score.calculate_frechet_distance(*first, *second)


def of_few(first: np.ndarray, second: np.ndarray) -> float:
    factors = [distances.factor(part) for part in (first, second)]
    means = first.mean(0), second.mean(0)
    return distances.frechet_distance_of_factors(means[0], factors[0], means[1], factors[1])


def compare_features(folder: Path, count: int, rounds: int) -> list[dict[str, Any]]:
    file = folder / "random.pth"
    random_weights(file)
    pixels = np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:04d}.png")
    state = torch.load(file, weights_only=True)
    with mock.patch.object(theirs, "load_state_dict_from_url", return_value=state):
        network = theirs.InceptionV3()
    files = sorted(folder.glob("*.png"))
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255

    def ours(precision: Any) -> Callable[[], np.ndarray]:
        extractor = features.inception(file, precision=precision)
        extractor(images[:8])
        parts = images.split(extractor.batch_size)
        return lambda: torch.cat([extractor(part) for part in parts]).numpy()

    fid_score.get_activations(files[:8], network, batch_size=8, num_workers=0)
    return compare(
        lambda: fid_score.get_activations(files, network, batch_size=50, num_workers=2),
        {
            f"Inception's features of {count} images, {precision}": ours(precision)
            for precision in ("float32", "bfloat16")
        },
        rounds,
    )


def compare(
    theirs: Callable[[], Any], ways: dict[str, Callable[[], Any]], rounds: int
) -> list[dict[str, Any]]:
    """Theirs, then each of ours, in every round."""
    reference: list[Answer] = []
    found: dict[str, list[Answer]] = {name: [] for name in ways}
    for _ in range(rounds):
        reference.append(timed(theirs))
        for name, way in ways.items():
            found[name].append(timed(way))
    expected = np.asarray(reference[0][0])
    times = [seconds for _, seconds in reference]
    lines = []
    for name, answers in found.items():
        own = [seconds for _, seconds in answers]
        apart = np.abs(answers[0][0] - expected).mean() / np.abs(expected).mean()
        lines.append(
            {
                "name": name,
                "pytorch-fid": results.spread(times),
                "genmodels": results.spread(own),
                "ratio": results.ratios(times, own),
                "apart": float(f"{apart:.1e}"),
            }
        )
        print(
            f"{name}: {results.text(lines[-1]['genmodels'])} s, pytorch-fid "
            f"{results.text(lines[-1]['pytorch-fid'])} s, {results.text(lines[-1]['ratio'])} times "
            f"as fast, values apart by {apart:.1e}",
            flush=True,
        )
    return lines


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


def timed(compute: Callable[[], Any]) -> Answer:
    started = time.perf_counter()
    return compute(), time.perf_counter() - started


def main(arguments: list[str]) -> int:
    parser = results.options("fid", __doc__)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.short:
        options.dimensions, options.images, options.rounds = 256, 16, 1
    machine = results.machine()
    lines = compare_distances(options.dimensions, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        lines += compare_features(Path(folder), options.images, options.rounds)
    results.keep("fid", options, {"machine": machine, "lines": lines})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
