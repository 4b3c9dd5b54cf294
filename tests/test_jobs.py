"""Trainings as processes, on a small data set in its true format."""

import contextlib
import dataclasses
import os
import signal
import time

import pytest

from genmodels import jobs, recipes, runs
from genmodels.errors import RecipeError
from genmodels.runs import Run

LONG = dataclasses.replace(recipes.named("vae-mnist"), epochs=9999)


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))


def wait(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_a_training_is_started_alone_stopped_killed_and_resumed():
    folder = jobs.start("vae-mnist", LONG, title="--a title=with 'quotes' <b>")
    run = runs.open_run(folder)
    assert run.title == "--a title=with 'quotes' <b>"
    assert run.recipe == LONG
    wait(lambda: run.status().epoch >= 2)
    with pytest.raises(jobs.JobError, match="is in training"):
        jobs.start("vae-mnist", LONG)
    jobs.stop(run)
    wait(lambda: jobs.current() is None)
    assert run.status().state == "stopped"

    jobs.resume(run)
    current = jobs.current()
    assert isinstance(current, Run) and current.id == run.id
    before = run.status().epoch
    wait(lambda: run.status().epoch > before)
    for child in jobs._children:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
    wait(lambda: jobs.current() is None)
    assert run.status().state == "stopped"
    assert "killed" in run.status().reason
    assert run.resumable()


def test_what_the_trainer_refuses_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    # It fails at once, so that the start is refused, or a moment later, in the run alone.
    with contextlib.suppress(jobs.JobError):
        jobs.start("vae-mnist", LONG)
    wait(lambda: jobs.current() is None)
    status = runs.find("vae-mnist-1").status()
    assert status.state == "failed"
    assert "is a file" in status.reason


def test_an_impossible_recipe_starts_nothing(runs_folder):
    with pytest.raises(RecipeError, match="batch size"):
        jobs.start("vae-mnist", dataclasses.replace(LONG, batch_size=0))
    assert not any(path.is_dir() for path in runs_folder.iterdir())


def test_a_shipped_run_is_not_stopped():
    with pytest.raises(jobs.JobError, match="ships"):
        jobs.stop(runs.find("vae-mnist"))


@pytest.mark.parametrize(
    ("training", "passcode", "permission"),
    [(None, None, "off"), ("", None, "off"), ("open", None, "open"), ("passcode", "x", "passcode")],
)
def test_training_is_off_unless_the_environment_says_otherwise(
    monkeypatch, training, passcode, permission
):
    for name, value in (("TRAINING", training), ("PASSCODE", passcode)):
        monkeypatch.delenv(f"GENMODELS_{name}", raising=False)
        if value is not None:
            monkeypatch.setenv(f"GENMODELS_{name}", value)
    assert jobs.permission() == permission


def test_a_passcode_that_is_not_set_matches_nothing(monkeypatch):
    monkeypatch.delenv("GENMODELS_PASSCODE", raising=False)
    assert not jobs.passcode_matches("")
    monkeypatch.setenv("GENMODELS_TRAINING", "passcode")
    with pytest.raises(jobs.JobError, match="GENMODELS_PASSCODE"):
        jobs.permission()
