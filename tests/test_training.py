import contextlib
import dataclasses
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F
from tqdm import tqdm

from genmodels import evaluation, paths, recipes, runs
from genmodels.data import datasets, image_tensors
from genmodels.errors import GenmodelsError, RecipeError, RunError
from genmodels.latents import posteriors
from genmodels.models import build, weights
from genmodels.recipes import RECIPES, Recipe
from genmodels.runs import Run
from genmodels.training import command, cuda_graph, loop
from genmodels.training.command import main
from genmodels.training.progress import Progress, watch

# Small, but with all that can go wrong: batch normalisation, channels last, low precision.
LONG = {
    "vae-mnist": ["--epochs", "3", "--batch-size", "2"],
    "gan-imagenette": ["--epochs", "3", "--batch-size", "3", "--feature-maps", "4"],
    "vae-mnist-plus": ["--epochs", "3", "--batch-size", "2", "--components", "2"],
    "gan-imagenette-plus": ["--epochs", "3", "--batch-size", "3", "--feature-maps", "4"],
}
IMAGES = {name: 320 if "mnist" in name else 100 for name in LONG}
SHORT = ["--batch-size", "32", "--train-limit", "64"]
TIMES = ("seconds", "images_per_second", "other_seconds")


@pytest.fixture(scope="module", autouse=True)
def places(module_places):
    pass


@pytest.fixture(scope="module")
def uninterrupted():
    """The run of a recipe in LONG that was never interrupted; trained when first asked for."""
    trained: dict[str, Run] = {}

    def get(name: str) -> Run:
        if name not in trained:
            folder = paths.runs() / f"{name}-uninterrupted"
            assert main([name, *LONG[name], "--run-dir", str(folder)]) == 0
            trained[name] = runs.open_run(folder)
        return trained[name]

    return get


def small(name: str, **changes) -> Recipe:
    few = {"epochs": 1, "batch_size": 32, "train_limit": 64} | changes
    if name == "gan-imagenette":
        few = {"feature_maps": 4} | few
    return dataclasses.replace(recipes.named(name), **few)


def only_in_training(recipe: Recipe) -> set[str]:
    """What is measured of a step, and not of held-out images."""
    weights = {"r1": "r1_weight", "mode_seeking": "mode_seeking_weight"}
    return {name for name, weight in weights.items() if getattr(recipe, weight, 0.0)}


def fitted(folder: Path, name: str = "vae-mnist", **changes) -> Run:
    """A run of a few steps."""
    loop.fit(name, small(name, **changes), folder, device="cpu")
    return runs.open_run(folder)


def trainer_of(recipe: Recipe, folder: Path) -> loop.Trainer:
    train, val = (datasets.load(recipe.dataset, split) for split in ("train", "val"))
    train = train.first(recipe.train_limit, recipe.seed)
    progress = Progress(folder, recipe.epochs, tqdm(disable=True))
    model = loop.build_to_train(recipe, torch.device("cpu"))
    return loop.Trainer(folder, recipe, model, train, val, progress)


def timeless(run: Run) -> list[dict]:
    return [
        {key: value for key, value in line.items() if key not in TIMES} for line in run.metrics()
    ]


def files(run: Run, pattern: str) -> dict[str, bytes]:
    found = sorted(path for path in run.path.glob(pattern) if path.is_file())
    return {path.name: path.read_bytes() for path in found}


def assert_equal(run: Run, expected: Run) -> None:
    """Bit for bit, apart from times."""
    assert files(run, "*.safetensors") == files(expected, "*.safetensors")
    assert timeless(run) == timeless(expected)
    assert files(run, "samples/*") == files(expected, "samples/*")
    assert files(run, "latents.json") == files(expected, "latents.json")
    assert run.status().state == expected.status().state == "done"
    left = {path.name for path in run.path.iterdir()} - {"stop"}
    assert left == {path.name for path in expected.path.iterdir()}


@pytest.mark.parametrize("name", LONG)
def test_metrics_have_a_line_for_each_epoch_and_split(name, uninterrupted):
    lines = uninterrupted(name).metrics()
    measured = {
        "vae": {"loss", "reconstruction", "kl"},
        "gan": {"generator_loss", "discriminator_loss", "d_real", "d_fake"},
    }[RECIPES[name].family]
    both = [(epoch, split) for epoch in (1, 2, 3) for split in ("train", "val")]
    assert [(line["epoch"], line["split"]) for line in lines] == [(0, "val"), *both]
    for line in lines:
        expected = {"epoch", "split", "images_seen", "seconds", "images_per_second"} | measured
        if line["split"] == "train":
            expected |= only_in_training(RECIPES[name])
        else:
            expected.add("other_seconds")
            assert line["other_seconds"] > 0
        assert set(line) == expected
        assert line["images_seen"] == line["epoch"] * IMAGES[name]
        assert line["seconds"] > 0
    if name == "vae-mnist":
        losses = [line["loss"] for line in lines if line["split"] == "val"]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("name", LONG)
