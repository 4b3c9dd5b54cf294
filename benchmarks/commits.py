"""Trainings looked into from outside: when they commit their epochs, and on fewer images."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from genmodels.data import datasets, image_tensors
from genmodels.training import loop


class Commit(NamedTuple):
    epoch: int
    time: float
    memory: int
    """Bytes that the process holds."""


@dataclass
class Seen:
    commits: list[Commit] = field(default_factory=list)
    fixed: float = 0.0
    """Seconds since the first commit that would not grow with the images: for stored samples
    and commits."""

    def seconds(self, part: float) -> float:
        """From the first commit to the last, on a part of the images. What is fixed counts by
        that part, as it would weigh in an epoch of all images."""
        return self.commits[-1].time - self.commits[0].time - self.fixed * (1 - part)


@contextlib.contextmanager
def commits() -> Iterator[Seen]:
    """Notes the commits of the training inside."""
    seen = Seen()
    commit, store_samples = loop.Trainer.commit, loop.Trainer.store_samples

    def timed(work: Callable[[], None]) -> None:
        started = time.perf_counter()
        work()
        if seen.commits:
            seen.fixed += time.perf_counter() - started

    def commit_and_note(self: loop.Trainer, epoch: int, lines: list[dict[str, Any]]) -> None:
        timed(lambda: commit(self, epoch, lines))
        seen.commits.append(Commit(epoch, time.perf_counter(), resident()))

    with (
        mock.patch.object(loop.Trainer, "commit", commit_and_note),
        mock.patch.object(
            loop.Trainer, "store_samples", lambda self: timed(lambda: store_samples(self))
        ),
    ):
        yield seen


@contextlib.contextmanager
def shortened(part: float) -> Iterator[None]:
    """Trainings inside take the first part (0 to 1) of both splits: an epoch is cut evenly, since
    validating on all images would weigh too much in it."""
    whole = datasets.of

    def of(*arguments: Any) -> image_tensors.Images:
        images = whole(*arguments)
        return images if part == 1 else images.first(math.ceil(len(images) * part))

    with mock.patch.object(datasets, "of", of):
        yield


def resident() -> int:
    """Bytes of memory that this process holds; 0 where that cannot be told."""
    with contextlib.suppress(FileNotFoundError):
        return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    return 0
