"""Another family is added as the README says, in a copy of the package, and used."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genmodels import paths

FAMILY = """

@dataclass(frozen=True, kw_only=True)
class AutoencoderRecipe(LatentRecipe):
    \"\"\"An autoencoder.\"\"\"

    family = "autoencoder"
    family_title = "Autoencoder"

    learning_rate: Annotated[float, LearningRate, Doc("Adam's, for both networks.")] = 1e-3


FAMILIES["autoencoder"] = AutoencoderRecipe
"""
RECIPE = """
from .families import AutoencoderRecipe

RECIPES["autoencoder-mnist"] = AutoencoderRecipe(
    dataset="mnist", network="linear", latent_dim=8, epochs=2, batch_size=32, weight_average=0.9
)
"""
MODEL = """
import math

from torch import nn
from torch.nn import functional as F

from .base import LatentModel, Turn


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("factor", torch.tensor(2.0), persistent=PERSISTENT)

    def forward(self, x):
        return x * self.factor


class Autoencoder(LatentModel):
    def __init__(self, recipe):
        super().__init__(recipe, None)
        self.learning_rate = recipe.learning_rate
        pixels = math.prod(recipe.shape)
        self.encoder = nn.Sequential(nn.Flatten(), Scale(), nn.Linear(pixels, recipe.latent_dim))
        self.decoder = nn.Sequential(
            nn.Linear(recipe.latent_dim, pixels), nn.Unflatten(1, recipe.shape)
        )

    def decode(self, latents):
        return self.decoder(latents).sigmoid()

    def encode(self, images):
        mean = self.encoder(images)
        return mean, torch.full_like(mean, -9.0)

    def averaged(self):
        return ("encoder", "decoder")

    def optimizer_options(self, network):
        return {"lr": self.learning_rate}

    def turns(self, images, labels, rng):
        loss = F.mse_loss(self.decode(self.encoder(images)), images)
        yield Turn(("encoder", "decoder"), loss, {"loss": loss.detach()})

    def measure(self, images, labels, rng):
        return {"loss": F.mse_loss(self.decode(self.encoder(images)), images)}
"""
USED = """
import torch
import genmodels
from genmodels import runs
from genmodels.latents import posteriors
model = genmodels.load("autoencoder-mnist-1")
images = model.sample(4, seed=0)
assert images.shape == (4, 1, 28, 28) and images.isfinite().all()
mean, log_variance = model.encode(images)
assert mean.shape == log_variance.shape == (4, model.latent_dim)
run = runs.find("autoencoder-mnist-1")
assert len(posteriors.class_means(run, model)) == 10
losses = [line["loss"] for line in run.metrics() if line["split"] == "val"]
assert losses[-1] < losses[0]
"""


@pytest.fixture
def copy(tmp_path) -> Path:
    """The package with one family more: what the README names, and nothing else."""
    folder = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(paths.REPOSITORY / "genmodels", folder / "genmodels", ignore=ignored)
    shutil.copy(paths.REPOSITORY / "train.py", folder)
    for name, addition in (("families", FAMILY), ("named", RECIPE)):
        with (folder / "genmodels" / "recipes" / f"{name}.py").open("a", encoding="utf-8") as file:
            file.write(addition)
    build = folder / "genmodels" / "models" / "__init__.py"
    before = build.read_text("utf-8")
    after = before.replace('{"vae": VAE,', '{"autoencoder": Autoencoder, "vae": VAE,').replace(
        "from .vae import VAE\n", "from .auto import Autoencoder\nfrom .vae import VAE\n"
    )
    assert after.count("Autoencoder") == 2
    build.write_text(after, "utf-8")
    return folder


def started(copy: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))


def write_model(copy: Path, persistent: bool) -> None:
    model = f"import torch\n{MODEL}".replace("PERSISTENT", str(persistent))
    (copy / "genmodels" / "models" / "auto.py").write_text(model, "utf-8")


def test_a_family_added_as_the_readme_says_is_trained_and_used(copy):
    readme = (paths.REPOSITORY / "README.md").read_text("utf-8")
    recipe = readme.partition("- **Another family**")[2].partition("\n\n")[0]
    for name in ("FAMILIES", "RECIPES", "decode", "encode", "turns", "measure"):
        assert f"`{name}`" in recipe
    for name in ("optimizer_options", "averaged", "weight_average", "recordable = False"):
        assert f"`{name}`" in recipe
    write_model(copy, persistent=True)
    trained = started(copy, "train.py", "autoencoder-mnist", "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    used = started(copy, "-c", USED)
    assert used.returncode == 0, used.stderr


def test_a_buffer_that_is_not_saved_is_named(copy):
    """It would have no values once the run is loaded."""
    write_model(copy, persistent=False)
    trained = started(copy, "train.py", "autoencoder-mnist", "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    used = started(copy, "-c", USED)
    assert "the buffer 1.factor of encoder is not saved: make it persistent" in used.stderr
