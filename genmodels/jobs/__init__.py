"""Trainings as processes of their own, which outlive the page, the browser and the app.

One at a time. What is going on is read from the run folders, never from memory.
"""

import contextlib
import hmac
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from filelock import FileLock

from . import folders, runs
from .errors import GenmodelsError
from .recipes import Recipe
from .runs import Run

START_SECONDS = 90
"""How long a trainer may take until it has its run: it loads torch first."""

_children: list[subprocess.Popen] = []


class JobError(GenmodelsError):
    """A training that may not or could not be started."""


def permission() -> Literal["off", "open", "passcode"]:
    """Who may train here, from GENMODELS_TRAINING. Raises JobError for another word."""
    word = os.environ.get("GENMODELS_TRAINING") or "off"
    if word not in ("off", "open", "passcode"):
        raise JobError(f"GENMODELS_TRAINING is {word!r}; set it to off, open or passcode.")
    if word == "passcode" and not os.environ.get("GENMODELS_PASSCODE"):
        raise JobError("GENMODELS_TRAINING is passcode; set GENMODELS_PASSCODE too.")
    return word


def passcode_matches(text: str) -> bool:
    """Compares in constant time."""
    passcode = os.environ.get("GENMODELS_PASSCODE", "")
    return bool(passcode) and hmac.compare_digest(text.encode(), passcode.encode())


def current() -> Run | None:
    """The training that is going on."""
    for run in runs.list_runs():
        if isinstance(run, Run) and not run.shipped and runs.is_locked(run.path):
            return run
    return None


def start(recipe_name: str, recipe: Recipe, title: str = "") -> Path:
    """Starts a training and gives its run folder. Raises RecipeError, JobError."""
    recipe.check()
    options = [f"--{name.replace('_', '-')}={value}" for name, value in vars(recipe).items()]
    with _one_at_a_time():
        folder = runs.new_folder(recipe_name)
        _spawn(folder, [recipe_name, *options, f"--title={title}"])
    return folder


def resume(run: Run) -> None:
    """Goes on with a stopped training. Raises JobError."""
    if not run.resumable():
        raise JobError(f"{run.title} has nothing to resume from; start it anew.")
    with _one_at_a_time():
        _spawn(run.path, [run.info["recipe_name"], "--resume"])


def stop(run: Run) -> None:
    """Asks the trainer to stop after its running step."""
    if run.shipped:
        raise JobError(f"{run.title} ships with genmodels and is not in training.")
    runs.request_stop(run.path)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Held while a training is started, so that two sessions do not start two."""
    folders.runs().mkdir(parents=True, exist_ok=True)
    with FileLock(folders.runs() / ".start.lock", timeout=START_SECONDS):
        running = current()
        if running:
            raise JobError(f"{running.title} is in training; wait for it or stop it, then start.")
        yield


def _spawn(folder: Path, arguments: list[str]) -> None:
    """Starts train.py and waits until it holds its run. Raises JobError with what it said."""
    log = folders.cache() / "logs" / f"{folder.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(folders.REPOSITORY / "train.py"), *arguments]
    with log.open("wb") as file:
        child = subprocess.Popen(
            [*command, f"--run-dir={folder}"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # The ended ones are collected here, so that none stays behind as a zombie.
    _children[:] = [other for other in _children if other.poll() is None] + [child]
    deadline = time.monotonic() + START_SECONDS
    while not ((folder / "recipe.json").exists() and runs.is_locked(folder)):
        if child.poll() is not None:
            if child.returncode == 0:
                return  # So short that it is over already.
            last = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise JobError(f"The training ended at once: {last[-1].removeprefix('train.py: ')}")
        if time.monotonic() > deadline:
            child.kill()
            raise JobError(f"The training did not start within {START_SECONDS} s; see {log}.")
        time.sleep(0.1)
