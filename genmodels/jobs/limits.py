"""Who may train here and how much, as the environment says it."""

import hashlib
import hmac
import os
import time
from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from ..errors import GenmodelsError
from ..recipes import Recipe

ATTEMPTS = 10
"""Wrong passcodes a minute, of everybody together, from which on none is looked at."""
_wrong: deque[float] = deque(maxlen=ATTEMPTS)


class JobError(GenmodelsError):
    """A training that may not or could not be started, stopped or changed."""


def permission() -> Literal["off", "open", "passcode"]:
    """Who may train here, from GENMODELS_TRAINING. Raises JobError for another word."""
    word = os.environ.get("GENMODELS_TRAINING") or "off"
    if word not in ("off", "open", "passcode"):
        raise JobError(f"GENMODELS_TRAINING is {word!r}; set it to off, open or passcode.")
    if word == "passcode" and not os.environ.get("GENMODELS_PASSCODE"):
        raise JobError("GENMODELS_TRAINING is passcode; set GENMODELS_PASSCODE too.")
    return word


def redis_url() -> str | None:
    """GENMODELS_REDIS_URL; None keeps the queue beside the runs, for this machine."""
    return os.environ.get("GENMODELS_REDIS_URL") or None


def passcode_matches(text: str) -> bool:
    """Whether it is the class's passcode, or the teacher's. Raises JobError as `_matches` does."""
    return _matches(text, "GENMODELS_PASSCODE") or teacher_matches(text)


def teacher_matches(text: str) -> bool:
    """Whether it is the passcode that controls all runs, GENMODELS_TEACHER_PASSCODE."""
    return _matches(text, "GENMODELS_TEACHER_PASSCODE")


def has_teacher() -> bool:
    return bool(os.environ.get("GENMODELS_TEACHER_PASSCODE"))


def count_wrong_attempt() -> None:
    """To be called when a passcode that a person typed matched nothing."""
    _wrong.append(time.monotonic())


def _matches(text: str, variable: str) -> bool:
    """Compares in constant time. Raises JobError after too many wrong attempts."""
    if len(_wrong) == ATTEMPTS and time.monotonic() - _wrong[0] < 60:
        raise JobError("too many wrong passcodes were tried; wait a minute and try again.")
    passcode = os.environ.get(variable, "")
    return bool(passcode) and hmac.compare_digest(text.encode(), passcode.encode())


def hashed(key: str) -> str:
    """What is stored of a visitor's key: it proves nothing to who reads it."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class Limits:
    """How much may be trained; each is read from GENMODELS_MAX_ and its name in capitals."""

    epochs: int = 1000
    """Of one training."""
    minutes: int = 720
    """Of one training, resumed or not; it is stopped then, and keeps its last epoch."""
    waiting: int = 100
    """Trainings in the queue."""
    waiting_each: int = 5
    """Of one person."""
    runs: int = 500
    """Kept in the runs folder, trained to their end or not."""
    runs_each: int = 50
    megabytes: int = 10_000
    """Of all kept runs and picture sets."""
    megabytes_each: int = 2000
    sessions: int = 300
    """Pages that are open at once."""

    @classmethod
    def from_environment(cls) -> "Limits":
        """Raises JobError for what is no whole number."""
        values = {}
        for field in fields(cls):
            variable = f"GENMODELS_MAX_{field.name.upper()}"
            text = os.environ.get(variable)
            if not text:
                continue
            if not text.isdecimal():
                raise JobError(f"{variable} is {text!r}; set it to a whole number.")
            values[field.name] = int(text)
        return cls(**values)

    def check_recipe(self, recipe: Recipe) -> None:
        """Raises JobError when it takes too long."""
        if recipe.epochs > self.epochs:
            raise JobError(
                f"{recipe.epochs:,} epochs are too many: the limit here is {self.epochs:,}."
            )

    def check_queue(self, waiting: int, mine: int) -> None:
        """Raises JobError when no further training may wait, `mine` being those of the person."""
        if waiting >= self.waiting:
            raise JobError(
                f"the queue is full: {self.waiting} trainings wait. Try again when one is done."
            )
        if mine >= self.waiting_each:
            raise JobError(
                f"{self.waiting_each} of your trainings wait already, and that is the limit; "
                "wait for one, or take one out of the queue."
            )

    def check_runs(self, kept: int, mine: int) -> None:
        """Raises JobError when no further run may be kept, `mine` being those of the person."""
        if kept >= self.runs:
            raise JobError(f"{self.runs} runs are kept here, and that is the limit; delete some.")
        if mine >= self.runs_each:
            raise JobError(
                f"you keep {self.runs_each} runs, and that is the limit; delete one of them."
            )

    def check_disk(self, kept: list[Path], mine: list[Path]) -> None:
        """Raises JobError when these folders, `mine` being the person's, fill their room."""
        for folders, most, whose in (
            (kept, self.megabytes, "all runs and pictures take"),
            (mine, self.megabytes_each, "your runs and pictures take"),
        ):
            taken = sum(map(_bytes, folders)) / 1e6
            if taken >= most:
                raise JobError(
                    f"{whose} {taken:,.0f} MB, and the limit is {most:,} MB; delete some."
                )


def _bytes(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:  # Renamed into place, or deleted, meanwhile.
            continue
    return sizes
