"""Where things are. Each place can be moved by an environment variable."""

import errno
import os
import tempfile
from pathlib import Path

from .errors import FolderError

_CHECKOUT = Path(__file__).parent.parent
REPOSITORY = _CHECKOUT if (_CHECKOUT / "checkpoints").is_dir() else Path.cwd()
"""Where runs, data and cache are unless the environment says otherwise: the checkout, or the folder
one is in where the package was installed from it."""
CHECKPOINTS = REPOSITORY / "checkpoints"
ABLATIONS = CHECKPOINTS / "ablations"
"""Runs without weights, to be compared only (see `genmodels.training.ablation`)."""
FULL = {errno.ENOSPC, errno.EDQUOT}
"""What a full disk answers, or one of which a user may have no more."""
TRIED = 2**20
"""Bytes to write as a trial. An empty file would fit on a full disk."""


def runs() -> Path:
    """The user's own runs: GENMODELS_RUNS, or runs/ of the repository."""
    return _folder("GENMODELS_RUNS", "runs")


def data() -> Path:
    """The data sets; may be read-only: GENMODELS_DATA, or data/ of the repository."""
    return _folder("GENMODELS_DATA", "data")


def cache() -> Path:
    """What can be computed again: GENMODELS_CACHE, or cache/ of the repository."""
    return _folder("GENMODELS_CACHE", "cache")


def environment() -> dict[str, str]:
    """The environment for a process that is started in another folder: it finds the same places."""
    return os.environ | {
        "GENMODELS_RUNS": str(runs()),
        "GENMODELS_DATA": str(data()),
        "GENMODELS_CACHE": str(cache()),
    }


def check_writable(*places: Path) -> None:
    """Tries to write to folders before long work, and makes those that are missing.

    Raises FolderError.
    """
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(bytes(TRIED))
        except OSError as error:
            if error.errno in FULL:
                raise FolderError(f"the disk of {place} is full; make room on it.") from error
            raise FolderError(
                f"{place} cannot be written ({error.strerror}); make it writable for this user, "
                "or choose another folder."
            ) from error


def _folder(variable: str, name: str) -> Path:
    place = Path(os.environ.get(variable) or REPOSITORY / name)
    try:
        return place.expanduser().absolute()
    except RuntimeError as error:
        raise FolderError(
            f"{variable} is {place}, and there is no such user; name another folder."
        ) from error
