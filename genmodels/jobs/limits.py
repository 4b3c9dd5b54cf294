"""Who may train here and how much, as the environment says it."""

import hashlib
import hmac
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from genmodels.errors import GenmodelsError
from genmodels.recipes import Recipe

ATTEMPTS = 10
"""Wrong passcodes a minute, of one person, from which on none of theirs is looked at."""
ALL_ATTEMPTS = 40
"""Of everybody together, from which on every answer waits: whoever knows the passcode gets in all
the same, and who guesses under many keys at once is slowed down."""
WAIT, LONGEST_WAIT = 0.1, 10.0
"""Seconds: for each wrong one above that, and in all."""
SIGNED_IN = 7200
"""Seconds for which a person stays signed in who does not look at a page meanwhile."""
MOST_SIGNED_IN = 5000
_wrong: deque[tuple[float, str]] = deque(maxlen=10_000)
"""When, and the hash of whose key."""
_signed_in: dict[str, tuple[float, str]] = {}
"""By the hash of a key: when the person was last seen, and as what; who was just seen is last."""
_watch = threading.Lock()


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
    """Whether it is the class's passcode, or the teacher's."""
    return _matches(text, "GENMODELS_PASSCODE") or teacher_matches(text)


def teacher_matches(text: str) -> bool:
    """Whether it is the passcode that controls all runs, GENMODELS_TEACHER_PASSCODE."""
    return _matches(text, "GENMODELS_TEACHER_PASSCODE")


def has_teacher() -> bool:
    return bool(os.environ.get("GENMODELS_TEACHER_PASSCODE"))


def sign_in(key: str, text: str, role: Literal["class", "teacher"]) -> bool:
    """Whether it is the passcode of that role, or the teacher's. If so, the person of that key is
    signed in, also after a reload; without a word for two hours they are no more.

    Raises JobError after too many wrong ones of theirs. After too many of everybody it takes
    some seconds.
    """
    who, now = hashed(key), time.monotonic()
    with _watch:
        while _wrong and now - _wrong[0][0] > 60:
            _wrong.popleft()
        if sum(other == who for _, other in _wrong) >= ATTEMPTS:
            raise JobError("you tried too many wrong passcodes. Wait a minute, then try again.")
        wait = min(LONGEST_WAIT, WAIT * max(0, len(_wrong) - ALL_ATTEMPTS))
    time.sleep(wait)  # Before it is looked at: who hangs up meanwhile has learnt nothing.
    teacher, of_class = teacher_matches(text), _matches(text, "GENMODELS_PASSCODE")
    right = teacher or (role == "class" and of_class)
    with _watch:
        now = time.monotonic()
        if not right:
            _wrong.append((now, who))
        else:
            _signed_in.pop(who, None)
            _signed_in[who] = now, "teacher" if teacher else "class"
            while len(_signed_in) > MOST_SIGNED_IN:
                del _signed_in[next(iter(_signed_in))]
    return right


def signed_in(key: str) -> str:
    """As what a person is signed in: "class", "teacher", or not at all. It counts as seen."""
    who, now = hashed(key), time.monotonic()
    with _watch:
        seen, role = _signed_in.pop(who, (now, ""))
        if not role or now - seen > SIGNED_IN:
            return ""
        _signed_in[who] = now, role
        return role


def sign_out(key: str) -> None:
    with _watch:
        _signed_in.pop(hashed(key), None)


def _matches(text: str, variable: str) -> bool:
    """Compares in constant time."""
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
