"""Run folders: one training of one recipe each, the only store of truth.

    recipe.json      what was trained, on what, with which versions
    metrics.jsonl    a line per epoch and split
    samples/         the same 64 latents decoded, a sprite each, named by images seen
    *.safetensors    one file per network (see `genmodels.weights`)
    status.json      where the training is; written by the trainer alone

Nothing here imports torch.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from . import folders, recipes
from .errors import RecipeError, RunError
from .recipes import ID, Recipe

FORMAT = 1
INFO_KINDS = {
    "parameters": dict,
    "title": str | None,
    "recipe_name": str | None,
    "resolved": dict | None,
    "data": dict | None,
    "weights": dict | None,
}
"""What recipe.json holds beside the recipe, as far as it is read; None where it may lack."""
SAMPLES = 64
"""How many fixed latents each picture in samples/ shows."""
REMEMBERED = 512
"""Of how many runs the files stay read: every page lists all runs at every rerun."""


@dataclass(frozen=True)
class Status:
    """Where a training is.

    `state` is waiting, training, stopped, failed or done; `reason` says why it stopped or
    failed. `seconds_left` and `images_per_second` are None when not known. `ticket` orders those
    that wait.
    """

    state: str
    reason: str = ""
    epoch: int = 0
    epochs: int = 0
    images_seen: int = 0
    images_per_second: float | None = None
    seconds_left: float | None = None
    losses: dict[str, float] | None = None
    ticket: int | None = None


STATES = ("waiting", "training", "stopped", "failed", "done")
STATUS_KINDS = {
    "state": str,
    "reason": str,
    "epoch": int,
    "epochs": int,
    "images_seen": int,
    "images_per_second": int | float | None,
    "seconds_left": int | float | None,
    "losses": dict | None,
    "ticket": int | None,
}


@dataclass(frozen=True)
class Run:
    """A run folder whose recipe.json could be read. Everything else is read when asked for."""

    path: Path
    info: dict[str, Any]
    recipe: Recipe

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def title(self) -> str:
        return str(self.info.get("title") or self.id)

    @property
    def shipped(self) -> bool:
        return self.path.parent == folders.CHECKPOINTS

    @property
    def parameters(self) -> dict[str, int]:
        """How many parameters each network has."""
        return self.info["parameters"]

    def status(self) -> Status:
        """Raises RunError when status.json, or what it rests on, is damaged."""
        plain = _read_json(self.path / "status.json", dict, default={"state": "done"})
        known = {name: plain[name] for name in STATUS_KINDS if name in plain}
        if known.get("state") not in STATES or not all(
            isinstance(value, STATUS_KINDS[name]) for name, value in known.items()
        ):
            raise _damaged(self.path / "status.json")
        status = Status(**known)
        if status.state == "training" and not is_locked(self.path):
            reason = stop_request(self.path) or (
                "the training ended without a word: it was killed, or the machine restarted"
            )
            # The epoch it was in is lost, and one that goes on with a training begins at 0.
            epoch = max((line["epoch"] for line in self.metrics()), default=0)
            end = {"state": "stopped", "reason": reason, "seconds_left": None, "epoch": epoch}
            return Status(**(known | end))
        return status

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, without a last one that is still being written."""
        return list(_unless_changed(_metrics, self.path / "metrics.jsonl"))

    def samples(self) -> dict[int, Path]:
        """The stored pictures by the number of training images seen, in order."""
        paths = (self.path / "samples").glob("*.webp")
        return {int(path.stem): path for path in sorted(paths) if path.stem.isdigit()}

    def evaluation(self) -> list[dict[str, Any]]:
        """The measurements that were made of this run."""
        measurements = _read_json(self.path / "evaluation.json", list, default=[])
        if not all(isinstance(measurement, dict) for measurement in measurements):
            raise _damaged(self.path / "evaluation.json")
        return measurements

    def latents(self) -> dict[str, Any]:
        """Class means and some posterior means with labels; empty for models without an encoder."""
        return _unless_changed(_latents, self.path / "latents.json")

    def resumable(self) -> bool:
        return (self.path / "state.pt").exists()


@dataclass(frozen=True)
class Damaged:
    """A folder among the runs that cannot be shown, and why."""

    id: str
    reason: str


def open_run(folder: Path) -> Run:
    """The run in that folder. Raises RunError when it is not one this version can read."""
    if not folder.is_dir():
        raise RunError(f"there is no run {folder.name!r}; `ls checkpoints runs` lists them.")
    return _unless_changed(_opened, folder / "recipe.json")


@lru_cache(maxsize=REMEMBERED)
def _opened(path: Path, _: Any) -> Run:
    folder, info = path.parent, _read_json(path, dict)
    if info.get("format") != FORMAT:
        raise RunError(
            f"{folder.name} has format {info.get('format')!r} and this version reads "
            f"format {FORMAT}; update genmodels, or train the recipe again."
        )
    if not all(isinstance(info.get(name), kind) for name, kind in INFO_KINDS.items()) or not all(
        isinstance(count, int) for count in info["parameters"].values()
    ):
        raise _damaged(path)
    try:
        return Run(folder, info, recipes.from_json(info.get("recipe")))
    except RecipeError as error:
        raise RunError(f"{folder.name}: {error}") from error


@lru_cache(maxsize=REMEMBERED)
def _metrics(path: Path, _: Any) -> list[dict[str, Any]]:
    content = path.read_bytes() if path.exists() else b""
    lines = []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break
        try:
            plain = json.loads(line)
            # Everybody who reads the lines picks them by these two.
            whole = isinstance(plain["epoch"], int) and isinstance(plain["split"], str)
        except (ValueError, TypeError, KeyError):
            whole = False
        if not whole:
            raise RunError(
                f"{path.parent.name}: line {number} of metrics.jsonl is damaged; "
                "remove the line or delete the run."
            )
        lines.append(plain)
    return lines


