"""What only a GPU can show. Without one all of this is skipped."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from genmodels import evaluation, recipes, runs
from genmodels.errors import GenmodelsError
from genmodels.models import weights
from genmodels.models.devices import choose_precision
from genmodels.models.vae import VAE
from genmodels.runs import Run
from genmodels.training import loop
from genmodels.training.progress import Stopped

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")

# Sums in the same order every time: set before the libraries look.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
PLACES = ("cuda", "cpu")
TIMES = ("seconds", "images_per_second", "distance_seconds", "other_seconds")


@pytest.fixture(scope="module", autouse=True)
def places(module_places):
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def fitted(folder: Path, name: str, device: Any = "cuda", resume: bool = False, **changes) -> Run:
    """A run of 40 steps and a rest that is no whole batch."""
    few = {"epochs": 4, "batch_size": 8, "train_limit": 84} | changes
    recipe = dataclasses.replace(recipes.named(name), **few)
    loop.fit(name, recipe, folder, device=device, resume=resume)
    return runs.open_run(folder)


def measured(run: Run) -> list[float]:
    return [
        value
        for line in run.metrics()
        for name, value in line.items()
        if name not in TIMES and isinstance(value, float)
    ]


def differences(run: Run, other: Run) -> float:
    """The greatest between two runs' metrics, relative."""
    mine, theirs = (torch.tensor(measured(each)) for each in (run, other))
    return ((mine - theirs).abs() / theirs.abs().clamp(min=1e-2)).max().item()


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_recorded_steps_are_those_that_are_not(name, tmp_path, monkeypatch):
    recorded = fitted(tmp_path / "recorded", name, precision="float32", epochs=2)
    monkeypatch.setattr("genmodels.models.Model.recordable", False)
    plain = fitted(tmp_path / "plain", name, precision="float32", epochs=2)
    again = fitted(tmp_path / "again", name, precision="float32", epochs=2)
    print(name, differences(recorded, plain), differences(again, plain))
    assert differences(recorded, plain) <= differences(again, plain) + 1e-3


@pytest.mark.parametrize("name", ["vae-mnist", "gan-imagenette-plus"])
def test_a_stopped_training_resumes_where_it_was(name, tmp_path, monkeypatch):
    whole = fitted(tmp_path / "whole", name, precision="float32")
    again = fitted(tmp_path / "again", name, precision="float32")
    train_epoch = loop.Trainer.train_epoch

    def stop_in_the_third(trainer: loop.Trainer, epoch: int) -> dict[str, Any]:
        if epoch == 3:
            (trainer.folder / "stop").write_text("enough")
        return train_epoch(trainer, epoch)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(loop.Trainer, "train_epoch", stop_in_the_third)
        fitted(tmp_path / "parts", name, precision="float32")
    assert runs.open_run(tmp_path / "parts").resumable()
    parts = fitted(tmp_path / "parts", name, resume=True, precision="float32")
    print(name, differences(parts, whole), differences(again, whole))
    assert differences(parts, whole) <= differences(again, whole) + 1e-3
    assert not parts.resumable()


@pytest.mark.parametrize(("began", "goes_on"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_training_goes_on_where_it_did_not_begin(began, goes_on, tmp_path, monkeypatch):
    train_epoch = loop.Trainer.train_epoch

    def stop_in_the_second(trainer: loop.Trainer, epoch: int) -> dict[str, Any]:
        if epoch == 2:
            raise Stopped("enough")
        return train_epoch(trainer, epoch)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(loop.Trainer, "train_epoch", stop_in_the_second)
        fitted(tmp_path / "run", "vae-mnist-plus", began)
    run = fitted(tmp_path / "run", "vae-mnist-plus", goes_on, resume=True)
    losses = [line["loss"] for line in run.metrics() if line["split"] == "val"]
    assert len(losses) == 5
    assert losses[-1] < losses[1] < losses[0]


def test_a_gpu_learns_what_a_processor_learns(tmp_path):
    kinds = {"precision": "float32", "epochs": 6}
    on_gpu, on_cpu = (fitted(tmp_path / place, "vae-mnist", place, **kinds) for place in PLACES)
    first, other = (run.metrics()[-1]["loss"] for run in (on_gpu, on_cpu))
    assert first == pytest.approx(other, rel=0.02)
    # The same latents, the same weights: the same pictures.
    images = [weights.load_run(on_gpu, place).sample(8, seed=3).cpu() for place in PLACES]
    torch.testing.assert_close(*images, rtol=0, atol=1e-4)


def test_convolutions_are_in_bfloat16():
    for name, precision in {"gan-imagenette": "bfloat16", "vae-mnist": "float32"}.items():
        assert choose_precision(recipes.named(name), torch.device("cuda")) == precision


def test_features_and_distances_are_those_of_a_processor(make_run, cache_folder, monkeypatch):
    run = make_run("fresh", "gan-imagenette", feature_maps=4)
    values = {}
    for place in PLACES:
        monkeypatch.setenv("GENMODELS_CACHE", str(cache_folder / place))
        entries = evaluation.evaluate(run, "classifier", samples=60, device=place)  # pyright: ignore[reportArgumentType]
        values[place] = {entry["metric"]: entry["value"] for entry in entries}
    assert values["cuda"] == pytest.approx(values["cpu"], rel=1e-2)


def test_steps_that_look_at_a_value_are_told_and_can_be_left_as_they_are(tmp_path, monkeypatch):
    turns = VAE.turns

    def curious(model: VAE, images, labels, rng):
        assert images.max().item() <= 1
        yield from turns(model, images, labels, rng)

    monkeypatch.setattr(VAE, "turns", curious)
    monkeypatch.setattr(VAE, "recordable", False)
    assert fitted(tmp_path / "plain", "vae-mnist").status().state == "done"
    monkeypatch.setattr(VAE, "recordable", True)
    with pytest.raises(GenmodelsError, match="set the model's `recordable` to False"):
        fitted(tmp_path / "recorded", "vae-mnist")
