"""Packing runs, and the README's table made of them."""

import math
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import genmodels
from genmodels import paths, runs
from genmodels.data import datasets, formats, image_tensors
from genmodels.errors import RunError
from genmodels.export import packing, tables
from genmodels.latents import posteriors

SHIPPED = [run.id for run in runs.list_runs() if isinstance(run, runs.Run) and run.shipped]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_run_is_whole(name):
    run = runs.find(name)
    assert run.status().state == "done"
    epochs = {line["epoch"] for line in run.metrics() if line["split"] == "train"}
    assert epochs == set(range(1, run.recipe.epochs + 1))
    if not run.recipe.hidden:
        assert 0 in run.samples()
        assert len(run.samples()) > run.recipe.epochs
        assert genmodels.load(name).sample(2, seed=1).isfinite().all()
    for path in run.path.glob("*.safetensors"):
        tensors = load_file(path).values()
        assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {torch.float16}


def test_what_ships_is_small():
    sizes = [path.stat().st_size for path in paths.CHECKPOINTS.rglob("*") if path.is_file()]
    assert max(sizes) < 10e6
    assert sum(sizes) < 60e6


def test_only_a_finished_run_is_packed_and_nothing_is_overwritten(runs_folder, tmp_path):
    shutil.copytree(paths.CHECKPOINTS / "vae-mnist", runs_folder / "mine")
    mine = runs.find("mine")
    packed = packing.pack(mine, tmp_path / "copy")
    assert packed.metrics() == mine.metrics()
    assert packed.samples().keys() == mine.samples().keys()
    assert packed.info["parent"] == "mine"
    kept, own = posteriors.kept(packed), posteriors.kept(mine)
    assert kept == own | {"weights_fingerprint": runs.fingerprint(packed)}
    with pytest.raises(RunError, match="there already"):
        packing.pack(mine, tmp_path / "copy")
    runs.write_status(mine.path, runs.Status("stopped"))
    with pytest.raises(RunError, match="finished"):
        packing.pack(mine, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_large_samples_in_colour_are_packed_smaller(make_run, tmp_path):
    run = make_run("first", "gan-imagenette")
    runs.write_status(run.path, runs.Status("done"))
    (run.path / "samples").mkdir(exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    first = run.path / "samples" / "000000000.webp"
    first.write_bytes(formats.webp(Image.fromarray(noise).resize((128, 128)).resize((512, 512))))
    before = first.stat().st_size
    packed = packing.pack(run, tmp_path / "copy").samples()[0]
    assert first.stat().st_size == before > packing.SAMPLES_BYTES >= packed.stat().st_size
    with Image.open(packed) as picture:
        assert (picture.format, picture.size) == ("WEBP", (512, 512))


def test_a_weight_too_large_for_half_precision_is_not_packed():
    with pytest.raises(RunError, match="finite"):
        packing.halved({"weight": torch.tensor([1e6])})


def test_the_readme_shows_the_table_that_the_run_folders_give():
    readme = (paths.REPOSITORY / "README.md").read_text()
    assert tables.updated(readme) == readme
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", tables.table(), re.MULTILINE)
    assert rows == [name for name in SHIPPED if not runs.find(name).recipe.hidden]


@pytest.mark.parametrize("name", ["gan-imagenette", "gan-mnist", "vae-mnist"])
def test_shipped_samples_are_about_as_far_apart_as_real_images(name, data_folder):
    """A generator that collapsed onto a few pictures would give far less."""
    run = runs.find(name)
    real = image_tensors.to_float(
        datasets.load(run.recipe.dataset, "val", data_folder).pixels[:1000]
    )
    samples = genmodels.load(name).sample(1000, seed=0)
    spreads = [torch.pdist(images.flatten(1)).mean().item() for images in (samples, real)]
    assert 0.8 < spreads[0] / spreads[1] < 1.25


CONDITIONAL = [
    name for name in SHIPPED if getattr(runs.find(name).recipe, "prior", "") == "classes"
]


@pytest.mark.parametrize("name", [name for name in CONDITIONAL if name.startswith("gan")])
def test_shipped_gans_draw_many_pictures_of_each_class(name, data_folder):
    """Such a generator is prone to draw one picture of each."""
    run = runs.find(name)
    model = genmodels.load(name)
    val = datasets.load(run.recipe.dataset, "val", data_folder)
    for label in range(run.recipe.class_count):
        real = image_tensors.to_float(val.pixels[val.labels == label][:100])
        samples = model.sample(100, seed=label, label=label)
        nearest = []
        for images in (samples, real):
            distances = torch.cdist(images.flatten(1), images.flatten(1)).fill_diagonal_(math.inf)
            nearest.append(distances.amin(1).median().item())
        assert nearest[0] / nearest[1] > 0.6, label


@pytest.mark.parametrize("name", CONDITIONAL)
def test_shipped_models_draw_the_class_that_is_asked_for(name):
    run = runs.find(name)
    judge = genmodels.load(f"classifier-{run.recipe.dataset}")
    model = genmodels.load(name)
    labels = torch.arange(run.recipe.class_count).repeat_interleave(50)
    samples = torch.cat([model.sample(50, seed=1, label=int(one)) for one in labels[::50]])
    with torch.inference_mode():
        right = judge.classify(samples).argmax(1) == labels
    assert right.float().mean() > (0.9 if run.recipe.dataset == "mnist" else 0.25)
