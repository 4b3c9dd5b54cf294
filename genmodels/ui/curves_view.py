"""Learning curves with the stored samples of each moment, and the same as a film."""

from typing import Any

import streamlit as st
from PIL import Image, ImageDraw

from .. import figures, pictures
from ..runs import Run
from . import components, routes, shared

Curves = list[tuple[Run, list[dict[str, Any]]]]

FILM_SIDE = 224
"""Pixels of each run's picture in the film."""
ROWS = 4
MARGIN = 20


def show(curves: Curves) -> None:
    """A quantity to choose, its chart, and the stored samples of the moment under the cursor."""
    names = figures.quantities([line for _, metrics in curves for line in metrics])
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    if st.session_state.get("quantity") not in names:
        st.session_state.pop("quantity", None)
    quantity = left.selectbox(
        "Quantity",
        names,
        key="quantity",
        bind="query-params",
        help="Train is the mean over an epoch while it learns, val is measured after it.",
    )
    log = right.toggle("Logarithmic", key="log", bind="query-params")
    components.curves(
        figure=figures.learning_curves(curves, quantity),
        runs=[with_samples(run, metrics, routes.sample_urls(run)) for run, metrics in curves],
        label=f"{figures.TITLES.get(quantity, quantity)} over the epochs",
        key="curves",
        log=log,
    )
    if any(run.samples() for run, _ in curves):
        name = "-".join(run.id for run, _ in curves)
        shared.downloads(("Film as GIF", f"{name}.gif", lambda: pictures.gif(film(curves), 0.4)))


def with_samples(
    run: Run, metrics: list[dict[str, Any]], urls: dict[int, str]
) -> components.CurvesRun:
    """A run below the curves; `urls` are its stored samples' by the number of images seen."""
    per_epoch = _images_per_epoch(metrics)
    stops = [[seen, seen / per_epoch, url] for seen, url in urls.items()]
    return {"id": run.id, "title": run.title, "shape": run.recipe.shape, "stops": stops}


def film(curves: Curves) -> list[Image.Image]:
    """The first 16 stored samples of every run, side by side, at every moment that one stored."""
    stored = [
        {seen / _images_per_epoch(metrics): path for seen, path in run.samples().items()}
        for run, metrics in curves
    ]
    frames = []
    for epoch in sorted({epoch for moments in stored for epoch in moments}):
        size = (len(curves) * (FILM_SIDE + MARGIN) - MARGIN, FILM_SIDE + MARGIN)
        frame = Image.new("RGB", size, "white")
        words = "untrained" if epoch == 0 else f"epoch {epoch:.3g}"
        for place, ((run, _), moments) in enumerate(zip(curves, stored, strict=True)):
            left = place * (FILM_SIDE + MARGIN)
            ImageDraw.Draw(frame).text((left, 3), f"{run.id}, {words}", "black", font_size=12)
            begun = [moment for moment in moments if moment <= epoch]
            if begun:
                frame.paste(_corner(moments[max(begun)], run), (left, MARGIN))
        frames.append(frame)
    return frames


def _corner(path: Any, run: Run) -> Image.Image:
    _, height, width = run.recipe.shape
    with Image.open(path) as picture:
        corner = picture.crop((0, 0, ROWS * width, ROWS * height)).convert("RGB")
    return corner.resize((FILM_SIDE, FILM_SIDE), Image.Resampling.BILINEAR)


def _images_per_epoch(metrics: list[dict[str, Any]]) -> float:
    return max(line["images_seen"] / max(1, line["epoch"]) for line in metrics) or 1
