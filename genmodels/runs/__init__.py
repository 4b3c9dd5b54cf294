"""Run folders: one training of one recipe each, the only store of truth.

    recipe.json      what was trained, on what, with which versions
    metrics.jsonl    a line per epoch and split
    samples/         the same 64 latents decoded, a sprite each, named by images seen
    *.safetensors    one file per network (see `genmodels.models.weights`)
    status.json      where the training is; written by the trainer alone

Nothing here imports torch.
"""

import contextlib
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from reprlib import repr as short
from typing import Any

from genmodels import paths, recipes
from genmodels.errors import RecipeError, RunError
from genmodels.recipes import ID, Recipe

from . import schemas
from .locks import Lock

FORMAT = 1
STALE_SECONDS = 10
"""No file takes so long to write: a temporary one that is older is of a process that was killed."""
GRAVE = ".deleted-"
"""What the name of a run that is being deleted begins with."""
USED = ".used"
"""A folder beside the runs, with an empty file for each that was deleted: its id is in addresses,
and others name it as what they vary."""
UNEXPECTED = "the training stopped unexpectedly: it was killed, or the machine restarted"
"""Why a run is stopped whose trainer has gone and left no word."""
SAMPLES = 64
"""How many fixed latents each picture in samples/ shows."""
SEEN = re.compile(r"[0-9]{1,15}")
"""The name of such a picture: the number of images seen."""
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
        return self.path.parent == paths.CHECKPOINTS

    @property
    def parameters(self) -> dict[str, int]:
        """How many parameters each network has."""
        return self.info["parameters"]

    def status(self) -> Status:
        """Raises RunError when status.json, or what it rests on, is damaged."""
        plain = _read_json(self.path / "status.json", schemas.Status, default={"state": "done"})
        known = {name: plain[name] for name in schemas.Status.__annotations__ if name in plain}
        status = Status(**known)
        if status.state == "training" and not is_locked(self.path):
            reason = stop_request(self.path) or UNEXPECTED
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
        return {int(path.stem): path for path in sorted(paths) if SEEN.fullmatch(path.stem)}

    def evaluation(self) -> list[dict[str, Any]]:
        """The measurements that were made of this run."""
        return _read_json(self.path / "evaluation.json", list[schemas.Entry], default=[])

    def latents(self) -> dict[str, Any]:
        """Class means and some posterior means with labels; empty for models without an encoder."""
        plain = _unless_changed(_latents, self.path / "latents.json")
        size = getattr(self.recipe, "latent_dim", 0)
        kept = [*plain.get("class_means", {}).values(), *plain.get("posterior_means", [])]
        kept += [plain["kl"]] if "kl" in plain else []
        if any(len(numbers) != size for numbers in kept):
            raise _damaged(self.path / "latents.json")
        return plain

    def resumable(self) -> bool:
        return (self.path / "state.pt").exists()

    def check_resume(self, epochs: int) -> None:
        """Raises RecipeError where there is nothing to go on with, up to so many epochs."""
        if self.status().state == "done":
            raise RecipeError(f"{self.id} is trained to its end; start a new run for more epochs.")
        trained = max((line["epoch"] for line in self.metrics()), default=0)
        if epochs < trained:
            raise RecipeError(
                f"{self.id} has been trained for {trained} epochs already; ask for more."
            )


@dataclass(frozen=True)
class Damaged:
    """A folder among the runs that cannot be shown, and why."""

    id: str
    reason: str


def open_run(folder: Path) -> Run:
    """The run in that folder. Raises RunError when it is not one this version can read."""
    try:
        there = folder.is_dir()
    except OSError:  # A name that is too long, or a place where one may not look.
        there = False
    if not there:
        raise RunError(f"there is no run {folder.name!r}; `ls checkpoints runs` lists them.")
    return _unless_changed(_opened, folder / "recipe.json")


@lru_cache(maxsize=REMEMBERED)
def _opened(path: Path, _: Any) -> Run:
    folder, info = path.parent, _read_json(path, dict)
    if info.get("format") != FORMAT:
        raise RunError(
            f"{folder.name} has format {short(info.get('format'))} and this version "
            f"reads format {FORMAT}; update genmodels, or train the recipe again."
        )
    info = dict.fromkeys(schemas.Info.__annotations__) | info
    try:
        schemas.check(info, schemas.Info)
    except ValueError as error:
        raise _damaged(path) from error
    try:
        return Run(folder, info, recipes.from_json(info.get("recipe")))
    except RecipeError as error:
        raise RunError(f"{folder.name}: {error}") from error


