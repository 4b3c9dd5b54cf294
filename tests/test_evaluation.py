"""Distances against mathematics, against plain references and against pytorch-fid itself."""

import dataclasses
import errno
import json
import math
import subprocess
import sys
import urllib.error
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.fid import random_weights
from genmodels import evaluation, paths, runs
from genmodels.data import datasets, image_tensors, own_pictures
from genmodels.errors import GenmodelsError
from genmodels.evaluation import EvaluationError, distances, features, neighbours, statistics
from genmodels.evaluation.__main__ import main
from genmodels.evaluation.features import INCEPTION_FILE, Extractor
from genmodels.evaluation.statistics import Stream
from genmodels.models import weights

Floats = NDArray[np.float64]


@pytest.fixture(autouse=True)
def no_shipped_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--all` shall not find them, and never write to them."""
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")


def draw(count: int, dimensions: int, seed: int = 0) -> Floats:
    """Correlated features with a mean."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(seed + 1000).normal(size=(dimensions, dimensions))
    return rng.normal(size=(count, dimensions)) @ mixing / dimensions**0.5 + 0.1 * seed


def gaussian(sample: Floats) -> tuple[Floats, Floats]:
    return sample.mean(0), np.cov(sample, rowvar=False)


def pytorch_fid_distance(*gaussians: Floats) -> float:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's on `disp` and on singular matrices
        try:
            return fid_score.calculate_frechet_distance(*gaussians)
        except TypeError:
            pytest.skip("SciPy has dropped what pytorch-fid calls")


class TestFrechetDistance:
    @pytest.mark.parametrize("dimensions", [2, 8, 200])
    def test_equals_pytorch_fid(self, dimensions: int):
        sets = *gaussian(draw(1000, dimensions)), *gaussian(draw(900, dimensions, 1))
        expected = pytorch_fid_distance(*sets)
        assert evaluation.frechet_distance(*sets) == pytest.approx(expected, rel=1e-6)

    def test_equals_pytorch_fid_near_singular(self):
        spectrum = np.logspace(0, -7, 64)
        sets = gaussian(draw(500, 64) * spectrum) + gaussian(draw(500, 64, 1) * spectrum)
        assert np.linalg.cond(sets[1]) > 1e12
        expected = pytorch_fid_distance(*sets)
        assert evaluation.frechet_distance(*sets) == pytest.approx(expected, rel=1e-6)

    def test_equal_covariances_give_the_squared_distance_of_means(self):
        mean, covariance = gaussian(draw(300, 64))
        expected = ((np.arange(64) / 64) ** 2).sum()
        distance = evaluation.frechet_distance(
            mean, covariance, mean + np.arange(64) / 64, covariance
        )
        assert distance == pytest.approx(expected, rel=1e-13)
        # Without the shortcut for covariances that are the same to the last bit, too.
        nearly = covariance * (1 + 1e-15)
        distance = evaluation.frechet_distance(mean, covariance, mean + np.arange(64) / 64, nearly)
        assert distance == pytest.approx(expected, abs=1e-6 * covariance.trace())

    def test_identical_sets_give_0(self):
        sample = draw(40, 100)
        mean, covariance = gaussian(sample)
        assert evaluation.frechet_distance(mean, covariance, mean, covariance) == 0
        factor = distances.factor(sample)
        same = distances.frechet_distance_of_factors(mean, factor, mean, factor)
        assert abs(same) < 1e-12 * covariance.trace()
        root = distances.root(covariance)
        other_way = distances.frechet_distance_of_factors(mean, factor, mean, root)
        assert abs(other_way) < 1e-6 * covariance.trace()

    def test_few_samples_equal_the_closed_form(self):
        # Covariances with the same eigenvectors: the distance is |√λ1 - √λ2|² by hand.
        rng = np.random.default_rng(0)
        count, dimensions = 30, 100
        ones = np.ones((count, 1))
        left = np.linalg.qr(np.hstack([ones, rng.normal(size=(count, count - 1))]))[0][:, 1:]
        other = np.linalg.qr(np.hstack([ones, rng.normal(size=(count, count - 1))]))[0][:, 1:]
        right = np.linalg.qr(rng.normal(size=(dimensions, count - 1)))[0]
        roots1, roots2 = rng.uniform(0, 2, (2, count - 1))
        scale = math.sqrt(count - 1)
        first, second = (left * roots1) @ right.T * scale, (other * roots2) @ right.T * scale + 0.5
        found = statistics.frechet(stream(first), stream(second))
        expected = 0.25 * dimensions + ((roots1 - roots2) ** 2).sum()
        trace = (roots1**2).sum() + (roots2**2).sum()
        # Features are kept in float32: exact factors first, then within its rounding.
        exact = distances.frechet_distance_of_factors(
            first.mean(0), distances.factor(first), second.mean(0), distances.factor(second)
        )
        assert exact == pytest.approx(expected, abs=1e-9 * trace)
        assert found.value == pytest.approx(expected, rel=1e-6)
        assert found.error is None

    def test_few_samples_against_many_equal_numpy(self):
        few, many = draw(50, 120), draw(1000, 120, 1)
        root = distances.root(np.cov(many, rowvar=False))
        found = distances.frechet_distance_of_factors(
            few.mean(0), distances.factor(few), many.mean(0), root
        )
        centred = [(part - part.mean(0)) / math.sqrt(len(part) - 1) for part in (few, many)]
        traces = [(part**2).sum() for part in centred]
        nuclear = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
        expected = ((few.mean(0) - many.mean(0)) ** 2).sum() + sum(traces) - 2 * nuclear
        assert found == pytest.approx(expected, abs=1e-9 * sum(traces))

    def test_of_copies_and_of_samples_that_are_all_the_same(self):
        copies = stream(np.repeat(draw(5, 20), 60, 0))
        for times in (60, 61, 300):
            other = stream(np.repeat(draw(5, 20), times, 0))
            scale = copies.covariance.trace().item()
            assert 0 <= statistics.frechet(copies, other).value < 1e-4 * scale
        real, same = stream(draw(300, 20)), stream(np.ones((300, 20)))
        found = statistics.frechet(same, real)
        apart = (real.mean - 1).square().sum() + real.covariance.trace()
        assert found.value == pytest.approx(apart.item())
        assert found.error == pytest.approx(0, abs=1e-6)

    def test_error_is_the_spread_of_fresh_draws(self):
        mean, covariance = gaussian(draw(1000, 8, 1))
        root = distances.root(covariance)
        samples = fresh_draws(200, 400, 8)
        found = [evaluation.frechet_distance(*gaussian(part), mean, covariance) for part in samples]
        errors = [distances.frechet_error(part, mean, root) for part in samples[:20]]
        assert np.mean(errors) == pytest.approx(np.std(found), rel=0.2)


def fresh_draws(times: int, count: int, dimensions: int) -> Floats:
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(dimensions, dimensions)) / dimensions**0.5
    return rng.normal(size=(times, count, dimensions)) @ mixing


def stream(sample: Floats, *sizes: int) -> statistics.Statistics:
    """The statistics of features that come in batches of these sizes, then the rest."""
    gathered, start = Stream(), 0
    for size in sizes:
        gathered.add(sample[start : start + size])
        start += size
    if start < len(sample):
        gathered.add(sample[start:])
    return gathered.result()


class TestStatistics:
    @pytest.mark.parametrize("sizes", [(), (1, 1, 1), (7, 100), (299,), (150, 150)])
    def test_streamed_equals_numpy(self, sizes: tuple[int, ...]):
        sample = draw(300, 20) + 1000  # Far from 0, where sums of squares would cancel.
        found = stream(sample, *sizes)
        mean, covariance = gaussian(sample)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-13)
        np.testing.assert_allclose(found.covariance, covariance, rtol=0, atol=1e-10)
        assert found.count == 300
        np.testing.assert_allclose(found.features, sample.astype(np.float32))

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(statistics, "KEPT", 50)
        found = stream(draw(120, 4), 40, 40)
        assert found.count == 120
        assert found.features.shape == (50, 4)

    def test_refuses_what_is_no_set(self):
        with pytest.raises(EvaluationError, match="at least 2 samples, not 1"):
            stream(draw(1, 4))
        with pytest.raises(EvaluationError, match="NaN"):
            stream(np.full((3, 4), np.nan))
        gathered = Stream()
        gathered.add(draw(3, 4))
        with pytest.raises(EvaluationError, match="4 and 5 dimensions"):
            gathered.add(draw(3, 5))


class TestKernelDistance:
    def test_equals_a_plain_reference(self):
        first, second = draw(30, 5), draw(42, 5, 1)
        found = evaluation.kernel_distance(first, second, subsets=3, seed=3)
        rng = torch.Generator().manual_seed(3)
        orders = [torch.randperm(count, generator=rng).numpy() for count in (30, 42)]
        values = [
            plain_squared_mmd(first[a], second[b])
            for a, b in zip(orders[0].reshape(3, 10), orders[1].reshape(3, 14), strict=True)
        ]
        assert found.value == pytest.approx(np.mean(values), rel=1e-10)
        assert found.error == pytest.approx(np.std(values, ddof=1) / math.sqrt(3), rel=1e-10)

    def test_error_is_the_spread_of_fresh_draws_and_the_value_unbiased(self):
        firsts, seconds = fresh_draws(60, 200, 4), fresh_draws(120, 200, 4)[60:] + 0.3
        pairs = list(zip(firsts, seconds, strict=True))
        found = [evaluation.kernel_distance(*pair) for pair in pairs]
        values = [each.value for each in found]
        errors = [each.error for each in found if each.error is not None]
        assert np.mean(errors) == pytest.approx(np.std(values), rel=0.3)
        null = [evaluation.kernel_distance(a, b - 0.3).value for a, b in pairs]
        assert abs(np.mean(null)) < 3 * np.std(null) / math.sqrt(len(null))

    def test_refuses_too_few(self):
        with pytest.raises(EvaluationError, match="at least 4 samples, not 3"):
            evaluation.kernel_distance(draw(3, 5), draw(10, 5))


def plain_squared_mmd(a: Floats, b: Floats) -> float:
    """Bińkowski et al. 2018, equation 4, with loops."""

    def kernel(x: Floats, y: Floats) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    def within(part: Floats) -> float:
        pairs = [(i, j) for i in range(len(part)) for j in range(len(part)) if i != j]
        return sum(kernel(part[i], part[j]) for i, j in pairs) / len(pairs)

    across = sum(kernel(x, y) for x in a for y in b) / (len(a) * len(b))
    return within(a) + within(b) - 2 * across


class TestPrecisionRecall:
    @pytest.mark.parametrize("chunk", [7, 1000])
    def test_equals_a_plain_reference(self, chunk: int):
        real, generated = draw(60, 6), draw(50, 6, 1) * 0.7
        found = evaluation.precision_recall(real, generated, chunk=chunk)
        expected = plain_share(generated, real), plain_share(real, generated)
        assert (found[0].value, found[1].value) == pytest.approx(expected, abs=1e-12)
        assert 0 < expected[0] < 1
        assert found[0].error == pytest.approx(
            math.sqrt(expected[0] * (1 - expected[0]) / 50), rel=1e-9
        )

    def test_of_identical_and_of_distant_sets(self):
        sample = draw(50, 6)
        assert evaluation.precision_recall(sample, sample)[0].value == 1
        assert evaluation.precision_recall(sample, sample + 100)[1].value == 0

    @pytest.mark.parametrize("dimensions", [64, 2048])
    def test_of_copies(self, dimensions: int):
        sample = draw(50, dimensions) + 100
        copies = np.repeat(sample, 6, 0)  # The third neighbour of each is itself.
        for pair in ((sample, copies), (copies, sample), (copies, copies[::-1].copy())):
            precision, recall = evaluation.precision_recall(*pair)
            assert (precision.value, recall.value) == (1, 1)
        assert evaluation.precision_recall(copies, copies + 0.01)[0].value == 0


def plain_share(sample: Floats, others: Floats, k: int = 3) -> float:
    radii = [sorted(np.linalg.norm(others - each, axis=1))[k] for each in others]
    inside = [
        any(
            np.linalg.norm(each - other) <= radius
            for other, radius in zip(others, radii, strict=True)
        )
        for each in sample
    ]
    return float(np.mean(inside))


def test_mean_distance_equals_a_plain_reference():
    sample = draw(40, 6)
    pairs = [np.linalg.norm(sample[i] - sample[j]) for i in range(40) for j in range(i)]
    assert distances.mean_distance(sample, chunk=7).value == pytest.approx(np.mean(pairs))
    repeated = [distances.mean_distance(part) for part in fresh_draws(100, 60, 6)]
    errors = [each.error for each in repeated if each.error is not None]
    assert np.mean(errors) == pytest.approx(np.std([each.value for each in repeated]), rel=0.3)


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        ((np.zeros(3), np.eye(3), np.zeros(4), np.eye(4)), "3 and 4 dimensions"),
        ((np.zeros(3), np.eye(4), np.zeros(3), np.eye(3)), r"not \[3\] and \[4, 4\]"),
        ((np.full(3, np.nan), np.eye(3), np.zeros(3), np.eye(3)), "the mean must be finite"),
        ((np.zeros(3), np.eye(3), np.zeros(3), np.full((3, 3), np.inf)), "the covariance must be"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(sets: tuple[Floats, ...], sentence: str):
    with pytest.raises(EvaluationError, match=sentence):
        evaluation.frechet_distance(*sets)


def test_distances_need_neither_torchvision_nor_pytorch_fid():
    code = (
        "import sys, genmodels.evaluation.distances;"
        "sys.exit(bool({'torchvision', 'pytorch_fid', 'scipy'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


# Inception, with random weights in a file: the values mean nothing, but must be pytorch-fid's.


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    random_weights(path)
    return path


@pytest.fixture(scope="session")
def picture_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """PNG files: grey 28x28 and colour 64x64."""
    rng = np.random.default_rng(0)
    made = {}
    for name, shape in (("grey", (28, 28)), ("colour", (64, 64, 3))):
        made[name] = tmp_path_factory.mktemp(name)
        coarse = (7, 7, *shape[2:])
        for index in range(7):
            pixels = rng.integers(0, 255, coarse, dtype=np.uint8)
            picture = Image.fromarray(pixels).resize(shape[:2])
            picture.save(made[name] / f"{index}.png")
    return made


def read_pictures(folder: Path) -> torch.Tensor:
    """Float32 [n, c, h, w] in [0, 1], in the order of pytorch-fid."""
    formats = [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]
    pixels = np.stack(formats).reshape(len(formats), *formats[0].shape[:2], -1)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@pytest.fixture
def pytorch_fid_network(inception_file: Path, monkeypatch: pytest.MonkeyPatch):
    """pytorch-fid finds the random weights where it would download its own."""
    from pytorch_fid import inception

    state = torch.load(inception_file, weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
    return inception.InceptionV3


class TestInception:
    def test_whole_path_equals_pytorch_fid(
        self, inception_file: Path, picture_folders: dict[str, Path], pytorch_fid_network
    ):
        from pytorch_fid import fid_score

        network = pytorch_fid_network()
        extractor = features.inception(inception_file)
        assert extractor.title == "FID"
        sets, values = [], []
        for folder in picture_folders.values():
            theirs = fid_score.get_activations(
                sorted(folder.glob("*.png")), network, batch_size=7, num_workers=0
            )
            formats = read_pictures(folder)
            for size in (3, 7):
                ours = torch.cat([extractor(part) for part in formats.split(size)])
                assert ours.dtype == torch.float32
                np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).mean())
            sets.append(theirs)
        assert np.std(sets[0], axis=0).mean() > 1e-3  # features that tell images apart

        for size in (3, 7):
            found = [
                statistics.gather(
                    read_pictures(folder).split(size), extractor, 7, "", lambda *_: None
                )
                for folder in picture_folders.values()
            ]
            values.append(statistics.frechet(*found).value)
        expected = pytorch_fid_distance(*(part for each in sets for part in gaussian(each)))
        assert values == pytest.approx([expected, expected], rel=1e-4)

    def test_bfloat16_is_near_and_told_apart(
        self, inception_file: Path, picture_folders: dict[str, Path]
    ):
        plain = features.inception(inception_file)
        fast = features.inception(inception_file, precision="bfloat16")
        assert plain.fingerprint != fast.fingerprint
        formats = read_pictures(picture_folders["colour"])[:4]
        first, second = plain(formats), fast(formats)
        assert (first - second).abs().mean() < 0.05 * first.abs().mean()

    def test_another_file_has_another_fingerprint(self, inception_file: Path, tmp_path: Path):
        state = torch.load(inception_file, weights_only=True)
        state["fc.bias"] += 1
        torch.save(state, tmp_path / "other.pth")
        first = features.inception(inception_file).fingerprint
        assert features.inception(tmp_path / "other.pth").fingerprint != first

    def test_missing_weights_are_told_in_a_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def blocked(url: str, timeout: float) -> None:
            asked.append(url)
            raise urllib.error.URLError("no network")

        asked = []
        monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
        monkeypatch.delenv("GENMODELS_INCEPTION", raising=False)
        monkeypatch.setattr("urllib.request.urlopen", blocked)
        with pytest.raises(EvaluationError, match="could not be downloaded") as caught:
            features.load("inception", "mnist")
        assert INCEPTION_FILE in str(caught.value)
        assert str(tmp_path / "checkpoints") in str(caught.value)
        assert len(asked) == 1
        assert "\n" not in str(caught.value)

        monkeypatch.setenv("GENMODELS_INCEPTION", str(tmp_path / "typo.pth"))
        with pytest.raises(EvaluationError, match=r"there is no file .*typo\.pth"):
            features.load("inception", "mnist")
        assert len(asked) == 1

    def test_found_in_torch_hub_and_by_variable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.delenv("GENMODELS_INCEPTION", raising=False)
        monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
        there = tmp_path / "checkpoints" / INCEPTION_FILE
        there.parent.mkdir()
        there.touch()
        assert features.find_inception() == there
        (tmp_path / "named.pth").touch()
        monkeypatch.setenv("GENMODELS_INCEPTION", str(tmp_path / "named.pth"))
        assert features.find_inception() == tmp_path / "named.pth"
        assert features.find_inception(there) == there

    def test_damaged_weights_are_told_in_a_sentence(self, inception_file: Path, tmp_path: Path):
        content = inception_file.read_bytes()
        official = tmp_path / INCEPTION_FILE
        official.write_bytes(content)
        with pytest.raises(EvaluationError, match="damaged: its SHA-256 begins with"):
            features.inception(official)
        for name, part in (("half", content[: len(content) // 2]), ("none", b""), ("text", b"hi")):
            path = tmp_path / f"{name}.pth"
            path.write_bytes(part)
            with pytest.raises(EvaluationError, match=r"damaged, or no file of weights"):
                features.inception(path)
        torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
        with pytest.raises(EvaluationError, match="do not fit"):
            features.inception(tmp_path / "other.pth")
        torch.save(torch.zeros(2), tmp_path / "tensor.pth")
        with pytest.raises(EvaluationError, match="do not fit"):
            features.inception(tmp_path / "tensor.pth")

    def test_images_that_are_none_are_refused(self, inception_file: Path):
        extractor = features.inception(inception_file)
        with pytest.raises(EvaluationError, match="NaN"):
            extractor(torch.full((1, 3, 64, 64), float("nan")))
        with pytest.raises(EvaluationError, match=r"not \[1, 2, 64, 64\]"):
            extractor(torch.zeros(1, 2, 64, 64))


# Whole evaluations, with a small untrained classifier.


@pytest.fixture
def extractor(make_run) -> Extractor:
    return features.classifier(make_run("judge", "classifier-mnist", width=4, stages=2))


@pytest.fixture
def arguments(synthetic_data: Path, cache_folder: Path) -> dict[str, Any]:
    return {"samples": 60, "data_folder": synthetic_data, "device": "cpu"}


def test_evaluate(make_run, extractor: Extractor, arguments: dict[str, Any]):
    run = make_run("first", "gan-mnist")
    told = []
    entries = evaluation.evaluate(
        run, extractor, **arguments, progress=lambda *what: told.append(what)
    )
    found = {entry["metric"]: entry for entry in entries}
    assert list(found) == [
        "frechet", "kernel", "precision", "recall", "nearness", "spread", "sure", "classes",
    ]  # fmt: skip
    assert found["frechet"]["title"] == "Fréchet distance (digit classifier judge)"
    assert "FID" not in json.dumps(entries)
    for entry in entries:
        assert math.isfinite(entry["value"])
        assert math.isfinite(entry["floor"]["value"])
        assert entry["samples"] == 60
        assert entry["floor"]["images"] == 60
        assert entry["real"]["images"] == 80
        assert entry["weights_fingerprint"] == runs.fingerprint(run)
    assert found["frechet"]["floor"]["value"] < found["frechet"]["value"]
    assert found["spread"]["floor"]["value"] == pytest.approx(1, abs=0.2)
    assert found["nearness"]["floor"]["value"] == pytest.approx(0, abs=1e-3)  # Training images.
    assert set(found["classes"]["shares"]) == set("0123456789")
    assert {what for what, _, _ in told} >= {"Samples", "Real images (val)", "Distances"}

    told.clear()
    again = evaluation.evaluate(
        run, extractor, **arguments, progress=lambda *what: told.append(what)
    )
    assert {what for what, _, _ in told} == {"Samples", "Distances"}  # the rest was cached
    for before, after in zip(entries, again, strict=True):
        assert after["value"] == pytest.approx(before["value"], rel=1e-9)


def test_samples_are_measured_as_the_pictures_they_are_stored_as(make_run):
    from genmodels.data import formats

    model = weights.load_run(make_run("first", "gan-mnist"))
    found = torch.cat(list(evaluation.sample_in_batches(model, 10, 0, 4)))
    stored = formats.from_floats(model.sample(10, 0).numpy())
    np.testing.assert_array_equal(np.rint(found.numpy() * 255), stored.transpose(0, 3, 1, 2))


def test_a_damaged_cache_is_made_again(
    make_run, extractor: Extractor, arguments: dict[str, Any], cache_folder: Path
):
    run = make_run("first", "gan-mnist")
    entries = evaluation.evaluate(run, extractor, **arguments)
    files = sorted((cache_folder / "evaluation").glob("real-*.safetensors"))
    assert len(files) == 2
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: len(whole) // 2])
    files[1].write_bytes(b"nonsense")
    again = evaluation.evaluate(run, extractor, **arguments)
    assert again[0]["value"] == pytest.approx(entries[0]["value"])
    assert len(files[0].read_bytes()) == len(whole)


def test_an_interrupted_evaluation_leaves_nothing(
    make_run, extractor: Extractor, arguments: dict[str, Any], cache_folder: Path
):
    class Stop(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        raise Stop

    run = make_run("first", "gan-mnist")
    with pytest.raises(Stop):
        evaluation.evaluate(run, extractor, **arguments, progress=stop)
    assert not list(cache_folder.rglob("*"))
    assert not run.evaluation()


def test_results_merge_the_run_and_the_cache(
    make_run, extractor: Extractor, arguments: dict[str, Any], cache_folder: Path
):
    run = make_run("first", "gan-mnist")
    first = evaluation.evaluate(run, extractor, **arguments)
    evaluation.save(run, first)
    assert evaluation.results(run) == first
    newer = [entry | {"created": "2999-01-01T00:00:00Z"} for entry in first]
    more = [entry | {"samples": 50} for entry in first]
    evaluation.save_to_cache(newer + more)
    assert evaluation.results(run) == newer + more
    assert run.evaluation() == first

    # Measurements of weights that are no longer there do not count.
    (run.path / "generator.safetensors").write_bytes(
        (run.path / "generator.safetensors").read_bytes() + b" "
    )
    assert evaluation.results(run) == []


def test_parts_of_the_samples_are_measured_too(
    make_run, extractor: Extractor, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(evaluation, "COUNTS", (20, 40, 1000))
    run = make_run("first", "gan-mnist")
    arguments["samples"] = 80
    entries = {entry["metric"]: entry for entry in evaluation.evaluate(run, extractor, **arguments)}
    val = datasets.load("mnist", "val", arguments["data_folder"])
    real = statistics.of_real(val, extractor, None, "", lambda *_: None)
    samples = extractor(weights.load_run(run).sample(80).mul(255).round().div(255)).numpy()
    halves = [stream(samples[:40]), stream(samples[40:])]
    expected = {
        "frechet": np.mean([statistics.frechet(half, real).value for half in halves]),
        "kernel": np.mean(
            [evaluation.kernel_distance(half.features, real.features).value for half in halves]
        ),
    }
    for metric, value in expected.items():
        points = entries[metric]["by_count"]
        assert [(point["samples"], point["parts"]) for point in points] == [(20, 4), (40, 2)]
        assert points[1]["value"] == pytest.approx(value, rel=1e-5)
    assert entries["precision"]["by_count"] == []


class TestNeighbours:
    def test_equals_every_distance_computed(self):
        rng = torch.Generator().manual_seed(0)
        queries, others = torch.randn(7, 12, generator=rng), torch.randn(50, 12, generator=rng)
        found = neighbours.nearest(queries, others.split(8))
        expected = torch.cdist(queries.double(), others.double()).min(1)
        assert found.indices.tolist() == expected.indices.tolist()
        np.testing.assert_allclose(found.distances, expected.values, rtol=1e-5)

    def test_a_training_image_is_nearest_to_itself(
        self, extractor: Extractor, synthetic_data: Path, cache_folder: Path
    ):
        train = datasets.load("mnist", "train", synthetic_data)
        own = image_tensors.to_float(train.pixels[[5, 200, 317]])

        def quiet(what: str, done: int, total: int) -> None:
            pass

        for found in (
            neighbours.in_pixels(own, train, quiet),
            neighbours.in_features(own, train, extractor, quiet),
            neighbours.in_features(own, train, extractor, quiet),  # From the cache.
        ):
            assert found.distances.tolist() == pytest.approx([0, 0, 0], abs=1e-4)
            assert torch.equal(train.pixels[found.indices], train.pixels[[5, 200, 317]])
        assert len(list((cache_folder / "evaluation").glob("features-*"))) == 1

    def test_nearness_is_0_for_copies_and_1_for_what_is_drawn_alike(self):
        rng = torch.Generator().manual_seed(0)
        training, others, *drawn = torch.randn(30, 400, 3, generator=rng)

        def nearness(features: torch.Tensor) -> evaluation.distances.Estimate:
            found = neighbours.nearness(features, others, training)
            assert found is not None
            return found

        assert nearness(training[:50]).value == 0
        assert nearness(others).value == 1
        found = [nearness(each) for each in drawn]
        values, errors = (torch.tensor(column) for column in zip(*found, strict=True))
        assert values.mean().item() == pytest.approx(1, abs=0.1)
        assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.4)

    def test_held_out_images_that_are_training_images_are_left_out(self):
        rng = torch.Generator().manual_seed(0)
        training, others, drawn = torch.randn(3, 400, 3, generator=rng)
        expected = neighbours.nearness(drawn, others, training)
        copies = training[:399] * (1 + 1e-6)  # As rounding in another batch leaves them.
        found = neighbours.nearness(drawn, torch.cat([copies, others]), training)
        assert found == expected
        assert neighbours.nearness(drawn, copies, training) is None

    def test_none_and_others_are_refused(self):
        with pytest.raises(EvaluationError, match="no training images"):
            neighbours.nearest(torch.zeros(1, 3), [])
        with pytest.raises(EvaluationError, match="3 and 4 dimensions"):
            neighbours.nearest(torch.zeros(1, 3), [torch.zeros(2, 4)])


def no_work(what: str, done: int, total: int) -> None:
    raise AssertionError(f"{what}: begun before it was refused")


def pixels(dimensions: int = 4) -> Extractor:
    """Some pixels as features: they know pictures of every kind."""

    def middle(images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 10:, 10:].flatten(1)[:, :dimensions]

    return Extractor(
        name="inception", label="pixels", fingerprint=f"{dimensions}",
        channels=(1, 3), batch_size=16, device=torch.device("cpu"), network=middle,
    )  # fmt: skip


def picture_run(make_run, folder: Path, noise: list[int], **changes: Any) -> runs.Run:
    """A run of own pictures: one of noise for each of the seeds."""
    folder.mkdir()
    for number, seed in enumerate(noise):
        rng = np.random.default_rng(seed)
        picture = Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
        picture.save(folder / f"{number:03d}.png")
    return make_run("own", "gan-mnist", pictures=own_pictures.from_path(folder).id, **changes)


class TestFewAndEqualPictures:
    """They are measured to numbers that mean something, or refused before the work."""

    @pytest.mark.parametrize("count", [16, 20, 34])
    def test_too_few_held_out(self, make_run, cache_folder, tmp_path, count):
        run = picture_run(make_run, tmp_path / "few", list(range(count)))
        held_out = len(datasets.of(run.recipe, "val"))
        assert held_out < 4
        with pytest.raises(EvaluationError, match=f"it has {count - held_out} and {held_out}\\."):
            evaluation.evaluate(run, pixels(), samples=20, progress=no_work)

    def test_too_few_learnt_from(self, make_run, arguments, extractor):
        run = make_run("first", "gan-mnist", train_limit=3)
        with pytest.raises(EvaluationError, match="it has 3 and 80"):
            evaluation.evaluate(run, extractor, **arguments, progress=no_work)

    def test_what_a_run_recorded_is_told_without_its_images(self, make_run):
        run = make_run("first", "gan-mnist")
        evaluation.check_counts(run)
        origins = {"images": 18, "fingerprint": ""}, {"images": 2, "fingerprint": ""}
        runs.change_info(run.path, data=dict(zip(("train", "val"), origins, strict=True)))
        with pytest.raises(EvaluationError, match="it has 18 and 2"):
            evaluation.check_counts(runs.find("first"))

    @pytest.mark.parametrize("seeds", [[1] * 40, [0] * 39 + [1]])
    def test_equal_pictures(self, make_run, cache_folder, tmp_path, seeds):
        run = picture_run(make_run, tmp_path / "equal", seeds)
        if len(datasets.of(run.recipe, "val").pixels.unique(dim=0)) == 1:
            with pytest.raises(EvaluationError, match="are the same picture"):
                evaluation.evaluate(run, pixels(), samples=20, progress=no_work)
        else:
            entries = evaluation.evaluate(run, pixels(), samples=20)
            assert all(0 <= entry["value"] < 1e3 for entry in entries)

    def test_pictures_that_the_features_do_not_tell_apart(self, make_run, cache_folder, tmp_path):
        run = picture_run(make_run, tmp_path / "p", list(range(60)))
        blind = dataclasses.replace(
            pixels(), network=lambda images: torch.ones(len(images), 4), label="blind"
        )
        seen = []
        with pytest.raises(EvaluationError, match="blind sees no difference"):
            evaluation.evaluate(run, blind, samples=20, progress=lambda what, *_: seen.append(what))
        assert set(seen) == {"Real images (val)"}

    def test_duplicates(self, make_run, cache_folder, tmp_path):
        run = picture_run(make_run, tmp_path / "twice", [max(n // 2, n - 30) for n in range(100)])
        found = {e["metric"]: e for e in evaluation.evaluate(run, pixels(40), samples=60)}
        assert "nearness" in found
        for entry in found.values():
            assert -1 < entry["value"] < 100, entry["title"]
            assert -1 < entry["floor"]["value"] < 100, entry["title"]

    def test_a_model_that_always_draws_the_same(self, make_run, arguments, extractor):
        run = make_run("first", "gan-mnist")
        nets = {n: m.state_dict() for n, m in weights.load_run(run).networks.items()}
        nets["generator"] = {k: torch.zeros_like(v) for k, v in nets["generator"].items()}
        weights.save_networks(run.path, nets, 0)
        found = {e["metric"]: e for e in evaluation.evaluate(run, extractor, **arguments)}
        assert found["spread"]["value"] == pytest.approx(0, abs=1e-3)
        assert found["precision"]["value"] in (0, 1)
        assert found["recall"]["value"] == pytest.approx(0, abs=0.1)
        assert all(math.isfinite(entry["value"]) for entry in found.values())


def test_the_nearest_images_are_among_those_the_run_learnt_from(make_run, arguments, extractor):
    run = make_run("first", "gan-mnist", train_limit=20)
    told = []
    found = evaluation.evaluate(run, extractor, **arguments, progress=lambda *t: told.append(t))
    assert ("Features of the training images", 20, 20) in told
    nearness = next(entry for entry in found if entry["metric"] == "nearness")
    # The floor's pictures are mostly ones that the run never saw, as the held-out ones are.
    assert nearness["floor"]["value"] == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("place", ["run", "cache"])
def test_the_newest_measurement_counts_whatever_the_clock_says(
    make_run, extractor: Extractor, arguments: dict[str, Any], place: str
):
    run = make_run("first", "gan-mnist")
    first = evaluation.evaluate(run, extractor, **arguments)

    def save(entries: list[evaluation.Entry]) -> None:
        evaluation.save(run, entries) if place == "run" else evaluation.save_to_cache(entries)

    save(first)
    set_back = [entry | {"created": "1999-01-01T00:00:00Z", "value": 7.0} for entry in first]
    save(set_back)
    assert evaluation.results(run) == set_back


def test_a_damaged_file_of_the_cache_is_written_anew(
    make_run, extractor: Extractor, arguments: dict[str, Any], cache_folder: Path
):
    run = make_run("first", "gan-mnist")
    entries = evaluation.evaluate(run, extractor, **arguments)
    evaluation.save_to_cache(entries)
    [path] = (cache_folder / "evaluation").glob("*.json")
    path.write_bytes(path.read_bytes()[:100])
    evaluation.save_to_cache(entries)
    assert evaluation.results(run) == entries


def test_damaged_results_are_told_in_a_sentence(make_run, cache_folder: Path):
    run = make_run("first", "gan-mnist")
    for content in ("[{}]", "{}", '[{"metric": 1}]'):
        (run.path / "evaluation.json").write_text(content)
        with pytest.raises(GenmodelsError, match=r"evaluation\.json is damaged"):
            evaluation.results(run)
    (run.path / "evaluation.json").unlink()
    path = cache_folder / "evaluation" / f"{runs.fingerprint(run)}.json"
    path.parent.mkdir()
    path.write_text("[")
    with pytest.raises(EvaluationError, match="is damaged; measure again"):
        evaluation.results(run)


def test_bad_requests_are_refused(make_run, extractor: Extractor, arguments: dict[str, Any]):
    run = make_run("first", "gan-mnist")
    with pytest.raises(EvaluationError, match="makes no images"):
        evaluation.evaluate(runs.find("judge"), extractor, **arguments)
    with pytest.raises(EvaluationError, match="first is no classifier"):
        features.classifier(run)
    with pytest.raises(EvaluationError, match=r"digit classifier judge takes images \[n, 1,"):
        extractor(torch.zeros(2, 3, 28, 28))
    for samples in (1, 2, 3):
        arguments["samples"] = samples
        with pytest.raises(EvaluationError, match=f"at least 4 samples, not {samples}"):
            evaluation.evaluate(run, extractor, **arguments, progress=no_work)


class TestCommand:
    def test_writes_evaluation_json(
        self, make_run, arguments: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ):
        make_run("classifier-mnist", "classifier-mnist", width=4, stages=2)
        run = make_run("first", "gan-mnist")
        data_folder = str(arguments["data_folder"])
        assert main(["--all", "--samples", "40", "--data-dir", data_folder]) == 0
        assert {entry["samples"] for entry in run.evaluation()} == {40}
        shown = capsys.readouterr().out
        assert "first: 40 samples against 80 images" in shown
        assert "Fréchet distance (digit classifier)" in shown
        make_run("other", "classifier-mnist", width=4, stages=2, seed=1)
        typed = ["first", "--samples", "40", "--data-dir", data_folder, "--judge", "other"]
        assert main(typed) == 0
        assert {entry["features"] for entry in run.evaluation()} == {"classifier-mnist", "other"}
        assert "Fréchet distance (digit classifier other)" in capsys.readouterr().out

    @pytest.fixture
    def typed(self, make_run, arguments: dict[str, Any]) -> list[str]:
        """Measures `first`."""
        make_run("classifier-mnist", "classifier-mnist", width=4, stages=2)
        make_run("first", "gan-mnist")
        return ["first", "--samples", "40", "--data-dir", str(arguments["data_folder"])]

    def test_what_cannot_be_written_is_told_before_the_work(
        self, typed: list[str], monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path
    ):
        monkeypatch.setattr("genmodels.evaluation.__main__.Bar.__call__", no_work)
        damaged = runs.find("first").path / "evaluation.json"
        damaged.write_text("[{")
        assert main(typed) == 2
        assert "evaluation.json is damaged" in capsys.readouterr().err
        damaged.unlink()
        (tmp_path / "file").touch()
        monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "file"))
        assert main(typed) == 2
        complaint = capsys.readouterr().err
        assert f"{tmp_path / 'file'} cannot be written" in complaint
        assert complaint.count("\n") == 1

    def test_what_cannot_be_stored_in_the_end_is_shown(
        self, typed: list[str], monkeypatch: pytest.MonkeyPatch, capsys
    ):
        def full(path: Path, plain: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(runs, "write_json", full)
        assert main(typed) == 2
        shown = capsys.readouterr()
        assert "Fréchet distance (digit classifier)" in shown.out
        assert "first: the values above could not be stored" in shown.err
        assert "No space left" in shown.err

    def test_a_closed_pipe_loses_nothing(self, make_run, arguments: dict[str, Any], tmp_path: Path):
        first, second = make_run("first", "gan-mnist"), make_run("second", "gan-mnist", seed=1)
        command = [sys.executable, "-m", "genmodels", "evaluate", "first", "second"]
        command += ["--samples", "40", "--data-dir", str(arguments["data_folder"])]
        with subprocess.Popen(
            command, cwd=paths.REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout
            process.stdout.close()
            assert process.wait() == 0
        assert first.evaluation() and second.evaluation()

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ([], "name the runs to measure"),
            (["first", "--all"], "but not both"),
            (["nowhere"], "there is no run 'nowhere'"),
            (["first", "--samples", "many"], "many"),
            (["first", "--features", "pixels"], "pixels"),
            (["first"], "measuring needs classifier-mnist"),
            (["first", "--judge", "first"], "first is no classifier"),
            (["first", "--samples", "3"], "at least 4 samples"),
            (["first", "--features", "inception", "--weights", "/nowhere"], "no file /nowhere"),
        ],
    )
    def test_mistakes_exit_with_2_and_one_sentence(
        self, make_run, typed: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
    ):
        make_run("first", "gan-mnist")
        assert main(typed) == 2
        complaint = capsys.readouterr().err
        assert sentence in complaint
        assert complaint.count("\n") == 1
