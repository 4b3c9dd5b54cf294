"""Measurements of runs: the table, a computation to watch and stop, the nearest images."""

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
import torch
from filelock import Timeout
from torch import Tensor

from .. import data, evaluation, folders, pictures, weights
from ..data import Images
from ..errors import GenmodelsError
from ..evaluation import neighbours
from ..locks import Lock
from ..runs import Run
from . import shared
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
- **Distance to the nearest training image**: the median of samples over that of real pictures the
  model never saw. 0 would be copies; 1 and more, and it draws anew.
- **Floor**: the same measured on as many real training pictures in place of samples. No model can
  be expected to do better.
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


def progress_bar() -> Callable[[str, int, int], None]:
    """A bar that tells what is done, how far it is and how long it will take."""
    bar = st.progress(0.0, "Loading")
    clock = {"what": "", "since": 0.0}

    def progress(what: str, done: int, total: int) -> None:
        if what != clock["what"]:
            clock.update(what=what, since=time.monotonic())
        spent = time.monotonic() - clock["since"]
        left = f" · {duration(spent / done * (total - done))} left" if done else ""
        bar.progress(min(1.0, done / max(1, total)), f"{what}: {done:,} of {total:,}{left}")

    return progress


def compute(run: Run, kind: str, samples: int) -> None:
    """Measures a run into the cache, with progress; any press of a button stops it."""
    folders.check_writable(folders.cache())
    try:
        with Lock(folders.cache() / "evaluation.lock").acquire(blocking=False):
            st.button("Stop", icon=":material/stop:")
            entries = evaluation.evaluate(run, kind, samples=samples, progress=progress_bar())  # pyright: ignore[reportArgumentType]
            evaluation.save_to_cache(entries)
    except Timeout as error:
        raise GenmodelsError("another measurement is running; wait until it is over.") from error
    st.rerun()


COMPARED = 500
"""How many samples, and how many test images, are compared with all training images."""
_searching = threading.Lock()


class Nearest(NamedTuple):
    """What `find_nearest` found."""

    samples: pictures.Images
    """The first samples, uint8 [n, height, width, channels]."""
    training: pictures.Images
    """The training image nearest to each of them."""
    distances: list[float]
    """Of all samples that were compared."""
    real_distances: list[float]
    """Of as many test images."""


def find_nearest(run: Run, model: Any, by: str, seed: int, shown: int) -> Nearest | None:
    """The training images nearest to samples; None where the data set is not at hand.

    `by` is "pixels" or "features". The last result stays with the session.
    """
    without = "To see whether the model repeats its training images, they are needed."
    evaluation.features.check_known(run.recipe, "inception" if by == "pixels" else "classifier")
    train = shared.real_images(run.recipe, "train", without)
    if train is None:
        return None
    key = weights.fingerprint(run), by, seed
    kept = st.session_state.get("nearest")
    if kept and kept[0] == key:
        return kept[1]
    val = shared.real_images(run.recipe, "val")
    assert val is not None  # Both splits come together.
    slot = st.empty()
    with slot.container():
        progress = progress_bar()
    with _searching:
        # A data set may be stored class by class.
        order = torch.randperm(len(val), generator=torch.Generator().manual_seed(seed))[:COMPARED]
        samples = model.sample(COMPARED, seed)
        ours = search(samples, train, by, run.recipe.dataset, progress)
        real = data.to_float(val.pixels[order])
        theirs = search(real, train, by, run.recipe.dataset, progress)
    slot.empty()
    nearest = data.to_float(train.pixels[ours.indices[:shown]])
    result = Nearest(
        shared.as_pictures(samples[:shown]),
        shared.as_pictures(nearest),
        ours.distances.tolist(),
        theirs.distances.tolist(),
    )
    st.session_state["nearest"] = key, result
    return result


def search(
    images: Tensor, train: Images, by: str, dataset: str, progress: Callable[[str, int, int], None]
) -> neighbours.Neighbours:
    if by == "pixels":
        return neighbours.in_pixels(images, train, progress)
    extractor = evaluation.features.load("classifier", dataset)
    return neighbours.in_features(images, train, extractor, progress)
