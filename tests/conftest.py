"""What several tests share: places of their own, data sets small enough to train on, runs."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import browser, page  # noqa: F401  fixtures for all
from PIL import Image, ImageDraw, ImageFont

from genmodels import recipes, runs
from genmodels.recipes import Recipe

WNIDS = (
    "n01440764",
    "n02102040",
    "n02979186",
    "n03000684",
    "n03028079",
    "n03394916",
    "n03417042",
    "n03425413",
    "n03445777",
    "n03888257",
)
"""Imagenette's class folders, in the order of its labels."""


@pytest.fixture
def runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is GENMODELS_RUNS for the test."""
    folder = tmp_path / "runs"
    folder.mkdir(exist_ok=True)  # A page that was opened before has made it.
    monkeypatch.setenv("GENMODELS_RUNS", str(folder))
    return folder


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is GENMODELS_CACHE for the test."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("GENMODELS_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data sets. Tests that ask for them are skipped where they are not at hand."""
    folder = Path(os.environ.get("GENMODELS_DATA") or "nowhere")
    if not (folder / "MNIST" / "raw").is_dir() or not (folder / "imagenette2-160").is_dir():
        pytest.skip("needs GENMODELS_DATA with MNIST and Imagenette")
    return folder


@pytest.fixture(scope="session")
def synthetic_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both data sets in their true formats, a few hundred made-up images. Not to be written to:
    a test that changes data writes its own by `write_mnist` or `write_imagenette`."""
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder, train=320, val=80)
    write_imagenette(folder, train=10, val=3)
    return folder


@pytest.fixture(scope="module")
def module_places(synthetic_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs, cache and data for all tests of a module: nothing there touches the repository's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("GENMODELS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("GENMODELS_DATA", str(synthetic_data))
        yield


def write_mnist(folder: Path, train: int, val: int) -> None:
    """Digits of a font, shifted at random, as the four idx files."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    font = ImageFont.load_default(18)
    for part, count in (("train", train), ("t10k", val)):
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        images = np.zeros((count, 28, 28), np.uint8)
        for index, label in enumerate(labels):
            picture = Image.new("L", (28, 28))
            corner = (int(rng.integers(5, 12)), int(rng.integers(0, 8)))
            ImageDraw.Draw(picture).text(corner, str(label), fill=255, font=font)
            images[index] = np.asarray(picture)
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", labels)


def write_idx(path: Path, values: np.ndarray) -> None:
    """The format of MNIST's files: a magic number with the rank, the shape, the bytes."""
    header = np.array([0x0800 + values.ndim, *values.shape], ">u4")
    path.write_bytes(header.tobytes() + values.tobytes())


def write_imagenette(folder: Path, train: int, val: int) -> None:
    """So many JPEGs in each class, wide and high ones, every third of them greyscale."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for label, wnid in enumerate(WNIDS):
            place = folder / "imagenette2-160" / split / wnid
            place.mkdir(parents=True)
            for index in range(count):
                width, height = rng.integers(50, 120, 2)
                coarse = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
                coarse[..., label % 3] = 25 * label
                picture = Image.fromarray(coarse).resize((int(width), int(height)))
                if index % 3 == 2:
                    picture = picture.convert("L")
                picture.save(place / f"ILSVRC2012_val_{index:08d}.JPEG", "JPEG")


@pytest.fixture
def make_run(runs_folder: Path) -> Callable[..., runs.Run]:
    """Makes a run of fresh networks: `make_run("first", "gan-mnist", latent_dim=8)`."""

    def make(run_id: str, recipe_name: str = "vae-mnist", **changes) -> runs.Run:
        from genmodels.models import build, weights
        from genmodels.training import provenance

        recipe: Recipe = dataclasses.replace(recipes.named(recipe_name), **changes)
        model = build(recipe)
        folder = runs_folder / run_id
        folder.mkdir()
        runs.write_json(folder / "recipe.json", provenance.describe(recipe_name, recipe, model, ""))
        networks = {name: network.state_dict() for name, network in model.networks.items()}
        weights.save_networks(folder, networks, 0)
        return runs.open_run(folder)

    return make
