"""How far a training is: told to the terminal and to status.json. And how it is stopped."""

import contextlib
import errno
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from genmodels import runs
from genmodels.errors import RunError
from genmodels.runs import Status


class Stopped(Exception):
    """A person, or the system, asked the training to end."""


@dataclass
class Progress:
    """Tells how far a training is, about once a second."""

    folder: Path
    epochs: int
    bar: tqdm
    silent: bool = False
    """Tells nobody: of several processes only the first one tells."""
    epoch: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    stop_requested: str = ""
    last_told: float = 0.0

    def begin(self, images_seen: int, images_in_all: int) -> None:
        """The first step comes next: from here on speed is measured."""
        self.bar.reset(total=images_in_all)
        self.bar.n = self.bar.initial = self.bar.last_print_n = images_seen
        self.bar.refresh()

    def advance(self, images: int) -> None:
        self.bar.update(images)

    def check_stop(self) -> None:
        """Raises Stopped once somebody has asked for it."""
        self.stop_requested = self.stop_requested or runs.stop_request(self.folder) or ""
        if self.stop_requested:
            raise Stopped(self.stop_requested)

    def check_there(self) -> None:
        """Raises RunError when the run was deleted, be it in part: nobody could see or stop it."""
        if not self.is_there():
            raise RunError(f"{self.folder.name} was deleted while it was in training.")

    def is_there(self) -> bool:
        return (self.folder / "recipe.json").exists()

    def preparing(self, what: str, done: int, total: int) -> None:
        """Progress of what comes before the training; the form `data.load` calls."""
        self.check_stop()
        if self.due():
            self.bar.set_description_str(f"{what} {done}/{total}")
            self.tell(reason=f"{what}: {done} of {total}")

    def due(self) -> bool:
        return not self.silent and time.monotonic() - self.last_told >= 1

    def show(self, epoch: int, losses: dict[str, float]) -> None:
        """The losses so far in this epoch. Raises RunError when the run was deleted."""
        if not self.silent:
            self.check_there()
        self.epoch, self.losses = epoch, losses
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}")
        shown = {name: f"{value:.4g}" for name, value in losses.items()}
        self.bar.set_postfix(shown, refresh=False)
        self.tell()

    def tell(self, reason: str = "") -> None:
        if self.silent:
            return
        elapsed, seen = self.bar.format_dict["elapsed"], int(self.bar.n)
        rate = (seen - self.bar.initial) / elapsed if elapsed else 0
        status = Status(
            "training",
            reason,
            epoch=self.epoch,
            epochs=self.epochs,
            images_seen=seen,
            images_per_second=rate or None,
            seconds_left=(self.bar.total - seen) / rate if rate else None,
            losses=self.losses or None,
        )
        runs.write_status(self.folder, status, durable=False)
        self.last_told = time.monotonic()

    def end(self, state: str, reason: str = "") -> None:
        if self.silent or not self.is_there():
            return
        status = Status(state, reason, self.epoch, self.epochs, int(self.bar.n))
        runs.write_status(self.folder, status)


@contextlib.contextmanager
def watch(folder: Path, epochs: int, silent: bool = False) -> Iterator[Progress]:
    """Keeps status.json true: training inside, then done, stopped or failed with the reason."""
    with tqdm(
        unit=" images",
        unit_scale=True,
        smoothing=0.05,
        dynamic_ncols=True,
        mininterval=0.5,
        disable=silent,
    ) as bar:
        progress = Progress(folder, epochs, bar, silent)
        progress.tell()
        with stopped_by_signals(progress):
            try:
                yield progress
            except Stopped as error:
                progress.end("stopped", str(error))
                raise
            except OSError as error:
                progress.check_there()
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    progress.end("failed", str(error))
                    raise
                sentence = "the disk is full; delete runs that nobody needs, then resume."
                progress.end("failed", sentence)
                raise RunError(f"{folder.name}: {sentence}") from error
            except BaseException as error:
                progress.end("failed", str(error) or type(error).__name__)
                raise
        progress.end("done")


@contextlib.contextmanager
def stopped_by_signals(progress: Progress) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the training after its running step; a second one at once."""

    def request(number: int, frame: Any) -> None:
        progress.stop_requested = f"stopped by {signal.Signals(number).name}"
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield
    finally:
        restore()