def test_samples_are_stored_at_growing_steps_then_after_each_epoch(name, uninterrupted):
    batch, images = int(LONG[name][3]), IMAGES[name]
    steps = [2**power * batch for power in range(20) if 2**power * batch <= images]
    expected = sorted({0, *steps, images, 2 * images, 3 * images})
    samples = uninterrupted(name).samples()
    assert list(samples) == expected
    assert samples[0].name == "000000000.webp"
    contents = {samples[seen].read_bytes() for seen in (0, images, 2 * images, 3 * images)}
    assert len(contents) == 4


def test_samples_are_the_decoded_latents_of_seed_zero(uninterrupted):
    from PIL import Image

    from genmodels.data import formats

    run = uninterrupted("vae-mnist")
    stored = formats.split(Image.open(run.samples()[960]).convert("L"), 28, 28)
    again = formats.from_floats(weights.load_run(run).sample(runs.SAMPLES, 0).numpy())
    assert abs(stored.astype(int) - again).max() <= 1


@pytest.mark.parametrize("name", LONG)
def test_a_run_that_is_done_says_so_and_keeps_nothing_to_resume_from(name, uninterrupted):
    run = uninterrupted(name)
    status = run.status()
    assert (status.state, status.reason, status.epoch, status.epochs) == ("done", "", 3, 3)
    assert status.images_seen == 3 * IMAGES[name]
    assert not run.resumable()
    assert not runs.is_locked(run.path)
    assert run.info["recipe_name"] == name
    for path in run.path.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            assert file.metadata() == {"images_seen": str(3 * IMAGES[name])}
    for split in ("train", "val"):
        images = datasets.load(run.recipe.dataset, split)
        assert run.info["data"][split]["fingerprint"] == images.fingerprint
        assert run.info["data"][split]["images"] == len(images)


def test_batches_are_normalised_by_their_own_statistics_in_every_training_step_only(uninterrupted):
    """Once a step in the generator and three times in the discriminator, never in validation."""
    run = uninterrupted("gan-imagenette")
    steps = 3 * len(range(0, 100, run.recipe.batch_size))
    for network, times in (("generator", 1), ("discriminator", 3)):
        state = load_file(run.path / f"{network}.safetensors")
        counts = {int(state[key]) for key in state if key.endswith("num_batches_tracked")}
        assert counts == {times * steps}


def test_validation_is_the_elbo_of_the_held_out_images(uninterrupted):
    """Computed a second time by other means: from probabilities and torch.distributions."""
    run = uninterrupted("vae-mnist")
    model = weights.load_run(run)

    @torch.no_grad()
    def measured(split: datasets.Split) -> dict[str, float]:
        images = datasets.load("mnist", split).pixels[:80] / 255
        mean, log_variance = model.encode(images)
        posterior = Normal(mean, (log_variance / 2).exp())
        rng = torch.Generator().manual_seed(loop.VALIDATION_SEED)
        latents = posterior.loc + posterior.scale * torch.randn(80, 16, generator=rng)
        decoded = model.decode(latents).double()
        kl = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).mean().item()
        error = F.binary_cross_entropy(decoded, images.double(), reduction="sum").item() / 80
        return {"reconstruction": error, "kl": kl, "loss": error + kl}

    last = run.metrics()[-1]
    stored = {name: last[name] for name in ("reconstruction", "kl", "loss")}
    assert stored == pytest.approx(measured("val"), rel=1e-4)
    assert stored != pytest.approx(measured("train"), rel=1e-3)


def test_the_training_line_is_the_mean_over_the_epochs_images(tmp_path):
    """With a learning rate of almost nothing and a last batch that is smaller."""
    run = fitted(tmp_path, train_limit=70, learning_rate=1e-7)
    untrained = build(run.recipe)
    images = datasets.learnt_from(run).pixels / 255
    mean, log_variance = untrained.networks["encoder"](images)
    expected = kl_divergence(*_gaussians(mean, log_variance))
    assert run.metrics()[1]["kl"] == pytest.approx(expected.sum(1).mean().item(), rel=1e-3)


def _gaussians(mean: torch.Tensor, log_variance: torch.Tensor) -> tuple[Normal, Normal]:
    return Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)


