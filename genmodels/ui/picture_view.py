"""One picture through a model: where it comes from, its latent, and what comes back of it."""

import hashlib
import math
from collections import Counter
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from .. import (
    data,
    figures,
    inputs,
    inversion,
    latent,
    objectives,
    own_pictures,
    pictures,
    posteriors,
    weights,
)
from ..data import Images
from ..errors import DataError
from ..recipes import DATASETS
from ..runs import Run
from . import endpoints, shared, work
from .shell import PageEnd, plain
from .widgets.drawing import drawing
from .widgets.player import player

DRAW, UPLOAD, TEST = "Draw", "Upload", "Test image"
WIDTH = 196
"""Of the pictures on the page."""
FILM = 252
COMPARED = 500
"""Pictures of each kind that the discriminator judges."""
NEAREST = 10
RESULT = "result"
"""What is below this key, or one that begins so, the browser dims while a file is on its way: see
page.js."""
ASKED = "search asked for"
"""In the session: a search is to begin."""
LEAST = 3
"""Fewer posterior means span no plane."""
WITHOUT = "Without it you can still upload a picture."


class Chosen(NamedTuple):
    """The picture the page is about."""

    image: Tensor
    """[channels, height, width] in [0, 1]"""
    name: str
    number: int | None
    """Its place among the held-out images, where it is one of them."""
    held_out: Images | None
    """All of those, where they are open already."""


def choose_picture(run: Run) -> Chosen:
    """Widgets to draw, upload or pick a picture, and what the model sees of it.

    Raises InputError where there is no picture yet.
    """
    grey = run.recipe.shape == DATASETS["mnist"].shape
    ways = [DRAW, UPLOAD, TEST] if grey else [UPLOAD, TEST]
    if st.session_state.get("source") not in ways:
        st.session_state.pop("source", None)
    way = st.segmented_control(
        "Where the picture comes from",
        ways,
        default=ways[0],
        required=True,
        key="source",
        bind="query-params",
    )
    if way == TEST:
        return _test_image(run)
    image = _draw() if way == DRAW else _upload(run)
    name = "drawing" if way == DRAW else "upload"
    return Chosen(torch.from_numpy(image), name, None, None)


def _draw() -> inputs.Floats:
    strokes = drawing(label="Draw a digit", size=inputs.CANVAS, pen=inputs.PEN, key="drawing")
    st.caption("Without a mouse, finger or pen: take a test image or upload a picture.")
    if not strokes:
        shared.empty("Draw a digit first.")
    return inputs.like_mnist(inputs.drawn(strokes))


def _upload(run: Run) -> inputs.Floats:
    height, width = run.recipe.shape[1:]
    file = st.file_uploader(
        "Picture", key="upload", max_upload_size=inputs.BYTES // inputs.MB, width=448
    )
    digits = run.recipe.dataset == "mnist" and run.recipe.pictures is None
    st.caption(
        f"{', '.join(own_pictures.FORMATS)}, {inputs.BYTES // inputs.MB} MB at most. It stays in "
        "this session. "
        + (
            "Its ink is cut out, made white on black and centred as MNIST's digits were: "
            "dark on bright paper works too."
            if digits
            else f"It is resized and cropped to the middle {width}×{height}."
        )
    )
    if file is None:
        # Also while a file takes another's place, which the browser then says here.
        with st.container(key=f"{RESULT}-empty"):
            shared.empty("Choose a picture first.")
    return _prepared(file.getvalue(), run.recipe.shape, digits)


@st.cache_data(max_entries=32, show_spinner="Preparing the picture")
def _prepared(content: bytes, shape: tuple[int, int, int], digits: bool) -> inputs.Floats:
    picture = inputs.read(content)
    return inputs.digit(picture) if digits else inputs.fitted(picture, shape)


def _test_image(run: Run) -> Chosen:
    images = shared.real_images(run.recipe, without=WITHOUT)
    if images is None:
        raise PageEnd
    last = len(images) - 1
    if last < 0:
        raise DataError("no pictures were held out of this training; upload one.")
    if st.session_state.get("image", 0) > last:  # Chosen where there are more.
        st.session_state["image"] = last
    number = st.number_input(
        "Number of the test image", 0, last, 0, key="image", bind="query-params"
    )
    st.caption(f"The model never saw it: {plain(images.classes[images.labels[number]])}.")
    image = data.to_float(images.pixels[number])
    return Chosen(image, f"test-image-{number}", number, images)


