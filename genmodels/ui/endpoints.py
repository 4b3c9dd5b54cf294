"""The choice of a latent, kept in the address: a seed, a class mean, a real picture, or itself."""

import re
import zlib
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from .. import data, latent, pictures, posteriors, runs, weights
from ..errors import GenmodelsError, RunError
from ..latent import Kept, LatentError
from ..runs import Run
from . import address, shared, shell

WALK = "Walk from A to B"
RANDOM, CLASS, IMAGE, KEPT = "Random", "Class mean", "Test image", "Kept"


def keep_buttons(run: Run, chosen: Tensor) -> None:
    """Buttons that make a latent [latent_dim] of a run the A or the B of all pages, what these are
    now, and a way there."""
    text = Kept.of(run, chosen).text
    for end in "ab":
        _recall(end)
    missing = [end.upper() for end in "ab" if not (address.is_bound(f"{end}_from") or _kept(end))]
    with st.container(horizontal=True, vertical_alignment="center"):
        for end in "ab":
            label = f"Keep as {end.upper()}"
            # A callback: on some pages the widgets of A and B are drawn already.
            st.button(label, key=f"keep-{end}", on_click=_keep, args=(end, text))
        if missing:
            # Not a grey link, which a screen reader would still take for a link.
            st.button(
                WALK,
                key="walk",
                type="tertiary",
                icon=":material/east:",
                disabled=True,
                help=f"Keep a picture as {' and another one as '.join(missing)} first.",
            )
        else:
            st.page_link(
                shell.page("interpolate"),
                label=WALK,
                icon=":material/east:",
                query_params={"model": run.id},
            )
        for end in "ab":
            _show_kept(end)


def _keep(end: str, text: str) -> None:
    st.session_state[f"{end}_from"] = KEPT
    st.session_state[f"{end}_latent"] = text
    st.toast(f"Kept as {end.upper()}.", icon=":material/check:")


def _kept(end: str) -> str:
    """What was kept as "a" or "b"; nothing where that was chosen in another way."""
    kept = st.session_state.get(f"{end}_from") == KEPT
    return st.session_state.get(f"{end}_latent", "") if kept else ""


def _recall(end: str) -> None:
    """Takes what was kept from the address, or puts it there.

    Where the page's own widgets choose the latent, these do it.
    """
    source, name = f"{end}_from", f"{end}_latent"
    if address.is_bound(source):
        return
    if address.came_back() or (name in st.query_params and name not in st.session_state):
        for key in (source, name):  # What the address says, as after a reload.
            st.session_state[key] = st.query_params.get(key, "")
    text = _kept(end)
    for key, value in ((source, KEPT if text else ""), (name, text)):
        address.put(key, value)


def _show_kept(end: str) -> None:
    """A small picture of what was kept as "a" or "b", and of which model it is."""
    text = _kept(end)
    if not text or address.is_bound(f"{end}_from"):
        return
    try:
        kept = Kept.read(text)
        run = runs.find(kept.run_id)
        picture = picture_of(run, shared.model_of(run), kept.z)
    except GenmodelsError:  # Chosen elsewhere, where it is said; this page is about another.
        return
    st.image(
        shared.crisp(picture, 56),
        caption=f"{end.upper()}: {run.id}",
        alt=f"The picture of {end.upper()}, of the model {run.id}",
    )


def picture_of(run: Run, model: Any, z: Tensor) -> pictures.Images:
    """What a latent [latent_dim] of a run decodes to: uint8 [height, width, channels]."""
    return _picture(weights.fingerprint(run), tuple(z.tolist()), model)


@st.cache_data(max_entries=256, show_spinner=False)
def _picture(fingerprint: str, numbers: tuple[float, ...], _model: Any) -> pictures.Images:
    with torch.inference_mode():
        return shared.as_pictures(_model.decode(torch.tensor([numbers])))[0]


def choose_latents(
    run: Run, model: Any, places: dict[str, Any], starts: dict[str, tuple[int, int]]
) -> list[Tensor]:
    """Widgets for the ends of a path ("a", "b", "c"), each in its place, and their pictures; the
    latents [latent_dim]. `starts` are the seed and the class that an end begins with.

    Where one cannot be had, says why in its place and ends the page once all were asked for.
    """
    chosen = []
    for end, place in places.items():
        seed, class_index = starts[end]
        with place, shell.mistakes_in_place():
            z, words = _choose_latent(run, model, end, seed, class_index)
            image = shared.crisp(picture_of(run, model, z), 96)
            name = end.upper()
            st.image(image, caption=shell.plain(f"{name}: {words}"), alt=f"The picture of {name}")
            chosen.append(z)
    if len(chosen) < len(places):
        raise shell.PageEnd
    return chosen


