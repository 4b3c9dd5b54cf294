"""Measurements of runs: the table, a computation to watch and stop, the nearest images."""

from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from genmodels import evaluation, runs
from genmodels.data import datasets, formats, image_tensors
from genmodels.data.image_tensors import Images
from genmodels.errors import GenmodelsError
from genmodels.evaluation import neighbours
from genmodels.runs import Run

from . import shared, work
from .shell import duration, plain

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
        try:
            entries = evaluation.results(run)
        except GenmodelsError as error:  # Spoils no other run.
            rows.append({"run": run.id, "note": str(error)})
            continue
        if not any(entry["features"] == "inception" for entry in entries):
            rows.append({"run": run.id, "metric": "FID", "note": NOT_COMPUTED})
        rows += [row(run, entry) for entry in entries]
    rows += [{**row, "note": "quoted from the report"} for row in QUOTED]
    columns = ["run", "metric", "note", "value", "error", "samples", "floor"]
    columns += ["seed", "features", "real", "created"]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = dict.fromkeys(("value", "error", "floor"), float)
    return frame.astype(numbers | {"samples": "Int64", "seed": "Int64"})


def row(run: Run, entry: evaluation.Entry) -> dict[str, Any]:
    """A measurement as a row of the table, with all that it depends on."""
    same = {name: entry[name] for name in ("value", "error", "samples", "seed", "features")}
    real = " ".join(str(entry["real"].get(name, "")) for name in ("dataset", "split"))
    return {
        "run": run.id,
        "metric": entry["title"],
        "note": "",
        **same,
        "floor": entry["floor"]["value"],
        "real": real.strip(),
        "created": entry["created"],
    }


class Measured(NamedTuple):
    """What `measure` found."""

    run: Run
    entries: list[evaluation.Entry]
    trouble: str
    """Why it could not be stored; empty when it was."""


IMAGES_PER_SECOND = {"inception": 20, "mnist": 500, "imagenette": 75}
"""How many images two free CPU cores turn into features, roughly; of a classifier by its data
set."""


def estimate(run: Run, kind: str, samples: int) -> str:
    """How long measuring takes, in a sentence; empty where the run records no images."""
    origins = run.info["data"] or {}
    if not {"train", "val"} <= origins.keys():
        return ""
    train, val = (origins[split]["images"] for split in ("train", "val"))
    rate = IMAGES_PER_SECOND[kind if kind == "inception" else run.recipe.dataset]
    # The samples, the held-out images, as many training images as samples, and all of those.
    images = samples + val + min(samples, train) + train
    return (
        f"Takes roughly **{duration(images / rate)}** on two free CPU cores, and roughly "
        f"{duration(samples / rate)} once the features of these real images are stored. While it "
        "runs, you see the time left on this machine. You can leave this page meanwhile."
    )


def start_measuring() -> None:
    """Begins to measure the chosen model into the cache. A callback, which asks what is chosen now:
    a press may come before the page has been drawn down to the button."""
    if is_measuring():
        return
    run = runs.find(st.session_state["model"])
    kind, samples = st.session_state["features"], st.session_state["samples"]

    def do(progress: work.Progress) -> Measured:
        entries = evaluation.evaluate(run, kind, samples=samples, progress=progress)  # pyright: ignore[reportArgumentType]
        try:
            evaluation.save_to_cache(entries)
        except OSError as error:  # It was writable before the work.
            return Measured(run, entries, error.strerror or str(error))
        return Measured(run, entries, "")

    work.start("measure", f"Measuring {run.id}", do, long=True)


def is_measuring() -> bool:
    """Whether this visitor's measurement is under way."""
    task = work.find("measure")
    return task is not None and not task.over.is_set()


def show_measuring() -> None:
    """The visitor's measurement while it runs, and what became of it. Raises its mistake."""
    task = work.find("measure")
    if task is None or not work.watch(task):
        return
    found: Measured | None = task.result()
    if found is None:
        st.info(f"Stopped: {plain(task.about)}.", icon=":material/stop_circle:")
    elif found.trouble:
        st.warning(
            plain(
                f"{found.run.id} is measured, but the values could not be stored "
                f"({found.trouble}). Download them, or make room in the cache and measure again."
            ),
            icon=":material/save:",
        )
        frame = pd.DataFrame([row(found.run, entry) for entry in found.entries])
        st.dataframe(frame, hide_index=True)
        name = f"{found.run.id}-{found.entries[0]['samples']}-samples-evaluation.csv"
        shared.downloads(("These values as CSV", name, frame.to_csv(index=False).encode()))
    else:
        st.success(plain(f"{found.run.id} is measured."), icon=":material/check:")


COMPARED = 500
"""How many samples, and how many test images, are compared with all training images."""
_found: dict[tuple, "Nearest"] = {}
"""The last searches of all sessions, by model, features and seed."""


class Nearest(NamedTuple):
    """What `find_nearest` found."""

    samples: formats.Images
    """The first samples, uint8 [n, height, width, channels]."""
    training: formats.Images
    """The training image nearest to each of them."""
    distances: list[float]
    """Of all samples that were compared."""
    real_distances: list[float]
    """Of as many test images."""


def find_nearest(run: Run, model: Any, by: str, seed: int, shown: int) -> Nearest | None:
    """The training images nearest to samples, of those that the run learnt from; None where the
    data set is not at hand, or until they are found.

    `by` is "pixels" or "features".
    """
    without = "To see whether the model repeats its training images, they are needed."
    evaluation.features.check_known(run.recipe, "inception" if by == "pixels" else "classifier")
    train = shared.real_images(run.recipe, "train", without)
    if train is None:
        return None
    val = shared.real_images(run.recipe, "val")
    assert val is not None  # Both splits come together.
    key = runs.fingerprint(run), by, seed

    def do(progress: work.Progress) -> Nearest:
        learnt = train if run.recipe.train_limit is None else datasets.learnt_from(run)
        return search(run, model, learnt, val, by=by, seed=seed, shown=shown, progress=progress)

    about = f"Nearest training images of {run.id}"
    return work.run_once(_found, "nearest", key, about, do)


def search(
    run: Run,
    model: Any,
    train: Images,
    val: Images,
    *,
    by: str,
    seed: int,
    shown: int,
    progress: work.Progress,
) -> Nearest:
    """Compares samples, and as many held-out images, with training images."""
    if by == "features":
        evaluation.cache.check_writable()
    parts = []
    for latents in model.sample_latents(COMPARED, seed).split(100):
        progress("Samples", sum(map(len, parts)), COMPARED)
        with torch.inference_mode():
            parts.append(model.decode(latents).cpu())
    samples = torch.cat(parts)
    # A data set may be stored class by class.
    order = torch.randperm(len(val), generator=torch.Generator().manual_seed(seed))[:COMPARED]

    def compare(images: Tensor) -> neighbours.Neighbours:
        if by == "pixels":
            return neighbours.in_pixels(images, train, progress)
        extractor = evaluation.features.load("classifier", run.recipe.dataset)
        return neighbours.in_features(images, train, extractor, progress)

    ours, theirs = compare(samples), compare(image_tensors.to_float(val.pixels[order]))
    return Nearest(
        shared.as_pictures(samples[:shown]),
        shared.as_pictures(image_tensors.to_float(train.pixels[ours.indices[:shown]])),
        ours.distances.tolist(),
        theirs.distances.tolist(),
    )