def _held_out_variance(run: Run) -> float | None:
    """The variance of a Gaussian decoder: the one that fits the held-out images."""
    last = [line for line in run.metrics() if line["split"] == "val"][-1:]
    if getattr(run.recipe, "likelihood", "") != "gaussian" or not last:
        return None
    error = last[0]["reconstruction"]
    pixels = math.prod(run.recipe.shape)
    summed = error if getattr(run.recipe, "reduction", "sum") == "sum" else error * pixels
    return objectives.variance_behind(summed, pixels)


def show_reconstruction(run: Run, model: Any, chosen: Chosen) -> inversion.Posterior:
    """The picture, what the VAE makes of it, and where they differ."""
    found = inversion.posterior(model, chosen.image, variance=_held_out_variance(run))
    squared = (found.image - chosen.image).square()
    error, kl = squared.mean().item(), found.kl.sum().item()
    differing = squared.mean(0, keepdim=True)
    most = max(differing.max().item(), 1e-6)
    with st.container(horizontal=True):
        _show(chosen.image, "As the model sees it")
        _show(found.image, "Reconstruction")
        _show(differing / most, f"Squared error: white is {most:.2f}")
    st.markdown(
        f"Mean squared error **{error:.4f}**, pixels from 0 to 1. Reconstruction error "
        f"**{found.reconstruction:.1f}** nats, mean over {inversion.DRAWS} draws from the "
        f"posterior; KL **{kl:.1f}** nats; together −ELBO **{found.reconstruction + kl:.1f}** nats."
    )
    density = "; a density may be above 1, and its nats are below 0 then"
    st.caption(
        f"Of all held-out pictures, at the end of the training: {shared.losses_in_words(run)}"
        + (density if model.likelihood == "gaussian" else "")
    )
    endpoints.keep_buttons(run, found.mean)
    rows = zip(found.mean.tolist(), found.log_variance.tolist(), found.kl.tolist(), strict=True)
    lines = ["model,picture,dimension,mean,standard_deviation,kl_nats"] + [
        f"{run.id},{chosen.name},{place},{mean:.6g},{np.exp(log_variance / 2):.6g},{nats:.6g}"
        for place, (mean, log_variance, nats) in enumerate(rows, 1)
    ]
    name = f"{run.id}-{chosen.name}"
    shared.downloads(
        ("Picture", f"{name}.png", _png(chosen.image)),
        ("Reconstruction", f"{name}-reconstruction.png", _png(found.image)),
        ("Posterior as CSV", f"{name}-posterior.csv", "\n".join(lines).encode()),
    )
    return found


def show_posterior(found: inversion.Posterior) -> None:
    """Every number of the latent: mean and standard deviation."""
    deviation = (found.log_variance / 2).exp()
    wide = int((found.kl < 0.1).sum())
    st.plotly_chart(
        figures.posterior(found.mean.tolist(), deviation.tolist()),
        key="posterior",
        alt=f"Posterior means from {found.mean.min():.1f} to {found.mean.max():.1f}, standard "
        f"deviations from {deviation.min():.2f} to {deviation.max():.2f}",
    )
    st.caption(
        f"{len(deviation) - wide} of {len(deviation)} numbers tell at least 0.1 nats about this "
        "picture."
    )


def show_place(run: Run, found: Tensor, chosen: Chosen) -> None:
    """Where a latent lies among those of held-out images, on their principal plane."""
    stored = posteriors.stored(run)
    if stored is None:
        return
    # Not to find itself.
    others = torch.tensor([number != chosen.number for number in stored.images])
    means, labels = stored.means[others], torch.tensor(stored.labels)[others]
    if len(means) < LEAST:
        st.caption("The model has too few held-out pictures to show where their latents lie.")
        return
    names = stored.classes
    order = (means - found).norm(dim=1).argsort()[:NEAREST]
    counts = Counter(labels[order].tolist()).most_common()
    words = ", ".join(f"**{plain(names[label])}** ({count})" for label, count in counts)
    present = len(labels.unique())
    some = f", of {present} of the {len(names)} classes" if present < len(names) else ""
    plane = latent.principal_plane(means)
    points = plane.points(means)
    x, y = plane.points(found[None])[0].tolist()
    st.markdown(
        f"Among {len(means):,} test images{some}, the {len(order)} with the nearest latents are: "
        f"{words}. The plane shows two of the {len(found)} dimensions."
    )
    st.plotly_chart(
        figures.plane(points.numpy(), labels.tolist(), names, ("your picture", x, y)),
        key="place",
        alt=f"Posterior means of test images by class, your picture as a star at {x:.1f}, {y:.1f}",
    )


