"""Measurements of runs: the table, and a computation to watch and stop."""

import time

import pandas as pd
import streamlit as st
from filelock import FileLock, Timeout

from .. import evaluation, folders
from ..errors import GenmodelsError
from ..runs import Run
from .training_view import duration

NOT_COMPUTED = "not computed yet"

# What the report printed of its own models. Its sample counts are not known.
QUOTED = [
    {"run": "the report's VAE, Imagenette test set", "metric": "FID", "value": 330.25},
    {"run": "the report's GAN, Imagenette (about)", "metric": "FID", "value": 230.0},
]

MEANINGS = """
- **Fréchet distance**: a network turns every picture into features; two Gaussians are laid over
  the features of samples and of real pictures, and their distance is measured. 0 is the same;
  less is better. It is called **FID** when the network is Inception. Few samples make it larger,
  so values compare only at equal numbers of samples.
- **Kernel distance** (KID on Inception): the same question without Gaussians and without that
  bias; its error is the standard error over subsets.
- **Precision**: the share of samples that lie among real pictures; low means poor pictures.
  **Recall**: the share of real pictures that lie among samples; low means little variety.
- **Floor**: the same measured on as many real training pictures in place of samples. No model can
  be expected below it.
"""


def table(shown: list[Run]) -> pd.DataFrame:
    """A row per run and metric, those not computed as such, and the report's own."""
    rows = []
    for run in shown:
        entries = evaluation.results(run)
        if not any(entry["features"] == "inception" for entry in entries):
            rows.append({"run": run.id, "metric": "FID", "note": NOT_COMPUTED})
        for entry in entries:
            rows.append(
                {
                    "run": run.id,
                    "metric": entry["title"],
                    "value": entry["value"],
                    "error": entry["error"],
                    "samples": entry["samples"],
                    "floor": entry["floor"]["value"],
                    "note": "",
                }
            )
    rows += [{**row, "note": "quoted from the report"} for row in QUOTED]
    columns = ["run", "metric", "note", "value", "error", "samples", "floor"]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = dict.fromkeys(("value", "error", "floor"), float)
    return frame.astype(numbers | {"samples": "Int64"})


def compute(run: Run, kind: str, samples: int) -> None:
    """Measures a run into the cache, with progress; any press of a button stops it."""
    folders.cache().mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folders.cache() / "evaluation.lock", blocking=False):
            st.button("Stop", icon=":material/stop:")
            bar = st.progress(0.0, "Loading")
            clock = {"what": "", "since": 0.0}

            def progress(what: str, done: int, total: int) -> None:
                if what != clock["what"]:
                    clock.update(what=what, since=time.monotonic())
                spent = time.monotonic() - clock["since"]
                left = f" · {duration(spent / done * (total - done))} left" if done else ""
                bar.progress(min(1.0, done / max(1, total)), f"{what}: {done:,} of {total:,}{left}")

            entries = evaluation.evaluate(run, kind, samples=samples, progress=progress)  # pyright: ignore[reportArgumentType]
            evaluation.save_to_cache(entries)
    except Timeout as error:
        raise GenmodelsError("another measurement is running; wait until it is over.") from error
    st.rerun()
