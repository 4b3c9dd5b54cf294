import dataclasses
import subprocess
import sys

import pytest

from genmodels import paths, recipes, runs
from genmodels.recipes import RECIPES
from genmodels.training.command import main


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a mistake is answered with."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("train.py: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    return said.err.removeprefix("train.py: ").rstrip()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "there is no recipe ''; name one of"),
        (["vae-cifar"], "there is no recipe 'vae-cifar'; name one of"),
        (["--epochs", "3", "vae-mnist"], "--epochs"),
        (["--", "vae-mnist"], "vae-mnist"),
        (["vae-mnist", "gan-mnist"], "gan-mnist"),
        (["vae-mnist", "--bogus", "3"], "--bogus"),
        (["vae-mnist", "--epochs"], "--epochs"),
        (["vae-mnist", "--epochs", "many"], "--epochs"),
        (["vae-mnist", "--batch-size", "0"], "batch size must be a whole number from 1 to 4,096"),
        (["vae-mnist", "--batch-size=2.5"], "--batch-size"),
        (["vae-mnist", "--learning-rate", "nan"], "learning rate must be a number"),
        (["vae-mnist", "--network", "convolutional"], "network must not be convolutional"),
        (["vae-mnist", "--generator-norm", "batch"], "--generator-norm"),
        (["vae-mnist", "--device", "tpu"], "'tpu'"),
        (["vae-mnist", "--run-dir", "My run"], "'My run' cannot be a run's id"),
        (["vae-mnist", "--run-dir", "/etc"], "/etc is not empty"),
        (["vae-mnist", "--run-dir", "/etc/passwd"], "/etc/passwd is not empty"),
        (["vae-mnist", "--run-dir", "/etc/passwd/run"], "cannot be written"),
        (["vae-mnist", "--run-dir", "~nobody-here/run"], "unknown user"),
        (["vae-mnist", "--resume"], "--resume needs --run-dir"),
        (["vae-mnist", "--resume", "--run-dir", "runs/nothing"], "there is no run 'nothing'"),
        (["vae-mnist", "--resume", "--run-dir", "/etc"], "etc holds no recipe.json"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, expected, capsys, runs_folder):
    assert expected in complaint(arguments, capsys)
    assert list(runs_folder.iterdir()) == []


def test_a_device_that_is_not_there_is_told_in_one_line(capsys, runs_folder):
    import torch

    missing = "mps" if torch.cuda.is_available() else "cuda"
    line = complaint(["vae-mnist", "--device", missing], capsys)
    assert f"this machine has no {missing} device" in line
    assert list(runs_folder.iterdir()) == []


def test_train_py_itself_ends_with_two_and_one_line():
    command = [sys.executable, "train.py", "vae-cifar"]
    ended = subprocess.run(
        command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("train.py: there is no recipe 'vae-cifar'")
    assert ended.stderr.count("\n") == 1


def test_the_id_of_a_shipped_run_is_taken(capsys, runs_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    (tmp_path / "checkpoints" / "vae-mnist").mkdir(parents=True)
    arguments = ["vae-mnist", "--run-dir", str(runs_folder / "vae-mnist")]
    assert "vae-mnist is the id of a shipped run" in complaint(arguments, capsys)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--batch-size", "32"], "was begun with batch size 64, and a resumed training cannot"),
        (["--batch-size=32"], "was begun with batch size 64"),
        (["--batch_size", "32"], "was begun with batch size 64"),
        (["--latent-dim", "8"], "was begun with latent dim 16"),
        (["--batch-size", "64"], None),
    ],
)
def test_a_resumed_training_cannot_change_its_recipe(options, expected, make_run, capsys):
    run = make_run("run")
    runs.write_status(run.path, runs.Status("done"))
    arguments = ["vae-mnist", "--run-dir", str(run.path), "--resume", *options]
    line = complaint(arguments, capsys)
    assert (expected or "run is trained to its end; start a new run") in line


def test_a_run_is_resumed_under_its_own_name_only(make_run, capsys):
    run = make_run("run", "gan-mnist")
    runs.write_status(run.path, runs.Status("stopped"))
    line = complaint(["vae-mnist", "--run-dir", str(run.path), "--resume"], capsys)
    assert "run is a training of gan-mnist; resume it under that name" in line


def test_help_names_every_recipe(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for name, recipe in RECIPES.items():
        assert name in text
        assert recipe.title in text


@pytest.mark.parametrize("name", RECIPES)
def test_help_of_a_recipe_names_every_field(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for field in dataclasses.fields(RECIPES[name]):
        assert f"--{field.name.replace('_', '-')}" in text
    for option in ("--run-dir", "--data-dir", "--device", "--resume", "--title"):
        assert option in text


def test_options_reach_the_recipe_and_the_run(capsys, runs_folder):
    """Without a folder named, the next free one is taken."""
    options = ["--epochs", "1", "--train-limit", "40", "--kl-weight", "0.5", "--seed=7"]
    changes = ["--encoder-norm", "batch", "--learning-rate", "2e-3", "--title", "Half a KL"]
    (runs_folder / "vae-mnist-1").mkdir()
    assert main(["vae-mnist", *options, *changes]) == 0
    folder = runs_folder / "vae-mnist-2"
    assert capsys.readouterr().out == f"done: {folder}\n"
    run = runs.open_run(folder)
    expected = dataclasses.replace(
        recipes.named("vae-mnist"),
        epochs=1,
        train_limit=40,
        kl_weight=0.5,
        seed=7,
        encoder_norm="batch",
        learning_rate=2e-3,
    )
    assert run.recipe == expected
    assert run.title == "Half a KL"
    assert run.info["data"]["train"]["images"] == 40
