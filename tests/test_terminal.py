"""Commands write to terminals that lack signs, and into pipes that nobody reads to the end."""

import os
import subprocess
import sys

import pytest

from genmodels import paths, runs

FEW = ["vae-mnist", "--epochs", "2", "--batch-size", "32", "--device", "cpu"]
COMMANDS = {
    "training": ["train.py", "--help"],
    "a recipe": ["train.py", "vae-imagenette-plus", "--help"],
    "measuring": ["-m", "genmodels", "evaluate", "--help"],
    "export": ["-m", "genmodels", "export", "--help"],
    "jobs": ["-m", "genmodels", "worker", "--help"],
    "benchmarks": ["-m", "benchmarks", "--help"],
    "one benchmark": ["-m", "benchmarks.precision", "--help"],
    "pack": ["-m", "genmodels", "pack"],
    "ablation": ["-m", "genmodels", "ablation", "é×"],
    "a mistyped option": ["train.py", "vae-mnist", "--epoch", "3"],
    "a mistyped option of measuring": ["-m", "genmodels", "evaluate", "--sample", "3"],
    "a strange name": ["train.py", "vaé-mnist"],
}
"""Those without --help are mistakes."""


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))


def command(arguments: list[str], encoding: str = "utf-8", **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=paths.REPOSITORY,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.parametrize(
    ("name", "encoding"),
    [*((name, "ascii") for name in COMMANDS), ("measuring", "cp1252"), ("training", "cp1252")],
)
def test_help_and_mistakes_are_told_in_the_terminals_encoding(name, encoding):
    arguments = COMMANDS[name]
    with command(arguments, encoding) as process:
        out, err = (said.decode(encoding) for said in process.communicate(timeout=120))
    assert "Traceback" not in err
    if "--help" in arguments:
        assert process.returncode == 0
        assert len(out) > 200
    else:
        assert process.returncode == 2
        assert out == ""
        assert err.count("\n") == 1
        assert "----" not in err


def test_a_training_shows_its_progress_in_the_terminals_encoding(runs_folder):
    folder, encoding = runs_folder / "run", "ascii"
    with command(["train.py", *FEW, f"--run-dir={folder}"], encoding) as process:
        out, err = (said.decode(encoding) for said in process.communicate(timeout=120))
    assert (process.returncode, out.splitlines()) == (0, [f"done: {folder}"])
    assert "epoch 2/2: 100%|####" in err
    assert runs.open_run(folder).status().state == "done"


@pytest.mark.parametrize("closed", ["stderr", "both"])
def test_a_training_whose_words_nobody_reads_goes_on_to_its_end(closed, runs_folder):
    folder = runs_folder / "run"
    with command(["train.py", *FEW, f"--run-dir={folder}"]) as process:
        assert process.stdout and process.stderr
        process.stderr.close()
        if closed == "both":
            process.stdout.close()
        assert process.wait(timeout=120) == 0
    assert runs.open_run(folder).status().state == "done"


def test_a_training_started_without_a_terminal_goes_on_to_its_end(runs_folder):
    folder = runs_folder / "run"
    words = " ".join([sys.executable, "train.py", *FEW, f"--run-dir={folder}"])
    ended = subprocess.run(
        ["bash", "-c", f"exec {words} <&- >&- 2>&-"],
        cwd=paths.REPOSITORY,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0
    assert runs.open_run(folder).status().state == "done"
