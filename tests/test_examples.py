"""The short versions in examples/ are the package's trainings: the same networks, losses, steps."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_training import small, trainer_of

EXAMPLES = Path(__file__).parent.parent / "examples"
STEPS = 10


def example(name: str):
    """The module in examples/ of that name."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ten_losses_of_the_package(recipe_name: str, names: tuple[str, ...], tmp_path: Path):
    """Batches, and the losses of a recipe's first steps on them."""
    trainer = trainer_of(small(recipe_name, train_limit=None, precision="float32"), tmp_path)
    trainer.model.train()
    images = trainer.train.pixels.float() / 255
    batches = [images[32 * step % 320 :][:32] for step in range(STEPS)]
    rng = torch.Generator().manual_seed(1)
    labels = torch.zeros(32, dtype=torch.long)
    measured = [trainer.step(batch, labels, rng) for batch in batches]
    return batches, [[step[name].item() for name in names] for step in measured]


@pytest.mark.usefixtures("module_places")
def test_the_vae_has_the_first_losses_of_the_recipe(tmp_path):
    batches, expected = ten_losses_of_the_package("vae-mnist", ("loss",), tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # The recipe's.
        vae = example("vae").VAE()
        torch.manual_seed(1)
        losses = [[vae.step(batch)] for batch in batches]
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected))
    assert losses[-1] < losses[0]


@pytest.mark.usefixtures("module_places")
def test_the_gan_has_the_first_losses_of_the_recipe(tmp_path):
    names = ("discriminator_loss", "generator_loss")
    batches, expected = ten_losses_of_the_package("gan-mnist", names, tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gan = example("gan").GAN()
        torch.manual_seed(1)
        losses = [gan.step(batch) for batch in batches]
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected))


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_it_runs_as_a_reader_runs_it(name, synthetic_data, tmp_path):
    picture = tmp_path / "digits.png"
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--epochs", "1"]
    command += ["--data-dir", str(synthetic_data), "--out", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "epoch 1: loss" in done.stdout
    assert picture.stat().st_size > 1000