def show_inversion(run: Run, model: Any, chosen: Chosen) -> None:
    """The search for a latent whose picture is this one: live, and afterwards as a film."""
    shown = st.container()  # Above what it is set by: on a phone the pictures come first.
    columns = st.columns(3, vertical_alignment="bottom")
    steps = columns[0].number_input("Steps", 10, 1000, 200, 10, key="steps", bind="query-params")
    seed = columns[1].number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params")
    columns[2].button(
        "Search",
        type="primary",
        icon=":material/search:",
        width="stretch",
        on_click=_ask_for_search,
    )
    digest = hashlib.sha256(chosen.image.numpy().tobytes()).hexdigest()
    key = weights.fingerprint(run), digest, seed, steps
    # Begun here, where the picture is known; forgotten last, so that no other press loses it.
    if ASKED in st.session_state:
        _search(run, model, chosen.image, Search(key, []))
        del st.session_state[ASKED]
    with shown:
        _show_search(run, chosen, key)
    st.markdown(
        "A VAE's encoder finds a latent in one step. **A GAN has no encoder**, so its latent is "
        "searched: from random ones, small changes that bring the picture closer, step by step "
        "([Creswell and Bharath 2018](https://arxiv.org/abs/1611.05644))."
    )


def _ask_for_search() -> None:
    st.session_state[ASKED] = True


class Search(NamedTuple):
    """What a search is for, and its steps so far: one that is stopped counts too."""

    key: tuple
    """The weights, the picture, the seed and the number of steps."""
    found: list[inversion.Step]


def _search(run: Run, model: Any, image: Tensor, search: Search) -> None:
    """Begins a search."""
    *_, seed, steps = search.key

    def do(progress: work.Progress) -> None:
        for step in inversion.invert(model, image, steps, seed):
            search.found.append(step)
            progress("Step", step.step, steps)

    work.start("inversion", f"Searching for a latent of {run.id}", do, key=search)


def _show_search(run: Run, chosen: Chosen, key: tuple) -> None:
    """The visitor's search for this picture: while it runs, or what it found."""
    task = work.find("inversion")
    search = task.key if task and task.key.key == key else None
    if task and search and not work.watch(task, partial(_show_steps, chosen.image, search)):
        return
    if not search or not search.found:
        with st.container(horizontal=True):
            _show(chosen.image, "As the model sees it")
        _downloads(run, chosen, None)
        return
    assert task is not None
    task.result()
    _film(run, chosen, search)


def _show_steps(image: Tensor, search: Search) -> None:
    found = search.found.copy()  # The search goes on meanwhile.
    with st.container(horizontal=True):
        _show(image, "Your picture")
        if found:
            _show(found[-1].image, f"Best so far: error {found[-1].error:.4f}")
    if found:
        st.plotly_chart(
            _curve(found),
            key="descending",
            alt=f"The error after {found[-1].step} steps: {found[-1].error:.4f}",
        )


def _curve(found: list[inversion.Step]) -> Any:
    return figures.descent([step.step for step in found], [step.error for step in found])


