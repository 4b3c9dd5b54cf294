"""The choice of a latent, kept in the address: a seed, a class mean, a real picture, or itself."""

from typing import Any

import streamlit as st
import torch
from torch import Tensor

from .. import data, latent, posteriors
from ..latent import LatentError
from ..runs import Run
from . import shared, shell

RANDOM, CLASS, IMAGE, KEPT = "Random", "Class mean", "Test image", "Kept"


def keep_buttons(chosen: Tensor) -> None:
    """Buttons that make a latent [latent_dim] the A or the B of all pages, and a way there."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for end in "ab":
            label = f"Keep as {end.upper()}"
            # A callback: on some pages the widgets of A and B are drawn already.
            st.button(label, key=f"keep-{end}", on_click=_keep, args=(end, latent.to_text(chosen)))
        st.page_link(shell.page("interpolate"), label="Walk from A to B", icon=":material/east:")


def _keep(end: str, text: str) -> None:
    st.session_state[f"{end}_from"] = KEPT
    st.session_state[f"{end}_latent"] = text
    st.toast(f"Kept as {end.upper()}.", icon=":material/check:")


def choose_latent(run: Run, model: Any, end: str, *, seed: int, class_index: int) -> Tensor:
    """Widgets for one end ("a" or "b") of a walk; its latent [latent_dim].

    Raises LatentError where the choice of a shared link cannot be had here.
    """
    means = posteriors.class_means(run, model)
    ways = [RANDOM]
    if means:
        ways.append(CLASS)
    if hasattr(model, "encode"):
        ways.append(IMAGE)
    # Of the address, as long as the widget below was not drawn.
    kept = st.session_state.get(f"{end}_latent") or st.query_params.get(f"{end}_latent")
    if kept:
        ways.append(KEPT)
    if st.session_state.get(f"{end}_from") not in ways:
        st.session_state.pop(f"{end}_from", None)
    way = st.segmented_control(
        f"Where {end.upper()} comes from",
        ways,
        default=CLASS if means else RANDOM,
        required=True,
        key=f"{end}_from",
        bind="query-params",
    )
    if way == CLASS:
        return torch.tensor(_class_mean(run, means, end, class_index))
    if way == IMAGE:
        return _test_image(run, model, end)
    if way == KEPT:
        text = st.text_input(
            "Kept latent",
            key=f"{end}_latent",
            bind="query-params",
            help="The latent itself as text: copy it to keep it, paste another one here.",
        )
        return latent.from_text(text, model.latent_dim)
    return _random(run, model, end, seed)


def _random(run: Run, model: Any, end: str, seed: int) -> Tensor:
    label = shared.choose_class(run, f"{end}_label")
    columns = st.columns(3)
    seed = columns[0].number_input(
        "Seed", 0, 2**31 - 1, seed, key=f"{end}_seed", bind="query-params"
    )
    picture = columns[1].number_input(
        "Picture", 1, 256, 1, key=f"{end}_picture", bind="query-params", help="Its place in Sample."
    )
    spread = columns[2].number_input(
        "Spread", 0.0, 2.0, 1.0, 0.05, key=f"{end}_spread", bind="query-params"
    )
    return model.sample_latents(picture, seed, spread, label)[-1]


def _class_mean(run: Run, means: dict[str, list[float]], end: str, index: int) -> list[float]:
    names = list(means)
    if st.session_state.get(f"{end}_class") not in names:
        st.session_state.pop(f"{end}_class", None)
    name = st.selectbox(
        "Class",
        names,
        min(index, len(names) - 1),
        key=f"{end}_class",
        bind="query-params",
        help="The mean of the posteriors of all training images of the class; of a GAN, that of "
        "the latents it draws for the class.",
    )
    return means[name]


def _test_image(run: Run, model: Any, end: str) -> Tensor:
    number = st.number_input(
        "Number of the test image", 0, 9_999, 0, key=f"{end}_image", bind="query-params"
    )
    images = shared.real_images(run.recipe)
    if images is None:
        raise LatentError(
            "a test image needs the pictures the run learnt from; choose another start."
        )
    if number >= len(images):
        raise LatentError(f"there are {len(images):,} test images; choose a smaller number.")
    with torch.inference_mode():
        mean, _ = model.encode(data.to_float(images.pixels[number : number + 1]))
    return mean[0]
