"""Trainings on two processes, started by torchrun as a user starts them."""

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from genmodels import paths, recipes, runs
from genmodels.errors import RecipeError
from genmodels.models import build, losses, random_numbers, weights
from genmodels.recipes import RECIPES, Recipe
from genmodels.runs import Run
from genmodels.training import loop, processes
from genmodels.training.command import main

TIMES = ("seconds", "images_per_second", "other_seconds")


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Two processes of train.py."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "train.py", *arguments, "--device", "cpu"]
    with subprocess.Popen(
        command,
        cwd=paths.REPOSITORY,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # Not killed: torchrun has its processes to end.


def torchrun(*arguments: str) -> tuple[int, str]:
    """Trains to the end; the exit status and what was said."""
    with started(*arguments) as process:
        said, _ = process.communicate(timeout=300)
        return process.returncode, said


def networks(run: Run) -> dict[str, torch.Tensor]:
    return {
        f"{path.stem}.{key}": tensor
        for path in sorted(run.path.glob("*.safetensors"))
        for key, tensor in load_file(path).items()
    }


def timeless(run: Run) -> list[dict]:
    return [
        {key: value for key, value in line.items() if key not in TIMES} for line in run.metrics()
    ]


@pytest.mark.parametrize(
    ("name", "images"),
    # The last batch of 48 holds 3 images, of which one process gets one, or 1 for both.
    [("vae-mnist", 99), ("gan-mnist", 97)],
)
def test_two_processes_equal_one_with_twice_the_batch(name, images, runs_folder):
    options = [name, "--epochs", "2", "--train-limit", str(images)]
    status, said = torchrun(*options, "--batch-size", "24")
    assert status == 0, said
    assert f"done: {runs_folder / name}-1" in said
    assert main([*options, "--batch-size", "48", "--run-dir", str(runs_folder / "one")]) == 0
    two, one = runs.open_run(runs_folder / f"{name}-1"), runs.open_run(runs_folder / "one")

    # Of a gradient that is next to nothing, Adam makes a little of its rounding.
    torch.testing.assert_close(networks(two), networks(one), atol=2e-5, rtol=0)
    untrained = build(one.recipe).state_dict()
    apart = flat(networks(two)) - flat(networks(one))
    assert apart.norm() < 1e-4 * (flat(networks(one)) - flat(untrained)).norm()
    moved = [(networks(one)[key] - untrained[key]).abs().max() for key in untrained]
    assert min(moved) > 2e-4  # At least a step of Adam's, which none of the others' is off by.
    assert len(two.metrics()) == len(one.metrics()) == 5
    for mine, theirs in zip(timeless(two), timeless(one), strict=True):
        assert mine.pop("split") == theirs.pop("split")
        assert mine == pytest.approx(theirs, rel=1e-5)
    assert list(two.samples()) == list(one.samples())
    assert [path.name for path in sorted(two.path.iterdir())] == [
        path.name for path in sorted(one.path.iterdir())
    ]
    assert sorted(path.name for path in runs_folder.iterdir()) == sorted(["one", f"{name}-1"])
    assert two.status().state == "done"
    assert two.status().images_seen == 2 * images
    assert two.info["resolved"]["processes"] == 2
    assert one.info["resolved"]["processes"] == 1


def flat(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensors[key].flatten() for key in sorted(tensors)])


NORMS = ("encoder_norm", "decoder_norm", "generator_norm")
"""Of batches: those stay each process's own, and where a recipe has them, results differ."""


def alike() -> dict[str, Recipe]:
    """Each recipe but the classifiers, small and without normalised batches, which
    `test_every_recipe_...` trains in both ways. 50 images in 24 and 24, then one for each."""
    found = {}
    for name, recipe in RECIPES.items():
        if recipe.hidden:
            continue
        fields = recipes.field_types(type(recipe))
        changes: dict = dict.fromkeys(fields.keys() & NORMS, "none")
        if getattr(recipe, "discriminator_norm", "none") == "batch":
            changes["discriminator_norm"] = "none"
        if recipe.network != "linear":
            changes["feature_maps"] = 4
        found[name] = dataclasses.replace(
            recipe,
            **changes,
            epochs=1,
            batch_size=24,
            train_limit=50,
            precision="float32",
        )
    return found


TRAINS_ALL = """
import sys
from pathlib import Path
from genmodels.training import loop, processes
from test_distributed import alike
with processes.group():
    for name, recipe in alike().items():
        loop.fit(name, recipe, Path(sys.argv[1]) / name, device="cpu")
"""