def _choose_latent(
    run: Run, model: Any, end: str, seed: int, class_index: int
) -> tuple[Tensor, str]:
    """The latent of one end, and what it is in words. Raises LatentError."""
    means = posteriors.class_means(run, model)
    ways = [RANDOM]
    if means:
        ways.append(CLASS)
    if hasattr(model, "encode"):
        ways.append(IMAGE)
    # Of the address, as long as the widget below was not drawn.
    kept = st.session_state.get(f"{end}_latent") or st.query_params.get(f"{end}_latent")
    asked = st.session_state.get(f"{end}_from"), st.query_params.get(f"{end}_from")
    if kept or KEPT in asked:
        ways.append(KEPT)
    words = f"This model has no {{}} for {end.upper()}. Choose another start."
    shared.drop_missing(f"{end}_from", ways, words)
    with st.container(key=f"{end}_from_group"):
        way = st.segmented_control(
            f"Where {end.upper()} comes from",
            ways,
            default=CLASS if means else RANDOM,
            required=True,
            key=f"{end}_from",
            bind="query-params",
            on_change=shared.forget_missing,
            args=(f"{end}_from",),
        )
        if way == CLASS:
            name = _class_mean(means, end, class_index)
            return torch.tensor(means[name]), f"mean of {name}"
        if way == IMAGE:
            return _test_image(run, model, end)
        if way == KEPT:
            text = st.text_input(
                "Kept latent",
                key=f"{end}_latent",
                bind="query-params",
                help="The latent itself as text: copy it to keep it, paste another one here.",
            )
            if not text:
                raise LatentError(
                    f"nothing is kept as {end.upper()} yet. Keep a picture on the Sample or Map "
                    f"page, or choose another start for {end.upper()}."
                )
            return read(text, run, end)
        return _random(run, model, end, seed)


def file_name(run: Run, *parts: str) -> str:
    """What a file is of, in its name: of which model and of what, without an ending."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", "-".join([run.id, *parts]))


def in_file_name(end: str) -> str:
    """What the widgets of an end chose, as a part of a file's name."""
    state = st.session_state
    way = state[f"{end}_from"]
    if way == CLASS:
        return f"{end} class {state[f'{end}_class']}"
    if way == IMAGE:
        return f"{end} test image {state[f'{end}_image']}"
    if way == KEPT:
        return f"{end} kept {fingerprint(state[f'{end}_latent'])}"
    seed, picture, spread = (state[f"{end}_{name}"] for name in ("seed", "picture", "spread"))
    label = f" class {chosen}" if (chosen := state.get(f"{end}_label")) else ""
    words = f"{end}{label} seed {seed} picture {picture}"
    return words if spread == 1 else f"{words} spread {spread:g}"


def fingerprint(text: str) -> str:
    """Tells one latent's text from another's, in a file's name."""
    return f"{zlib.crc32(text.encode()):08x}"


def read(text: str, run: Run, key: str) -> tuple[Tensor, str]:
    """A latent [latent_dim] of the run that the page shows, from a text, and what it is in words.

    Raises LatentError where it is of another model, and offers that one.
    """
    kept = Kept.read(text)
    if kept.run_id and kept.run_id != run.id:
        try:
            there = runs.find(kept.run_id)
        except RunError as error:
            raise LatentError(
                f"this latent belongs to the model {kept.run_id}, which isn't here (any more). "
                "Choose another latent."
            ) from error
        shared.offer_model(there, f"switch-{key}")
        raise LatentError(
            f"this latent belongs to the model {there.id}, and this page shows {run.id}, which "
            f"would make another picture of it. Switch to {there.id}, or choose another latent."
        )
    if kept.run_id and not weights.fingerprint(run).startswith(kept.fingerprint):
        st.warning(
            f"{run.id} has been trained further since this latent was kept, so its picture may "
            "have changed.",
            icon=":material/warning:",
        )
    latent_dim = getattr(run.recipe, "latent_dim", 0)
    z = latent.fitting(kept.z, latent_dim)
    return z, f"kept from {run.id}" if kept.run_id else "a latent from a link"


def is_sound(name: str, text: str) -> bool:
    """Whether a text could be used under `name`, as `a_from` or `a_latent`, on some page: a latent
    has to be one of a model that is here, or of one that it does not name."""
    if name.endswith("_from"):
        return text in (RANDOM, CLASS, IMAGE, KEPT)
    try:
        kept = Kept.read(text)
        if kept.run_id:
            runs.find(kept.run_id)
    except GenmodelsError:
        return False
    return True


def _random(run: Run, model: Any, end: str, seed: int) -> tuple[Tensor, str]:
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
    words = f"seed {seed}, picture {picture}"
    return model.sample_latents(picture, seed, spread, label)[-1], words


def _class_mean(means: dict[str, list[float]], end: str, index: int) -> str:
    names = list(means)
    shared.drop_missing(f"{end}_class", names, "This model has no class {}. Choose another one.")
    return st.selectbox(
        "Class",
        names,
        min(index, len(names) - 1),
        key=f"{end}_class",
        bind="query-params",
        on_change=shared.forget_missing,
        args=(f"{end}_class",),
        help="The mean of the posteriors of all training images of the class; of a GAN, that of "
        "the latents it draws for the class.",
    )


def _test_image(run: Run, model: Any, end: str) -> tuple[Tensor, str]:
    number = st.number_input(
        "Number of the test image", 0, 9_999, 0, key=f"{end}_image", bind="query-params"
    )
    # One offer to download them is enough.
    first = all(st.session_state.get(f"{other}_from") != IMAGE for other in "abc" if other < end)
    images = shared.real_images(run.recipe, offer=first)
    if images is None:
        raise LatentError(
            "a test image needs the pictures the run learnt from; choose another start."
        )
    if number >= len(images):
        raise LatentError(f"there are {len(images):,} test images; choose a smaller number.")
    with torch.inference_mode():
        mean, _ = model.encode(data.to_float(images.pixels[number : number + 1]))
    return mean[0], f"test image {number}"
