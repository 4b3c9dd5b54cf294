"""Where things are. Each place can be moved by an environment variable."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CHECKPOINTS = REPOSITORY / "checkpoints"
ABLATIONS = CHECKPOINTS / "ablations"
"""Runs without weights, to be compared only (see `genmodels.ablation`)."""


def runs() -> Path:
    """The user's own runs: GENMODELS_RUNS, or runs/ of the repository."""
    return _folder("GENMODELS_RUNS", "runs")


def data() -> Path:
    """The data sets; may be read-only: GENMODELS_DATA, or data/ of the repository."""
    return _folder("GENMODELS_DATA", "data")


def cache() -> Path:
    """What can be computed again: GENMODELS_CACHE, or cache/ of the repository."""
    return _folder("GENMODELS_CACHE", "cache")


def _folder(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or REPOSITORY / name).expanduser().absolute()
