"""The classifiers that measure: their networks, augmentation, schedule, and that they learn."""

import dataclasses
from pathlib import Path

import pytest
import torch

from genmodels import paths, recipes, runs
from genmodels.data import datasets, image_tensors
from genmodels.errors import RecipeError
from genmodels.models import build, weights
from genmodels.models.classifier import SHIFT, Classifier, augment
from genmodels.recipes import RECIPES, ClassifierRecipe
from genmodels.training import loop
from genmodels.training.progress import Stopped


def small(**changes) -> ClassifierRecipe:
    recipe = RECIPES["classifier-mnist"]
    assert isinstance(recipe, ClassifierRecipe)
    return dataclasses.replace(recipe, width=8, stages=2, batch_size=32, **changes)


@pytest.mark.parametrize(
    ("name", "dimensions", "parameters"),
    [("classifier-mnist", 128, 482_154), ("classifier-imagenette", 256, 1_960_106)],
)
def test_networks(name: str, dimensions: int, parameters: int):
    recipe = RECIPES[name]
    assert recipe.hidden
    recipe.check()
    assert recipes.from_json(recipes.to_json(recipe)) == recipe
    model = build(recipe)
    assert isinstance(model, Classifier)
    assert list(model.networks) == ["classifier"]
    # In half precision a file under 10 MB.
    assert sum(weight.numel() for weight in model.parameters()) == parameters < 4_900_000
    images = torch.rand(2, *recipe.shape)
    model.eval()
    features = model.features(images)
    assert features.shape == (2, dimensions)
    torch.testing.assert_close(model.classifier.head(features), model.classify(images))


def test_a_network_of_other_layers_is_refused():
    with pytest.raises(RecipeError, match="network must be one of convolutional"):
        small(network="linear").check()


def test_schedule_rises_then_falls():
    model = build(small(warm_up=0.25))
    factors = [model.learning_rate_factor(step / 100) for step in range(101)]
    assert factors[0] == 0
    assert factors[25] == 1
    assert factors[100] == pytest.approx(0, abs=1e-12)
    assert factors[:26] == sorted(factors[:26])
    assert factors[25:] == sorted(factors[25:], reverse=True)
    for warm_up in (0.0, 1.0):
        ends = build(small(warm_up=warm_up))
        assert all(0 <= ends.learning_rate_factor(done) <= 1 for done in (0.0, 0.5, 1.0))


def test_other_families_keep_their_learning_rate():
    assert build(RECIPES["vae-mnist"]).learning_rate_factor(0.7) == 1


class TestAugment:
    @pytest.mark.parametrize("kind", ["none", "shift", "crop"])
    def test_gives_images_of_the_same_kind(self, kind: str):
        images = torch.rand(8, 3, 64, 64)
        found = augment(images, kind, torch.Generator().manual_seed(1))
        assert found.shape == images.shape
        assert found.min() >= 0 and found.max() <= 1
        again = augment(images, kind, torch.Generator().manual_seed(1))
        torch.testing.assert_close(found, again, rtol=0, atol=0)
        assert torch.equal(found, images) == (kind == "none")

    def test_shift_moves_by_no_more_than_it_says(self):
        images = torch.zeros(200, 1, 28, 28)
        images[:, :, 13:15, 13:15] = 1
        found = augment(images, "shift", torch.Generator().manual_seed(0))
        places = torch.arange(28.0) - 13.5
        rows = (found.sum(3) * places).sum((1, 2)) / found.sum((1, 2, 3))
        assert 0.8 * SHIFT < rows.abs().max() < SHIFT * 1.15  # an image is zoomed, too

    def test_crop_shows_only_the_image_and_mirrors_half(self):
        images = torch.linspace(0.5, 1, 64).expand(100, 3, 64, 64)
        found = augment(images, "crop", torch.Generator().manual_seed(0))
        assert found.min() > 0.25  # at the edge half of a pixel lies outside
        mirrored = found[:, 0, 32, 8] > found[:, 0, 32, 56]
        assert 30 < mirrored.sum() < 70


def test_learns_digits_of_a_font(synthetic_data: Path, tmp_path: Path):
    recipe = small(epochs=10, learning_rate=0.01)
    loop.fit("classifier-mnist", recipe, tmp_path / "run", data_folder=synthetic_data)
    model = weights.load(tmp_path / "run")
    lines = runs.open_run(tmp_path / "run").metrics()
    accuracy = {line["epoch"]: line["accuracy"] for line in lines if line["split"] == "val"}
    assert accuracy[0] < 0.5
    assert accuracy[10] > 0.9
    assert model.classify(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_resumed_is_the_training_never_interrupted(
    synthetic_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = small(epochs=3)

    def fit(name: str, resume: bool = False) -> None:
        loop.fit(
            "classifier-mnist",
            recipe,
            tmp_path / name,
            device="cpu",
            data_folder=synthetic_data,
            resume=resume,
        )

    def stop_in_the_second(trainer: loop.Trainer) -> None:
        if trainer.images_seen > 320 + 64:
            raise Stopped("enough")
        set_rates(trainer)

    fit("whole")
    set_rates = loop.Trainer.set_learning_rates
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(loop.Trainer, "set_learning_rates", stop_in_the_second)
        fit("broken")
    fit("broken", resume=True)
    files = [tmp_path / name / "classifier.safetensors" for name in ("whole", "broken")]
    whole, broken = (weights.load(file.parent).state_dict() for file in files)
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


@pytest.mark.parametrize(("dataset", "least"), [("mnist", 0.994), ("imagenette", 0.8)])
def test_the_shipped_classifiers_are_right_often_enough(
    data_folder: Path, cache_folder: Path, dataset: str, least: float
):
    model = weights.load(paths.CHECKPOINTS / f"classifier-{dataset}")
    val = datasets.load(dataset, "val", data_folder)
    right = 0
    for part in image_tensors.batches(len(val), 128):
        with torch.inference_mode():
            named = model.classify(image_tensors.to_float(val.pixels[part])).argmax(1)
        right += (named == val.labels[part]).sum().item()
    assert right / len(val) >= least