def test_stored_latents_are_the_encoders_means(uninterrupted):
    run = uninterrupted("vae-mnist")
    model, latents = weights.load_run(run), run.latents()
    train, val = datasets.load("mnist", "train"), datasets.load("mnist", "val")
    with torch.no_grad():
        means = [model.encode(images.pixels / 255)[0] for images in (train, val)]
        kl = kl_divergence(*_gaussians(*model.encode(train.pixels / 255))).mean(0)
    torch.testing.assert_close(torch.tensor(latents["kl"]), kl, atol=1e-3, rtol=0)
    stored = torch.tensor(latents["posterior_means"])
    torch.testing.assert_close(stored, means[1], atol=1e-4, rtol=0)
    assert latents["labels"] == val.labels.tolist()
    assert list(latents["class_means"]) == list("0123456789")
    sevens = torch.tensor(latents["class_means"]["7"])
    torch.testing.assert_close(sevens, means[0][train.labels == 7].mean(0), atol=1e-4, rtol=0)


def test_the_seed_alone_decides_the_weights(tmp_path):
    first, again = (fitted(tmp_path / name) for name in ("a", "b"))
    assert_equal(again, first)
    other = fitted(tmp_path / "c", seed=1)
    mine, theirs = files(first, "*.safetensors"), files(other, "*.safetensors")
    assert all(mine[name] != theirs[name] for name in mine)


def test_every_seed_and_every_epoch_has_randomness_of_its_own(tmp_path):
    seeds = [
        trainer_of(small("vae-mnist", seed=seed), tmp_path).seed(n)
        for seed in (0, 1, 2)
        for n in (1, 2, 3)
    ]
    assert len(set(seeds)) == 9


@pytest.mark.parametrize("name", RECIPES)
def test_one_step_moves_every_network(name, tmp_path):
    recipe = small(name, batch_size=4, precision="float32")
    trainer = trainer_of(recipe, tmp_path)
    before = {key: tensor.clone() for key, tensor in trainer.model.named_parameters()}
    images = image_tensors.to_float(trainer.train.pixels[:4])
    measured = trainer.step(images, trainer.labels[:4], torch.Generator().manual_seed(0))
    for key, tensor in trainer.model.named_parameters():
        assert torch.equal(tensor, before[key]) != tensor.requires_grad, key
    trainer.model.eval()
    held_out = trainer.model.measure(images, trainer.labels[:4], torch.Generator().manual_seed(0))
    assert measured.keys() == held_out.keys() | only_in_training(recipe)
    assert all(value.isfinite() and not value.requires_grad for value in measured.values())


def test_neither_network_of_a_gan_gets_gradients_in_the_others_turn(tmp_path):
    trainer = trainer_of(small("gan-imagenette"), tmp_path)
    networks, seen = trainer.model.networks, []

    def look(moving: str, resting: str) -> None:
        def before_step(*_) -> None:
            seen.append(moving)
            assert all(weight.grad is not None for weight in networks[moving].parameters())
            assert all(weight.grad is None for weight in networks[resting].parameters())

        trainer.optimizers[moving].register_step_pre_hook(before_step)

    look("discriminator", "generator")
    look("generator", "discriminator")
    rng = torch.Generator().manual_seed(0)
    for _ in range(2):
        trainer.step(torch.rand(4, 3, 64, 64), torch.zeros(4), rng)
    assert seen == ["discriminator", "generator"] * 2
    assert all(weight.grad is None for weight in trainer.model.parameters())


def test_a_call_is_recorded_once_and_others_are_replayed(monkeypatch):
    """What of it needs no GPU; test_gpu.py has the rest."""
    called: list[tuple[list[float], bool]] = []
    recording = False

    class Graph:
        def register_generator_state(self, rng: torch.Generator) -> None:
            pass

        def replay(self) -> None:
            called.append((recorded.inputs[0].tolist(), False))

    @contextlib.contextmanager
    def graph(_: Graph):
        nonlocal recording
        recording = True
        yield
        recording = False

    def act(numbers: torch.Tensor) -> None:
        if not recording:
            called.append((numbers.tolist(), True))

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    rng: Any = SimpleNamespace(graphsafe_get_state=torch.Generator)
    recorded: Any = cuda_graph.Recorded(rng)
    inputs = [[1.0, 2.0], [3.0, 4.0], [5.0], [6.0, 7.0], [8.0, 9.0], [10.0], [11.0, 12.0]]
    for numbers in inputs:
        recorded(act, torch.tensor(numbers))
    plainly = [True, True, True, True, False, True, False]
    assert called == list(zip(inputs, plainly, strict=True))


