"""Learning curves with the stored samples of each moment, and the same as a film."""

import re
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image, ImageDraw

from genmodels.data import formats
from genmodels.runs import Run
from genmodels.training import ablation
from genmodels.ui.widgets.curves import CurvesRun
from genmodels.ui.widgets.curves import curves as curves_widget

from . import figures, routes, settings_view, shared
from .shell import plain

Curves = list[tuple[Run, list[dict[str, Any]]]]

FILM_SIDE = 224
"""Pixels of each run's picture in the film."""
LONGEST_NAME = 100
"""Letters of a file's name, before its ending."""
ROWS = 4
MARGIN = 20


def show(curves: Curves) -> None:
    """A quantity to choose, its chart, and the stored samples of the moment under the cursor."""
    names = figures.quantities([line for _, metrics in curves for line in metrics])
    if not names:
        shared.empty("These runs have no learning curves. Choose others.")
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
    reason = figures.not_logarithmic(curves, quantity)
    log = right.toggle(
        "Logarithmic",
        key="log",
        bind="query-params",
        disabled=bool(reason),
        help=plain(reason) or None,
    )
    if reason and log:  # Switched on for another quantity, or in the address.
        st.info(plain(reason), icon=":material/info:")
    log = log and not reason
    measured = [each for each in curves if any(quantity in line for line in each[1])]
    without = [plain(run.title) for run, lines in curves if (run, lines) not in measured]
    if without:
        title = figures.TITLES.get(quantity, quantity).partition(",")[0]
        st.caption(f"{plain(title)}: not measured for {', '.join(without)}.")
    name = file_name(*(run.id for run, _ in curves))
    curves_widget(
        figure=figures.learning_curves(curves, quantity),
        runs=[with_samples(run, metrics, routes.sample_urls(run)) for run, metrics in curves],
        label=f"{figures.TITLES.get(quantity, quantity)} over the epochs",
        plotly=routes.plotly_url(),
        key="curves",
        log=log,
        name=file_name(*(run.id for run, _ in measured), quantity, *(["log"] if log else [])),
    )
    files: list[Any] = [("CSV", f"{name}-curves.csv", csv(curves))]
    if any(run.samples() for run, _ in curves):
        files.append(("Film as GIF", f"{name}.gif", lambda: formats.gif(film(curves), 0.4)))
    shared.downloads(*files)


def file_name(*parts: str) -> str:
    """What a download is of, as a name that file systems take."""
    name = "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", part) for part in parts)
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}-etc"


def csv(curves: Curves) -> bytes:
    """A row for each epoch and split of each run, with the run's settings as columns."""
    rows = []
    for run, metrics in curves:
        # A title is what somebody typed: none shall be a formula in a spreadsheet.
        title = f"'{run.title}" if run.title[:1] in ("=", "+", "-", "@") else run.title
        # A GAN's setting "loss" is another thing than a VAE's loss.
        settings = {f"setting_{key}": value for key, value in settings_view.of(run).items()}
        rows += [{"run": run.id, "title": title, **line, **settings} for line in metrics]
    frame = pd.DataFrame(rows)
    # Of a run that has no such number the cell is empty, and the others stay whole.
    kinds = {name: {type(row.get(name)) for row in rows} - {type(None)} for name in frame}
    whole = [name for name, found in kinds.items() if found == {int}]
    return frame.astype(dict.fromkeys(whole, "Int64")).to_csv(index=False).encode()


def ablations() -> None:
    """What each change contributes: the steps from a baseline recipe to the improved one."""
    ladders = {name: steps for name in ablation.LADDERS if (steps := ablation.kept(name))}
    if not ladders:
        return
    st.subheader("What each change contributes", anchor=False)
    name = st.segmented_control(
        "From the report's", list(ladders), default=next(iter(ladders)), required=True, key="ladder"
    )
    steps = ladders[name]
    epochs = steps[0].recipe.epochs
    st.markdown(
        f"Each step adds one means to the step before and is trained for "
        f"{epochs} epoch{'s' * (epochs != 1)}. Below "
        "each: the distance of 10,000 samples from real pictures on our classifier's features "
        "(lower is better), precision (are they like real ones?) and recall (are all kinds "
        "there?)."
    )
    for number, (column, run) in enumerate(zip(st.columns(len(steps)), steps, strict=True)):
        picture = shared.last_picture(run)
        with column:
            if picture:
                st.image(picture, width="stretch", alt=f"Samples of step {number}: {run.title}")
            st.markdown(f"{'+ ' if number else ''}**{plain(run.title)}**")
            st.caption("  \n".join(_measured(run)))


def _measured(run: Run) -> list[str]:
    lines = []
    for metric, word in (("frechet", "distance"), ("precision", "precision"), ("recall", "recall")):
        value = ablation.measured(run, metric)
        lines.append(f"{word} " + ("not computed" if value is None else f"{value:.3g}"))
    return lines


def with_samples(run: Run, metrics: list[dict[str, Any]], urls: dict[int, str]) -> CurvesRun:
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
    picture = shared.stored_picture(path, run.recipe.shape)
    corner = picture.crop((0, 0, ROWS * width, ROWS * height)).convert("RGB")
    return corner.resize((FILM_SIDE, FILM_SIDE), Image.Resampling.BILINEAR)


def _images_per_epoch(metrics: list[dict[str, Any]]) -> float:
    return max((line["images_seen"] / max(1, line["epoch"]) for line in metrics), default=0) or 1
