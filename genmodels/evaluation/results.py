"""What was measured of a run: in its own evaluation.json, and in the cache.

The command line writes into the run. What a page computes goes to the cache, under the
fingerprint of the weights, for shipped runs are never written to.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genmodels import paths, runs
from genmodels.runs import Run, schemas

from .distances import EvaluationError

Entry = dict[str, Any]
"""One measurement, as `genmodels.evaluation.evaluate` makes it."""


def results(run: Run) -> list[Entry]:
    """All measurements of the run's present weights, of each the newest.

    Raises RunError or EvaluationError when a file is damaged.
    """
    fingerprint = runs.fingerprint(run)
    entries = [*run.evaluation(), *_cached(fingerprint)]
    return _merged(entry for entry in entries if entry["weights_fingerprint"] == fingerprint)


def save(run: Run, entries: list[Entry]) -> None:
    """Adds measurements to the run's evaluation.json, in place of the same ones made before.

    Those of other weights are dropped. Raises RunError when the file is damaged.
    """
    fingerprint = runs.fingerprint(run)
    kept = [e for e in run.evaluation() if e["weights_fingerprint"] == fingerprint]
    _write(run.path / "evaluation.json", kept, entries)


def save_to_cache(entries: list[Entry]) -> None:
    """The same in the cache, whether the run ships or not. A damaged file is written anew."""
    fingerprint = entries[0]["weights_fingerprint"]
    path = _cache_path(fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        kept = _cached(fingerprint)
    except EvaluationError:
        kept = []
    _write(path, kept, entries)


def _write(path: Path, kept: list[Entry], new: list[Entry]) -> None:
    # Whatever the clock says: it may have been set back.
    replaced = {_key(entry) for entry in new}
    kept = [entry for entry in kept if _key(entry) not in replaced]
    runs.write_json(path, _merged([*kept, *new]))


def _merged(entries: Iterable[Entry]) -> list[Entry]:
    """Of those that measure the same in the same way the one made last, in their order."""
    merged: dict[tuple, Entry] = {}
    for entry in entries:
        key = _key(entry)
        if key not in merged or merged[key]["created"] <= entry["created"]:
            merged[key] = entry
    return list(merged.values())


def _key(entry: Entry) -> tuple:
    """What was measured, and in which way."""
    names = ("metric", "features_fingerprint", "samples", "seed")
    return *(entry[name] for name in names), entry["real"]["fingerprint"]


def _cached(fingerprint: str) -> list[Entry]:
    path = _cache_path(fingerprint)
    if not path.exists():
        return []
    try:
        return schemas.parse(path.read_bytes(), list[schemas.Entry])
    except (ValueError, OSError) as error:
        raise EvaluationError(f"{path} is damaged; measure again, or delete it.") from error


def _cache_path(weights_fingerprint: str) -> Path:
    return paths.cache() / "evaluation" / f"{weights_fingerprint}.json"