def test_a_judge_of_features_adds_its_distance_and_stays_as_it_is(tmp_path):
    trainer = trainer_of(small("vae-imagenette", feature_weight=100.0, batch_size=4), tmp_path)
    model: Any = trainer.model
    assert set(model.networks) == {"encoder", "decoder"}
    images, labels = torch.rand(4, 3, 64, 64), torch.zeros(4)
    before = [stage.clone() for stage in model.features(images)]
    parts = trainer.step(images, labels, torch.Generator().manual_seed(0))
    total = parts["reconstruction"] + parts["kl"] + 100 * parts["features"]
    torch.testing.assert_close(parts["loss"], total)
    assert parts["features"] > 0.1
    for old, new in zip(before, model.features(images), strict=True):
        torch.testing.assert_close(new, old)
    plain = trainer_of(small("vae-imagenette", batch_size=4), tmp_path)
    plain.step(images, labels, torch.Generator().manual_seed(0))
    mine, theirs = (t.model.networks["decoder"].state_dict() for t in (trainer, plain))
    assert not all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_a_vae_learns_one_batch_by_heart(tmp_path):
    trainer = trainer_of(small("vae-mnist", kl_weight=0.0), tmp_path)
    images, labels = image_tensors.to_float(trainer.train.pixels[:16]), trainer.labels[:16]
    rng = torch.Generator().manual_seed(0)
    # The cross-entropy of grey pixels with themselves is the least there is.
    entropy = F.binary_cross_entropy(images, images, reduction="sum").item() / 16
    errors = [trainer.step(images, labels, rng)["reconstruction"].item() for _ in range(200)]
    assert errors[0] - entropy > 400
    assert errors[-1] - entropy < 15