@lru_cache(maxsize=REMEMBERED)
def _metrics(path: Path, _: Any) -> list[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _damaged(path) from error
    lines = []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break
        try:
            plain = schemas.parse(line, schemas.Line)
            numbers = {name: value for name, value in plain.items() if name != "split"}
            schemas.check(numbers, dict[str, schemas.Finite])
        except ValueError as error:
            raise RunError(
                f"{path.parent.name}: line {number} of metrics.jsonl is damaged; "
                "remove the line or delete the run."
            ) from error
        lines.append(plain)
    return lines


@lru_cache(maxsize=16)  # Of a megabyte or more each.
def _latents(path: Path, _: Any) -> dict[str, Any]:
    return _read_json(path, schemas.Latents, default={})


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


def fingerprint(run: Run) -> str:
    """The SHA-256 of the run's network files. Raises RunError when one cannot be read."""
    paths = sorted(run.path.glob("*.safetensors"))
    return _fingerprint(run.id, tuple((path, stamp(path)) for path in paths))


@lru_cache(maxsize=REMEMBERED)  # Pages ask at every rerun, and weights are megabytes.
def _fingerprint(run_id: str, files: tuple) -> str:
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(path.name.encode(errors="surrogateescape"))
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise RunError(
                f"{run_id}: {path.name} cannot be read ({error.strerror}); restore it or delete "
                "the run."
            ) from error
    return digest.hexdigest()


def find(name: str | Path) -> Run:
    """A run by its id, in checkpoints/ or runs/, or by its folder. Raises RunError."""
    if isinstance(name, Path) or os.sep in name:
        folder = absolute(Path(name))
        # Shells complete names with a slash: one of no folder here may still be an id.
        if isinstance(name, Path) or folder.is_dir() or os.sep in (name := name.rstrip(os.sep)):
            return open_run(folder)
    if not ID.fullmatch(name):
        raise RunError(
            f"{name!r} is no id of a run: ids are small letters, digits, dots and dashes."
        )
    shipped = paths.CHECKPOINTS / name
    return open_run(shipped if shipped.is_dir() else paths.runs() / name)


def absolute(folder: Path) -> Path:
    """The folder a person means. Raises RunError where there can be none of that name."""
    try:
        folder = folder.expanduser().absolute()
        folder.exists()
    except RuntimeError as error:
        raise RunError(
            f"{folder} begins with the home of an unknown user; name another."
        ) from error
    except OSError as error:  # The name is too long, or one may not look there.
        shown = short(str(folder))
        raise RunError(f"{shown} cannot be had ({error.strerror}); name another.") from error
    return folder


def list_runs() -> Iterator[Run | Damaged]:
    """The shipped runs in the order of their recipes, then the user's own, newest first.

    A damaged one spoils no other.
    """
    order = list(recipes.RECIPES)
    for place in (paths.CHECKPOINTS, paths.runs()):
        try:
            found = [path for path in _subfolders(place) if path != paths.ABLATIONS]
        except OSError as error:
            reason = f"{place} cannot be read ({error.strerror}); make it readable for this user."
            yield Damaged(place.name, reason)
            continue
        if place == paths.CHECKPOINTS:
            found = [path for path in found if ID.fullmatch(path.name) or _holds_recipe(path)]
            found.sort(
                key=lambda path: order.index(path.name) if path.name in order else len(order)
            )
        else:
            found = [path for path in found if _holds_recipe(path)]
            found.sort(key=lambda path: _changed(path / "recipe.json"), reverse=True)
        yield from _opened_each(found)


def _opened_each(paths: list[Path]) -> Iterator[Run | Damaged]:
    for path in paths:
        try:
            check_id(path)
            run = open_run(path)
            run.status()
            run.metrics()
            yield run
        except RunError as error:
            if path.exists():  # Not deleted just now.
                yield Damaged(path.name, str(error))


def check_id(folder: Path) -> None:
    """Raises RunError where a folder's name cannot be a run's id, or is a shipped run's."""
    if not ID.fullmatch(folder.name):
        raise RunError(
            f"{folder.name!r} cannot be a run's id; rename the folder: an id has small letters, "
            "digits, dots and dashes only."
        )
    if folder.parent != paths.CHECKPOINTS and (paths.CHECKPOINTS / folder.name).is_dir():
        raise RunError(f"{folder.name} is the id of a built-in model; rename the folder.")


def new_folder(recipe_name: str) -> Path:
    """Makes the first folder of the form runs/<recipe>-<n> that is free and was never deleted.

    Raises FolderError.
    """
    paths.check_writable(paths.runs())
    number = 1
    while True:
        folder = paths.runs() / f"{recipe_name}-{number}"
        if not (paths.runs() / USED / folder.name).exists():
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
        number += 1


def retire(run_id: str) -> None:
    """Keeps `new_folder` from giving out the id of a deleted run again."""
    (paths.runs() / USED).mkdir(exist_ok=True)
    (paths.runs() / USED / run_id).touch()


def lock(folder: Path) -> Lock:
    """The lock a trainer holds on its run; a kill releases it."""
    return Lock(folder / "lock")


def is_locked(folder: Path) -> bool:
    """Whether a trainer is at work there. Raises LockError when that cannot be told."""
    return lock(folder).is_held()


def claim(folder: Path) -> Lock:
    """The lock a worker holds on a run from before its trainer starts until after it ends."""
    return Lock(folder / "claim")


def is_claimed(folder: Path) -> bool:
    """Whether a worker has taken the run. Raises LockError when that cannot be told."""
    return claim(folder).is_held()


def request_stop(folder: Path, reason: str = "stopped on request") -> None:
    """Asks the trainer to stop after its running step."""
    (folder / "stop").write_text(reason, "utf-8")


def stop_request(folder: Path) -> str | None:
    """Why the trainer shall stop; None when it need not."""
    try:
        reason = (folder / "stop").read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError:  # It is no file, but there it is.
        reason = ""
    return reason or "stopped on request"


def change_info(folder: Path, **changes: Any) -> dict[str, Any]:
    """Replaces parts of recipe.json and gives the whole; trainer and app may both do so."""
    with Lock(folder / "recipe.lock").acquire(timeout=10):
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


def seconds(lines: Iterable[dict[str, Any]]) -> float:
    """What lines of metrics.jsonl say that took: steps, validation and all between them.

    Older runs recorded nothing of what is between: fitting priors, measuring and saving.
    """
    return sum(line.get("seconds", 0.0) + line.get("other_seconds", 0.0) for line in lines)


def append_metrics(folder: Path, lines: list[dict[str, Any]]) -> None:
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def write_metrics(folder: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Replaces all lines."""
    content = "".join(json.dumps(line) + "\n" for line in lines)
    write_atomic(folder / "metrics.jsonl", content.encode())


def discard_after(run: Run, epoch: int, images_seen: int) -> None:
    """Drops the metrics and samples of an epoch that was not committed, and half-written files."""
    for path in run.path.rglob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # The app's, which is done with it.
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()
    write_metrics(run.path, [line for line in run.metrics() if line["epoch"] <= epoch])
    for seen, path in run.samples().items():
        if seen > images_seen:
            path.unlink()


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _subfolders(folder: Path) -> list[Path]:
    """Those that are not hidden; none where there is no such folder. Raises OSError."""
    try:
        with os.scandir(folder) as found:
            names = [each.name for each in found if each.is_dir() and each.name[0] != "."]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names)]


def _holds_recipe(folder: Path) -> bool:
    try:
        return (folder / "recipe.json").exists()
    except OSError:  # Another user's: it is opened, which says so.
        return True


def _changed(path: Path) -> float:
    """When a file was changed; 0 for one that was deleted just now, or where one may not look."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read_json(path: Path, kind: Any, default: Any = None) -> Any:
    """What a file holds; `default` where there is no file. Raises RunError."""
    try:
        return schemas.parse(path.read_bytes(), kind)
    except FileNotFoundError as error:
        if default is not None:
            return default
        raise RunError(f"{path.parent.name} holds no {path.name}; it is not a run.") from error
    except PermissionError as error:
        raise RunError(
            f"{path.parent.name}: {path.name} cannot be read ({error.strerror}); make the run's "
            "files readable for this user."
        ) from error
    except (ValueError, OSError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> RunError:
    return RunError(f"{path.parent.name}: {path.name} is damaged; restore it or delete the run.")