def _film(run: Run, chosen: Chosen, search: Search) -> None:
    found, steps = search.found, search.key[-1]
    best = found[-1]
    frames = shared.as_pictures(torch.stack([step.image for step in found]))
    left, right = st.columns(2)
    with left:
        player(
            sprite=pictures.sprite(frames),
            count=len(frames),
            height=frames.shape[1],
            width=frames.shape[2],
            label="The search",
            caption_start="random",
            caption_end="found",
            key="search",
            display_width=FILM,
            start=1.0,
        )
    with right:
        st.caption("Your picture")
        _show(chosen.image, "", FILM)
    stopped = f", stopped after {best.step} of {steps} steps" if best.step < steps else ""
    st.markdown(
        f"Mean squared error **{best.error:.4f}**, at first {found[0].error:.4f}{stopped}. What "
        "does not come back, this GAN cannot draw, or the search did not find."
    )
    endpoints.keep_buttons(run, best.latent)
    st.plotly_chart(
        _curve(found),
        key="descent",
        alt=f"The error falls from {found[0].error:.4f} to {best.error:.4f}",
    )
    _downloads(run, chosen, search)


def _downloads(run: Run, chosen: Chosen, search: Search | None) -> None:
    name = f"{run.id}-{chosen.name}"
    files: list = [("Picture", f"{name}.png", _png(chosen.image))]
    if search:
        found = search.found
        name += f"-seed-{search.key[-2]}-steps-{found[-1].step}"
        images = shared.as_pictures(torch.stack([step.image for step in found]))
        film = [shared.crisp(image) for image in images]
        files += [
            ("Found picture", f"{name}-found.png", _png(found[-1].image)),
            ("Search as GIF", f"{name}-search.gif", lambda: pictures.gif(film, 0.1)),
        ]
    shared.downloads(*files)


def show_opinion(run: Run, model: Any, chosen: Chosen) -> None:
    """D(x) of generated pictures, of real ones where they are at hand, and of this one."""
    without = "Without it this shows the discriminator's opinion of generated pictures alone."
    held_out = chosen.held_out or shared.real_images(run.recipe, without=without)
    mark = weights.fingerprint(run)
    fakes = _opinions(mark, None, model, None)
    groups = {"generated": fakes}
    words = f"Of {len(fakes)} generated pictures it holds **{_share(fakes)}** for real"
    if held_out is not None:
        real = _opinions(mark, held_out.fingerprint, model, held_out)
        groups["real test images"] = real
        words += f", of {len(real)} real test images **{_share(real)}**"
    with torch.inference_mode():
        own = model.discriminate(chosen.image[None]).item()
    title, meaning = shared.opinion_of(run)
    chart = figures.histograms(groups, title, ("your picture", own))
    chart.update_xaxes(range=[-0.01, 1.01])
    st.plotly_chart(
        chart,
        key="opinion",
        alt=f"D of generated pictures{' and of real ones' if held_out else ''}; yours is {own:.2f}",
    )
    st.markdown(
        f"{words} (D above ½). **Yours gets {own:.3f}**: it holds it for "
        f"**{'real' if own > 0.5 else 'generated'}**. {meaning} If the two heaps lay on each "
        "other, the generator would have won; if they lie apart, the discriminator tells them "
        "apart, and says little about pictures of another kind than it learnt from."
    )


@st.cache_data(max_entries=32, show_spinner="Asking the discriminator")
def _opinions(weights_are: str, images_are: str | None, _model: Any, _images: Images | None):
    """D(x) of test images, or (None) of generated ones."""
    with torch.inference_mode():
        if _images is None:
            shown = _model.sample_latents(COMPARED, seed=0)
            parts = [_model.decode(part) for part in shown.split(100)]
        else:
            # A data set may be stored class by class.
            order = torch.randperm(len(_images), generator=torch.Generator().manual_seed(0))
            chosen = _images.pixels[order[:COMPARED]]
            parts = [data.to_float(part) for part in chosen.split(100)]
        return torch.cat([_model.discriminate(part) for part in parts]).numpy()


def _share(opinions: np.ndarray) -> str:
    return f"{(opinions > 0.5).mean():.0%}"


def _show(image: Tensor, caption: str, width: int = WIDTH) -> None:
    picture = shared.crisp(shared.as_pictures(image[None])[0])
    # Not a file of Streamlit's: while a search goes on it is gone before a slow browser asks.
    picture = pictures.content_url(pictures.png(picture), "png")
    st.image(picture, caption, width=width, alt=caption or "Your picture")


def _png(image: Tensor) -> bytes:
    return pictures.png(pictures.to_pil(shared.as_pictures(image[None])[0]))