def act_at(images: int, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has something done once that many images of this process are trained."""
    advance, trained = Progress.advance, 0

    def advance_then_act(self: Progress, count: int) -> None:
        nonlocal trained
        advance(self, count)
        trained += count
        if trained - count < images <= trained:
            act()

    monkeypatch.setattr(Progress, "advance", advance_then_act)


def stop_at(images: int, how: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the training asked to stop once that many images of this process are trained."""

    def ask() -> None:
        if how == "stop file":
            runs.request_stop(folder)
        else:
            os.kill(os.getpid(), getattr(signal, how))

    act_at(images, ask, monkeypatch)


@pytest.mark.parametrize("how", ["stop file", "SIGTERM", "SIGINT"])
def test_a_training_that_was_asked_to_stop_goes_on_as_if_it_had_not_been(
    how, uninterrupted, tmp_path, monkeypatch, capsys
):
    name = "gan-imagenette" if how == "stop file" else "vae-mnist"
    expected, folder = uninterrupted(name), tmp_path / "run"
    images = IMAGES[name]
    # In case the trainer leaves the signal to whoever had it before.
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the signal was not taken"))
    stop_at(images + images // 2, how, folder, monkeypatch)
    try:
        assert main([name, *LONG[name], "--run-dir", str(folder)]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    monkeypatch.undo()
    reason = "stopped on request" if how == "stop file" else f"stopped by {how}"
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"{reason}; go on with: python train.py {name} --run-dir {folder} --resume"

    run = runs.open_run(folder)
    status = run.status()
    assert (status.state, status.reason, status.epoch) == ("stopped", reason, 1)
    assert status.images_seen == run.metrics()[-1]["images_seen"] == images
    assert max(run.samples()) == images
    assert run.resumable()
    weights.load_run(run)
    assert bool(run.latents()) == (name == "vae-mnist")

    assert main([name, "--run-dir", str(folder), "--resume"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert_equal(run, expected)


@contextlib.contextmanager
def started(arguments: list[str]):
    """A training as a user starts it."""
    command = [sys.executable, "train.py", *arguments]
    with subprocess.Popen(
        command, cwd=paths.REPOSITORY, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def committed(folder: Path) -> int:
    """The last epoch that could be resumed from; -1 for none."""
    if not (folder / "state.pt").exists():
        return -1
    return weights.load_state(folder)["epoch"]


@pytest.mark.parametrize("name", LONG)
def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(
    name, uninterrupted, tmp_path, capsys
):
    expected, folder = uninterrupted(name), tmp_path / "run"
    resume = [name, "--run-dir", str(folder), "--resume"]
    with started([name, *LONG[name], "--run-dir", str(folder)]) as process:
        while committed(folder) < 1:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(0.02)  # Into the second epoch; on a very fast machine, into the third.
        process.send_signal(signal.SIGSTOP)
        assert committed(folder) in (1, 2)

        run = runs.open_run(folder)
        assert run.status().state == "training"
        assert main(resume) == 2
        assert f"{folder} is being trained already" in capsys.readouterr().err
        assert run.status().state == "training"
        process.kill()
        process.wait()

    stopped = run.status()
    assert stopped.state == "stopped"
    assert "killed" in stopped.reason
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "sp')  # What a kill while a line is written leaves.
    (folder / "samples" / f"{IMAGES[name] * 3:09d}.webp").write_bytes(b"of no commit")
    assert main(resume) == 0
    assert "warning" not in capsys.readouterr().err
    assert_equal(run, expected)


def test_a_run_that_ended_before_its_first_commit_begins_anew(uninterrupted, tmp_path, monkeypatch):
    """A kill may come between the first metrics and state.pt."""
    expected = uninterrupted("vae-mnist")
    folder = tmp_path / "run"
    stop_at(100, "stop file", folder, monkeypatch)
    assert main(["vae-mnist", *LONG["vae-mnist"], "--run-dir", str(folder)]) == 130
    monkeypatch.undo()
    (folder / "state.pt").unlink()
    assert main(["vae-mnist", "--run-dir", str(folder), "--resume"]) == 0
    assert_equal(runs.open_run(folder), expected)


def test_a_trained_run_without_its_state_is_not_begun_anew(tmp_path, monkeypatch, capsys):
    stop_at(96, "stop file", tmp_path, monkeypatch)
    assert main(["vae-mnist", *SHORT, "--epochs", "3", "--run-dir", str(tmp_path)]) == 130
    kept = files(runs.open_run(tmp_path), "*.safetensors")
    (tmp_path / "state.pt").unlink()
    assert main(["vae-mnist", "--run-dir", str(tmp_path), "--resume"]) == 2
    assert "holds no state.pt: it cannot be resumed" in capsys.readouterr().err
    assert files(runs.open_run(tmp_path), "*.safetensors") == kept


@pytest.fixture
def stopped(tmp_path, monkeypatch) -> Run:
    """A run that was stopped in its second epoch of three."""
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(96, "stop file", folder, patch)
        assert main(["vae-mnist", *SHORT, "--epochs", "3", "--run-dir", str(folder)]) == 130
    return runs.open_run(folder)


def test_resuming_under_other_conditions_warns(stopped, capsys):
    info = json.loads((stopped.path / "recipe.json").read_text())
    info["resolved"]["threads"] += 7
    info["data"]["val"]["fingerprint"] = "0" * 64
    runs.write_json(stopped.path / "recipe.json", info)
    capsys.readouterr()
    assert main(["vae-mnist", "--run-dir", str(stopped.path), "--resume"]) == 0
    complaints = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")
    ]
    threads = torch.get_num_threads()
    assert f"was trained with threads {threads + 7}, now {threads}" in complaints[0]
    assert "the val images are not those that the run began with" in complaints[1]
    assert len(complaints) == 2
    assert runs.open_run(stopped.path).info["resolved"]["threads"] == threads


def test_a_resumed_run_may_be_given_more_epochs_but_not_fewer_than_it_has(stopped, capsys):
    resume = ["vae-mnist", "--run-dir", str(stopped.path), "--resume"]
    runs.append_metrics(stopped.path, [{"epoch": 2, "split": "val", "images_seen": 640}])
    assert main([*resume, "--epochs", "1"]) == 2
    assert "has been trained for 2 epochs already" in capsys.readouterr().err
    assert main([*resume, "--epochs", "4"]) == 0
    run = runs.open_run(stopped.path)
    assert run.recipe.epochs == 4
    assert [line["epoch"] for line in run.metrics()] == [0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_resumed_training_tells_the_speed_of_its_own_steps(tmp_path):
    with watch(tmp_path, epochs=2) as progress:
        progress.begin(100_000, 200_000)
        time.sleep(0.6)  # tqdm looks at its clock every half second.
        progress.advance(10)
        assert progress.bar.format_dict["rate"] < 10 / 0.6 + 1


def test_a_state_of_other_networks_is_refused(stopped, capsys):
    info = json.loads((stopped.path / "recipe.json").read_text())
    info["recipe"]["latent_dim"] = 5
    runs.write_json(stopped.path / "recipe.json", info)
    assert main(["vae-mnist", "--run-dir", str(stopped.path), "--resume"]) == 2
    assert "state.pt does not fit the recipe" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_training_and_keeps_the_last_good_weights(
    tmp_path, capsys
):
    """One step an epoch: its loss is measured before the step that spoils the weights."""
    arguments = ["--learning-rate", "1", "--batch-size", "64", "--train-limit", "64"]
    assert main(["vae-mnist", *arguments, "--run-dir", str(tmp_path)]) == 2
    run = runs.open_run(tmp_path)
    status = run.status()
    assert status.state == "failed"
    assert "became" in status.reason
    assert "try a smaller learning rate" in status.reason
    assert capsys.readouterr().err.splitlines()[-1] == f"train.py: {status.reason}"
    model = weights.load_run(run)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    lines = run.metrics()
    assert len(lines) == 2 * lines[-1]["epoch"] + 1
    numbers = [value for line in lines for value in line.values() if isinstance(value, float)]
    assert torch.tensor(numbers).isfinite().all()


def test_a_fault_in_the_middle_is_told_in_the_status(tmp_path, monkeypatch):
    def fail(*_):
        raise ArithmeticError("no sum")

    monkeypatch.setattr(loop.Trainer, "step", fail)
    with pytest.raises(ArithmeticError):
        fitted(tmp_path)
    status = runs.open_run(tmp_path).status()
    assert (status.state, status.reason) == ("failed", "no sum")
    assert not runs.is_locked(tmp_path)


def raise_(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("where", ["Trainer.step", "build", "posteriors.fit_prior"])
@pytest.mark.parametrize(
    "run_out",
    [
        lambda *_: torch.empty(2**50),
        lambda *_: raise_(MemoryError()),
        lambda *_: raise_(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
    ],
    ids=["processor", "python", "gpu"],
)
def test_what_runs_out_of_memory_says_so_and_what_to_do(
    where, run_out, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(f"genmodels.training.loop.{where}", run_out)
    folder = tmp_path / "run"
    arguments = ["vae-mnist", *SHORT, "--prior", "classes", "--run-dir", str(folder)]
    assert main(arguments) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "is not enough for this training; choose a smaller batch size" in said
    if where == "build":
        assert not folder.exists()
    else:
        status = runs.open_run(folder).status()
        assert (status.state, f"train.py: {status.reason}") == ("failed", said)


def test_other_faults_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), loop.enough_memory():
        raise RuntimeError("shapes cannot be multiplied")


def test_the_recorded_times_are_of_all_that_a_training_does(tmp_path, monkeypatch):
    """Each of what is done beside steps and validation takes a little longer here."""
    pause, pauses = 0.02, []

    def slowed(place: Any, name: str) -> None:
        act = getattr(place, name)

        def slow(*arguments, **options):
            time.sleep(pause)
            pauses.append(name)
            return act(*arguments, **options)

        monkeypatch.setattr(place, name, slow)

    slowed(loop.posteriors, "fit_prior")
    slowed(loop.posteriors, "summary")
    slowed(loop.weights, "save_networks")
    slowed(loop.Trainer, "store_samples")
    slowed(torch, "save")
    started = time.perf_counter()
    run = fitted(tmp_path, epochs=2, prior="classes")
    passed = time.perf_counter() - started
    assert {name: pauses.count(name) for name in set(pauses)} == {
        "fit_prior": 3,
        "summary": 1,
        "save_networks": 3,
        "store_samples": 5,  # After the first two steps too.
        "save": 3,
    }
    lines = run.metrics()
    beside = sum(line.get("other_seconds", 0) for line in lines)
    assert beside > (len(pauses) - 2) * pause
    assert passed > runs.seconds(lines) > len(pauses) * pause
    for epoch in (0, 1, 2):
        of_epoch = [line for line in lines if line["epoch"] == epoch]
        assert of_epoch[-1]["other_seconds"] > 3 * pause
    # What older runs recorded is all that can be told of them.
    assert runs.seconds([{"epoch": 1, "seconds": 2.0, "distance_seconds": 9.0}]) == 2.0


@pytest.mark.parametrize("seed", [0, 7])
def test_a_second_start_into_a_folder_leaves_the_first_ones_run_as_it_is(seed, tmp_path):
    """Both looked while it was empty; the second gets the lock when the first is done."""
    folder = tmp_path / "run"
    options = ["vae-mnist", *SHORT, "--epochs", "1", "--run-dir", str(folder)]
    name, recipe, _, place = command.choose([*options, "--seed", str(seed)])
    assert main(options) == 0
    before = files(runs.open_run(folder), "**/*")
    with pytest.raises(RunError, match="is not empty any more"):
        loop.fit(name, recipe, place)
    assert files(runs.open_run(folder), "**/*") == before


def test_resuming_a_training_in_its_last_seconds_leaves_it_done(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    options = ["vae-mnist", *SHORT, "--run-dir", str(folder)]
    assert main([*options, "--epochs", "1"]) == 0
    before = files(runs.open_run(folder), "**/*")
    with monkeypatch.context() as patch:  # As it was seen before.
        patch.setattr(Run, "status", lambda self: runs.Status("training"))
        name, recipe, _, place = command.choose([*options, "--resume", "--epochs", "3"])
    with pytest.raises(RecipeError, match="is trained to its end"):
        loop.fit(name, recipe, place, resume=True)
    assert files(runs.open_run(folder), "**/*") == before


def test_what_else_may_have_changed_before_the_lock_is_seen_under_it(stopped):
    recipe = stopped.recipe
    runs.append_metrics(stopped.path, [{"epoch": 2, "split": "val", "images_seen": 640}])
    before = files(runs.open_run(stopped.path), "**/*")

    def refusal(changed: Recipe) -> str:
        with pytest.raises(GenmodelsError) as caught:
            loop.fit("vae-mnist", changed, stopped.path, resume=True)
        assert files(runs.open_run(stopped.path), "**/*") == before
        return str(caught.value)

    assert "trained for 2 epochs already" in refusal(dataclasses.replace(recipe, epochs=1))
    assert "is of another recipe by now" in refusal(dataclasses.replace(recipe, seed=5))
    shutil.rmtree(stopped.path)
    with pytest.raises(RunError, match="there is no run"):
        loop.fit("vae-mnist", recipe, stopped.path, resume=True)
    assert not stopped.path.exists()


def test_latents_of_earlier_weights_are_not_taken_for_those_of_the_run(stopped):
    """A resumed training that is killed leaves newer weights beside them."""
    assert posteriors.stored(stopped)
    earlier = files(stopped, "latents.json")
    resume = ["vae-mnist", "--run-dir", str(stopped.path), "--resume"]
    with started([*resume, "--epochs", "5000"]) as process:
        while committed(stopped.path) < 2:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
        process.wait()
    run = runs.open_run(stopped.path)
    assert run.status().state == "stopped"
    assert files(run, "latents.json") == earlier
    assert posteriors.stored(run) is None
    assert posteriors.class_means(run, weights.load_run(run)) == {}
    # Made again for these once the training ends.
    runs.write_status(stopped.path, runs.Status("waiting"))
    runs.request_stop(stopped.path)
    assert main([*resume, "--epochs", "5000"]) == 130
    assert posteriors.stored(run)
    assert files(run, "latents.json") != earlier


def test_resuming_puts_back_the_weights_of_the_committed_epoch(stopped):
    """A kill between them and state.pt leaves newer ones, of no line of the metrics."""
    kept = files(stopped, "*.safetensors")
    other = {
        name: network.state_dict()
        for name, network in build(dataclasses.replace(stopped.recipe, seed=5)).networks.items()
    }
    weights.save_networks(stopped.path, other, 64)
    assert posteriors.stored(stopped) is None
    runs.request_stop(stopped.path)
    runs.write_status(stopped.path, runs.Status("waiting"))  # So that it stops at once.
    assert main(["vae-mnist", "--run-dir", str(stopped.path), "--resume"]) == 130
    assert files(stopped, "*.safetensors") == kept
    assert posteriors.stored(stopped)


def test_latents_of_before_they_said_whose_they_are_serve_where_they_were_written_last(stopped):
    plain = json.loads((stopped.path / "latents.json").read_bytes())
    assert plain.pop("weights_fingerprint") == runs.fingerprint(stopped)
    runs.write_json(stopped.path / "latents.json", plain)
    assert posteriors.kept(stopped) == plain
    runs.write_status(stopped.path, runs.Status("stopped", "taken out of the queue"))
    assert posteriors.kept(stopped) == {}
    runs.write_status(stopped.path, runs.Status("done"))
    assert posteriors.kept(stopped) == plain
    for state in ("training", "failed", "waiting"):  # It is being trained on, or was.
        runs.write_status(stopped.path, runs.Status(state, images_seen=128))
        assert posteriors.kept(stopped) == {}


def test_shipped_latents_are_those_of_the_shipped_weights():
    found = [run for run in runs.list_runs() if isinstance(run, Run) and run.shipped]
    assert sum(bool(posteriors.kept(run)) for run in found) == 5


@pytest.mark.parametrize("part", ["", "recipe.json"])
def test_a_run_that_is_deleted_in_training_ends_it(part, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"

    def delete() -> None:
        (folder / part).unlink() if part else shutil.rmtree(folder)

    act_at(IMAGES["vae-mnist"] * 3 // 2, delete, monkeypatch)
    assert main(["vae-mnist", *LONG["vae-mnist"], "--run-dir", str(folder)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "train.py: run was deleted while it was in training."
    assert folder.exists() == bool(part)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_knows_without_its_networks_which_batch_is_too_small(name):
    """So that a form can refuse what the trainer would."""
    recipe = RECIPES[name]
    norms = [field for field in recipes.field_types(type(recipe)) if field.endswith("_norm")]
    for chosen in itertools.product(("none", "batch"), repeat=len(norms)):
        changed = dataclasses.replace(recipe, **dict(zip(norms, chosen, strict=True)))
        model = weights.build_empty(changed)
        batch = changed.batch_size
        for count in (batch + 1, batch + 2, batch):
            by_model = refused(loop.check_last_batch, model, count, batch)
            assert refused(changed.check_images, count) == by_model
        alone = changed.network == "linear" and "batch" in chosen
        assert refused(changed.check_images, batch + 1) == alone
    limited = dataclasses.replace(recipe, train_limit=recipe.batch_size)
    limited.check_images(recipe.batch_size + 1)


def refused(check: Callable[..., None], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except RecipeError:
        return True
    return False


def test_a_run_of_the_first_images_goes_on_with_those(stopped, capsys):
    """As runs of before there was a draw were begun."""
    info = json.loads((stopped.path / "recipe.json").read_bytes())
    whole = datasets.load("mnist", "train")
    pixels, labels = whole.pixels[:64], whole.labels[:64]
    origin = {
        "images": 64,
        "fingerprint": image_tensors.fingerprint(pixels, labels),
        "source": f"{whole.source}, the first 64",
    }
    runs.write_json(stopped.path / "recipe.json", info | {"data": info["data"] | {"train": origin}})
    assert main(["vae-mnist", "--run-dir", str(stopped.path), "--resume"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert runs.open_run(stopped.path).info["data"]["train"] == origin


def test_a_lone_last_image_is_refused_where_batches_are_normalised(tmp_path):
    with pytest.raises(RecipeError, match="last batch of 65 images in batches of 32 holds one"):
        fitted(tmp_path / "a", train_limit=65, encoder_norm="batch")
    assert fitted(tmp_path / "b", train_limit=66, encoder_norm="batch").status().state == "done"
    assert fitted(tmp_path / "c", train_limit=65).status().state == "done"


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        fitted(tmp_path / "file" / "run")


def test_a_run_without_data_fails_and_can_be_resumed_once_they_are_there(
    tmp_path, monkeypatch, synthetic_data
):
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(GenmodelsError, match="is a file"):
        fitted(tmp_path / "run")
    assert runs.open_run(tmp_path / "run").status().state == "failed"
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))
    assert main(["vae-mnist", "--run-dir", str(tmp_path / "run"), "--resume"]) == 0
    assert runs.open_run(tmp_path / "run").info["data"]["train"]["images"] == 64


def test_the_distance_is_measured_every_so_many_epochs_and_changes_nothing(tmp_path):
    measured = fitted(tmp_path / "measured", "gan-mnist", epochs=3, distance_every=2)
    plain = fitted(tmp_path / "plain", "gan-mnist", epochs=3)
    lines = [line for line in measured.metrics() if "classifier_distance" in line]
    assert [(line["epoch"], line["split"]) for line in lines] == [(2, "val")]
    assert lines[0]["classifier_distance"] > 10  # After a few steps it is far from digits.
    assert files(measured, "*.safetensors") == files(plain, "*.safetensors")
    assert files(measured, "samples/*") == files(plain, "samples/*")


def test_the_last_distance_is_that_of_the_evaluation(tmp_path):
    run = fitted(tmp_path / "run", "vae-mnist", distance_every=1)
    [distance] = [
        line["classifier_distance"] for line in run.metrics() if "classifier_distance" in line
    ]
    entries = evaluation.evaluate(
        run, samples=recipes.DISTANCE_SAMPLES, seed=loop.SAMPLE_SEED, device="cpu"
    )
    frechet = next(entry for entry in entries if entry["metric"] == "frechet")
    assert distance == pytest.approx(frechet["value"], rel=1e-4)


def test_a_distance_without_a_classifier_is_refused_before_the_first_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "nowhere")
    with pytest.raises(GenmodelsError, match="measuring needs classifier-mnist"):
        fitted(tmp_path / "run", "vae-mnist", distance_every=1)
    assert runs.open_run(tmp_path / "run").metrics() == []