def test_every_recipe_gives_two_processes_what_one_has_with_twice_the_batch(
    tmp_path, runs_folder, monkeypatch
):
    """But for batch normalisation, which every classifier has: augmentation, classes, averaged
    weights, R1 and pairs of fakes, and the calibrated variance, are of the whole batch."""
    script = tmp_path / "trains_all.py"
    script.write_text(TRAINS_ALL, "utf-8")
    places = os.pathsep.join([str(paths.REPOSITORY), str(Path(__file__).parent)])
    monkeypatch.setenv("PYTHONPATH", places)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(script), str(runs_folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    for name, recipe in alike().items():
        two, folder = runs.open_run(runs_folder / name), runs_folder / f"{name}-one"
        loop.fit(name, dataclasses.replace(recipe, batch_size=48), folder, device="cpu")
        one = runs.open_run(folder)
        for mine, theirs in zip(timeless(two), timeless(one), strict=True):
            assert mine.pop("split") == theirs.pop("split")
            assert mine == pytest.approx(theirs, rel=1e-5), name
        # Where a gradient is next to nothing, Adam makes a step of its rounding.
        untrained = flat(build(recipe).state_dict())
        apart = flat(networks(two)) - flat(networks(one))
        assert apart.norm() < 0.01 * (flat(networks(one)) - untrained).norm(), name


def test_the_readme_names_the_recipes_that_normalise_no_batches():
    readme = (paths.REPOSITORY / "README.md").read_text("utf-8")
    sentence = readme.partition("where batches aren't normalised (")[2].partition(")")[0]
    found = {
        name
        for name, recipe in RECIPES.items()
        if not any(isinstance(layer, BatchNorm) for layer in weights.build_empty(recipe).modules())
    }
    assert set(re.findall("`(.*?)`", sentence)) == found


def wait_for_epoch(folder: Path, epoch: int, process: subprocess.Popen[str]) -> None:
    while not (folder / "state.pt").exists() or weights.load_state(folder)["epoch"] < epoch:
        assert process.poll() is None
        time.sleep(0.05)


def worker(process: subprocess.Popen[str], rank: int) -> int:
    """The process id of a rank."""
    if not Path("/proc").is_dir():
        pytest.skip("needs /proc to find the process")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return next(
        int(child)
        for child in children
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    )


ENDLESS = ["vae-mnist", "--epochs", "5000", "--batch-size", "8", "--train-limit", "50"]


def test_a_training_stopped_by_a_file_goes_on_as_if_it_had_not_been(runs_folder):
    folder = runs_folder / "run"
    with started(*ENDLESS, "--run-dir", str(folder)) as process:
        wait_for_epoch(folder, 1, process)
        runs.request_stop(folder)
        said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    again = f"train.py vae-mnist --run-dir {folder} --resume"
    assert f"stopped on request; go on with: torchrun --nproc-per-node 2 {again}" in said
    run = runs.open_run(folder)
    stopped = run.status()
    assert (stopped.state, stopped.reason) == ("stopped", "stopped on request")
    assert stopped.images_seen == 50 * stopped.epoch
    assert run.latents()

    epochs = ["--epochs", str(stopped.epoch + 2)]
    status, said = torchrun("vae-mnist", "--run-dir", str(folder), "--resume", *epochs)
    assert status == 0, said
    assert "warning" not in said
    status, said = torchrun(*ENDLESS, *epochs, "--run-dir", str(runs_folder / "whole"))
    assert status == 0, said
    whole = runs.open_run(runs_folder / "whole")
    assert timeless(run) == timeless(whole)
    torch.testing.assert_close(networks(run), networks(whole), atol=0, rtol=0)


def test_a_signal_to_one_process_stops_all(runs_folder, capsys):
    folder = runs_folder / "run"
    with started(*ENDLESS, "--run-dir", str(folder)) as process:
        wait_for_epoch(folder, 1, process)
        os.kill(worker(process, rank=1), 15)
        said, _ = process.communicate(timeout=120)
    assert "stopped by SIGTERM; go on with" in said
    assert "Traceback" not in said.partition("stopped by SIGTERM; go on with")[0]
    status = runs.open_run(folder).status()
    assert (status.state, status.reason) == ("stopped", "stopped by SIGTERM")

    # One process goes on with it, by another arithmetic.
    epochs = ["--epochs", str(status.epoch + 1)]
    assert main(["vae-mnist", "--run-dir", str(folder), "--resume", *epochs]) == 0
    assert "warning: run was trained with processes 2, now 1" in capsys.readouterr().err


def test_a_process_that_is_killed_leaves_none_waiting(runs_folder):
    folder = runs_folder / "run"
    with started(*ENDLESS, "--run-dir", str(folder)) as process:
        wait_for_epoch(folder, 1, process)
        os.kill(worker(process, rank=1), 9)
        process.communicate(timeout=120)
    assert process.returncode != 0
    run = runs.open_run(folder)
    assert run.status().state in ("failed", "stopped")
    assert run.resumable()


def complaints(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("train.py: ")]


def test_a_run_that_is_deleted_in_training_ends_all(runs_folder):
    folder = runs_folder / "run"
    with started(*ENDLESS, "--run-dir", str(folder)) as process:
        wait_for_epoch(folder, 1, process)
        folder.rename(runs_folder / "elsewhere")
        said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert complaints(said) == ["train.py: run was deleted while it was in training."]


def test_a_mistake_ends_all_in_one_sentence(runs_folder):
    status, said = torchrun("gan-imagenette", "--sync-batch-norm")
    assert status != 0
    [complaint] = complaints(said)
    assert "synchronises batch normalisation between GPUs only" in complaint
    assert list(runs_folder.iterdir()) == []


def test_what_rank_0_alone_finds_ends_all(runs_folder):
    folder = runs_folder / "run"
    folder.mkdir()
    runs.write_json(folder / "recipe.json", {})
    with runs.lock(folder):
        status, said = torchrun("vae-mnist", "--run-dir", str(folder))
    assert status != 0
    [complaint] = complaints(said)
    assert f"{folder} is not empty" in complaint


def test_a_loss_that_is_no_number_ends_all(runs_folder):
    options = ["--learning-rate", "1", "--batch-size", "32", "--train-limit", "64"]
    status, said = torchrun("vae-mnist", *options)
    assert status != 0
    [complaint] = complaints(said)
    assert "became" in complaint
    assert runs.open_run(runs_folder / "vae-mnist-1").status().state == "failed"


@pytest.fixture
def process(monkeypatch):
    """Makes this process one of several, as far as numbers go."""

    def become(rank: int, world: int) -> None:
        monkeypatch.setattr(processes, "RANK", rank)
        monkeypatch.setattr(processes, "WORLD", world)

    return become


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_the_processes_share_every_batch_evenly(world, process):
    for count in range(1, 17):
        images = list(range(count))
        shares = []
        for rank in range(world):
            process(rank, world)
            rows, own = processes.share(count)
            assert len(images[rows]) == max(own, 1)
            shares.append(images[rows][:own])
        assert [image for share in shares for image in share] == images
        sizes = [len(share) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert sizes[0] == max(sizes)


@pytest.mark.parametrize("world", [2, 3])
def test_pairs_stay_together_in_a_process(world, process):
    for count in range(1, 17):
        shares = []
        for rank in range(world):
            process(rank, world)
            rows, own = processes.share(count, unit=2)
            shares.append(list(range(count))[rows][:own])
        assert [image for share in shares for image in share] == list(range(count))
        assert all(share[0] % 2 == 0 for share in shares if share)
        fewest = min(len(share) for share in shares)
        for needed in (1, 2):
            if fewest < needed:
                with pytest.raises(RecipeError, match="last batch"):
                    recipes.check_last_batch(count, 16, needed, world, unit=2)
            else:
                recipes.check_last_batch(count, 16, needed, world, unit=2)


def test_the_processes_together_draw_the_noise_of_one(process):
    for draw, direct in (
        (random_numbers.normal, torch.randn),
        (random_numbers.uniform, torch.rand),
    ):
        numbers = torch.Generator().manual_seed(3)
        generators = [random_numbers.SharedGenerator().manual_seed(3) for _ in range(3)]
        for count in (7, 5):  # Two draws, one after the other.
            parts = []
            for rank, rng in enumerate(generators):
                assert isinstance(rng, random_numbers.SharedGenerator)
                process(rank, 3)
                rng.count = count
                rng.rows, own = processes.share(count)
                parts.append(draw((own, 2), rng))
            whole = direct(count, 2, generator=numbers)
            torch.testing.assert_close(torch.cat(parts), whole, atol=0, rtol=0)


def test_a_calibrated_variance_is_of_the_whole_batch(process):
    """Given as a number it has the gradient of the one that makes the batch most probable."""
    wanted, found = torch.rand(7, 3), torch.rand(7, 3, requires_grad=True)
    squares = (found - wanted).square().detach()
    for rank in range(3):
        process(rank, 3)
        rng = random_numbers.SharedGenerator()
        rng.count = 7
        rng.rows, rng.own = processes.share(7)
        own = squares[rng.rows].mean(1)[: rng.own].sum()
        rng.total = lambda mine, own=own: squares.mean(1).sum() + mine - own
        variance = random_numbers.batch_mean(squares[rng.rows], rng)
        torch.testing.assert_close(variance, squares.mean())
        by_itself = losses.gaussian_error(found, wanted).mean()
        given = losses.gaussian_error(found, wanted, variance=variance).mean()
        gradients = [torch.autograd.grad(error, found)[0] for error in (by_itself, given)]
        torch.testing.assert_close(*gradients)
    assert random_numbers.batch_mean(squares, torch.Generator()) is None


def test_batch_normalisation_needs_two_images_in_each_process(process):
    recipe = recipes.named("vae-mnist")
    normalised = recipes.from_json(recipes.to_json(recipe) | {"encoder_norm": "batch"})
    model = build(normalised)
    process(0, 2)
    loop.check_last_batch(model, 68, 32)
    loop.check_last_batch(build(recipe), 65, 32)
    sentence = r"the last batch of 67 images in batches of 64 holds 3 images.*two in each of 2"
    with pytest.raises(RecipeError, match=sentence):
        loop.check_last_batch(model, 67, 32)
    nn.SyncBatchNorm.convert_sync_batchnorm(model)
    loop.check_last_batch(model, 66, 32)
    with pytest.raises(RecipeError, match=r"65 images .* holds one image.*one in each of 2"):
        loop.check_last_batch(model, 65, 32)
