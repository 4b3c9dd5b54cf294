"""Every number of a latent as a slider."""

from functools import partial

import streamlit as st
import torch

from genmodels import figures, pictures
from genmodels.latent import Kept
from genmodels.ui import address, dimensions_view, shared
from genmodels.ui.endpoints import (
    choose_latents,
    file_name,
    fingerprint,
    in_file_name,
    keep_buttons,
    read,
)
from genmodels.ui.shell import PageEnd
from genmodels.ui.widgets.traversals import traversals

FEW = 12

shared.heading(
    "Dimensions",
    "A latent is a list of numbers. Each row changes one of them and leaves the others as they "
    "are: **move a handle** and see what this number stands for, if it stands for anything.",
)
left, right = st.columns(2, gap="large")
with left:
    run = shared.choose_run()
model = shared.model_of(run)
[start] = choose_latents(run, model, {"a": right.container(border=True)}, {"a": (0, 2)})

# A latent of the address counts until another start is chosen.
origin = Kept.of(run, start).text
if address.asks("z"):
    st.session_state["dimensions-origin"] = origin
if st.session_state.setdefault("dimensions-origin", origin) != origin:
    st.session_state.update({"dimensions-origin": origin, "z": ""})


def move(numbers: list[float]) -> None:
    st.session_state["z"] = Kept.of(run, torch.tensor(numbers)).text


with left:
    columns = st.columns([1, 2])
    most: int = model.latent_dim
    if st.session_state.get("rows", 1) > most:  # Chosen for a model with more.
        st.session_state.pop("rows")
    count = columns[0].number_input(
        "Rows", 1, most, min(FEW, most), key="rows", bind="query-params", help=f"Of {most}."
    )
    text = columns[1].text_input(
        "Changed latent",
        key="z",
        bind="query-params",
        help="The latent as text once a handle has moved; paste another one, or empty it.",
    )
current = read(text, run, "z")[0] if text else start

with st.container(horizontal=True):
    st.button(
        "Reset",
        icon=":material/undo:",
        disabled=not text,
        on_click=st.session_state.update,
        kwargs={"z": ""},
    )
    keep_buttons(run, current)

carried = dimensions_view.carried(run, model)
if carried is None:
    raise PageEnd
dimensions = carried.order[:count]
with st.spinner("Decoding", show_time=True):
    rows = dimensions_view.rows(run, model, current, dimensions)
    with torch.inference_mode():
        picture = shared.as_pictures(model.decode(current[None]))[0]
note = dimensions_view.note(carried)
traversals(
    rows=[
        dimensions_view.traversal(row, current, dimension, carried)
        for row, dimension in zip(rows, dimensions, strict=True)
    ],
    latent=current.tolist(),
    picture=pictures.to_pil(picture),
    label=f"{run.title}: the latent as it is",
    note=note,
    on_move=move,
    key=f"traversals-{run.id}",
)
st.subheader("What each dimension carries", anchor=False)
st.markdown(f"{carried.explanation} {note}")
values = carried.values[carried.order].tolist()
names = [dimensions_view.name_of(dimension) for dimension in carried.order]
title = "KL, nats" if carried.quantity == "kl" else "Change of the picture"
span = f"from {values[0]:.3g} ({names[0]}) to {values[-1]:.3g} ({names[-1]})"
st.plotly_chart(
    figures.dimensions(names, values, carried.dead[carried.order].tolist(), title),
    alt=f"{title} of {most} dimensions, {span}",
)
of = f"changed {fingerprint(text)}" if text else in_file_name("a")
name = file_name(run, "dimensions", of)
shared.downloads(
    (
        "Picture as PNG",
        file_name(run, "picture", of) + ".png",
        lambda: pictures.png(shared.crisp(picture)),
    ),
    (
        "Rows as PNG",
        f"{name}-{count}-rows.png",
        lambda: pictures.png(dimensions_view.sheet(rows, dimensions)),
    ),
    (f"{names[0]} as GIF", f"{name}-{names[0]}.gif", lambda: dimensions_view.film(rows[0])),
    ("Numbers as CSV", f"{name}.csv", partial(dimensions_view.table, current, carried)),
)