@lru_cache(maxsize=16)  # Of a megabyte or more each.
def _latents(path: Path, _: Any) -> dict[str, Any]:
    return _read_json(path, dict, default={})


def _unless_changed(read: Callable, path: Path) -> Any:
    """What `read` makes of a file, which is read again when it has changed. All who ask share
    what they get, so nobody may change it."""
    version = stamp(path)
    return read(path, version) if version else read.__wrapped__(path, version)


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from what it was before; None where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def find(name: str | Path) -> Run:
    """A run by its id, in checkpoints/ or runs/, or by its folder. Raises RunError."""
    if isinstance(name, Path) or os.sep in name:
        return open_run(absolute(Path(name)))
    if not ID.fullmatch(name):
        raise RunError(
            f"{name!r} is no id of a run: ids are small letters, digits, dots and dashes."
        )
    shipped = folders.CHECKPOINTS / name
    return open_run(shipped if shipped.is_dir() else folders.runs() / name)


def absolute(folder: Path) -> Path:
    """The folder a person means. Raises RunError for the home of a user there is not."""
    try:
        return folder.expanduser().absolute()
    except RuntimeError as error:
        raise RunError(
            f"{folder} begins with the home of an unknown user; name another."
        ) from error


def list_runs() -> Iterator[Run | Damaged]:
    """The shipped runs in the order of their recipes, then the user's own, newest first.

    A damaged one spoils no other.
    """
    order = list(recipes.RECIPES)
    shipped = [path for path in _subfolders(folders.CHECKPOINTS) if path != folders.ABLATIONS]
    shipped.sort(key=lambda path: order.index(path.name) if path.name in order else len(order))
    own = [path for path in _subfolders(folders.runs()) if (path / "recipe.json").exists()]
    own.sort(key=lambda path: (path / "recipe.json").stat().st_mtime, reverse=True)
    for path in shipped + own:
        try:
            run = open_run(path)
            run.status()
            run.metrics()
            yield run
        except RunError as error:
            yield Damaged(path.name, str(error))


def new_folder(recipe_name: str) -> Path:
    """Makes the first free folder of the form runs/<recipe>-<n>."""
    folders.runs().mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = folders.runs() / f"{recipe_name}-{number}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def lock(folder: Path) -> FileLock:
    """The lock a trainer holds on its run; a kill releases it."""
    return FileLock(folder / "lock")


def is_locked(folder: Path) -> bool:
    """Whether a trainer is at work there."""
    return _is_held(lock(folder))


def claim(folder: Path) -> FileLock:
    """The lock a worker holds on a run from before its trainer starts until after it ends."""
    return FileLock(folder / "claim")


def is_claimed(folder: Path) -> bool:
    """Whether a worker has taken the run."""
    return _is_held(claim(folder))


def _is_held(lock: FileLock) -> bool:
    try:
        with lock.acquire(blocking=False):
            return False
    except Timeout:
        return True


def request_stop(folder: Path, reason: str = "stopped on request") -> None:
    """Asks the trainer to stop after its running step."""
    (folder / "stop").write_text(reason)


def stop_request(folder: Path) -> str | None:
    """Why the trainer shall stop; None when it need not."""
    try:
        return (folder / "stop").read_text() or "stopped on request"
    except FileNotFoundError:
        return None


def change_info(folder: Path, **changes: Any) -> dict[str, Any]:
    """Replaces parts of recipe.json and gives the whole; trainer and app may both do so."""
    with FileLock(folder / "recipe.lock", timeout=10):
        info = _read_json(folder / "recipe.json", dict) | changes
        write_json(folder / "recipe.json", info)
    return info


def write_atomic(path: Path, content: bytes | memoryview, durable: bool = True) -> None:
    """Writes under a temporary name, flushes and renames: readers see the old file or the new.

    `durable=False` leaves out the flush to disk, for what is written every second.
    """
    # The app's pages are threads of one process, and may write the same file at once.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, plain: Any, durable: bool = True) -> None:
    write_atomic(path, (json.dumps(plain, indent=1) + "\n").encode(), durable)


def write_status(folder: Path, status: Status, durable: bool = True) -> None:
    plain = {name: value for name, value in vars(status).items() if value is not None}
    write_json(folder / "status.json", plain | {"written": now()}, durable)


def append_metrics(folder: Path, lines: list[dict[str, Any]]) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def discard_after(run: Run, epoch: int, images_seen: int) -> None:
    """Drops the metrics and samples of an epoch that was not committed."""
    kept = [json.dumps(line) + "\n" for line in run.metrics() if line["epoch"] <= epoch]
    write_atomic(run.path / "metrics.jsonl", "".join(kept).encode())
    for seen, path in run.samples().items():
        if seen > images_seen:
            path.unlink()


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _subfolders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and ID.fullmatch(path.name))


def _read_json(path: Path, kind: type, default: Any = None) -> Any:
    """What a file holds; `default` where there is no file. Raises RunError."""
    if not path.exists() and default is not None:
        return default
    try:
        plain = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{path.parent.name} holds no {path.name}; it is not a run.") from error
    except (ValueError, OSError) as error:
        raise _damaged(path) from error
    if not isinstance(plain, kind):
        raise _damaged(path)
    return plain


def _damaged(path: Path) -> RunError:
    return RunError(f"{path.parent.name}: {path.name} is damaged; restore it or delete the run.")
