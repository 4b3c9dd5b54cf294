"""What was measured of a run: in its own evaluation.json, and in the cache.

The command line writes into the run. What a page computes goes to the cache, under the
fingerprint of the weights, for shipped runs are never written to.
"""

from pathlib import Path
from typing import Any

from .. import folders, runs, shapes, weights
from ..runs import Run
from .distances import EvaluationError

Entry = dict[str, Any]
"""One measurement, as `genmodels.evaluation.evaluate` makes it."""


def results(run: Run) -> list[Entry]:
    """All measurements of the run's present weights, of each the newest.

    Raises RunError or EvaluationError when a file is damaged.
    """
    fingerprint = weights.fingerprint(run)
    entries = [*run.evaluation(), *_cached(fingerprint)]
    return _merged(entry for entry in entries if entry["weights_fingerprint"] == fingerprint)


def save(run: Run, entries: list[Entry]) -> None:
    """Adds measurements to the run's evaluation.json; those of other weights are dropped."""
    path = run.path / "evaluation.json"
    fingerprint = weights.fingerprint(run)
    kept = [e for e in run.evaluation() if e["weights_fingerprint"] == fingerprint]
    runs.write_json(path, _merged([*kept, *entries]))


def save_to_cache(entries: list[Entry]) -> None:
    """Adds measurements of one run to the cache, whether it ships or not."""
    fingerprint = entries[0]["weights_fingerprint"]
    path = _cache_path(fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(path, _merged([*_cached(fingerprint), *entries]))


def _merged(entries) -> list[Entry]:
    """Of those that measure the same in the same way the one made last, in their order."""
    merged: dict[tuple, Entry] = {}
    for entry in entries:
        key = (
            entry["metric"],
            entry["features_fingerprint"],
            entry["samples"],
            entry["seed"],
            entry["real"]["fingerprint"],
        )
        if key not in merged or merged[key]["created"] <= entry["created"]:
            merged[key] = entry
    return list(merged.values())


def _cached(fingerprint: str) -> list[Entry]:
    path = _cache_path(fingerprint)
    if not path.exists():
        return []
    try:
        return shapes.parse(path.read_bytes(), list[shapes.Entry])
    except (ValueError, OSError) as error:
        raise EvaluationError(f"{path} is damaged; delete it and measure again.") from error


def _cache_path(weights_fingerprint: str) -> Path:
    return folders.cache() / "evaluation" / f"{weights_fingerprint}.json"
