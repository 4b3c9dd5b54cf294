"""The latent space as a map: every place is a latent, and decodes to a picture."""

from functools import partial

import streamlit as st

from genmodels import figures, posteriors, tsne
from genmodels.latent import LatentError
from genmodels.posteriors import Stored
from genmodels.runs import Run
from genmodels.ui import address, endpoints, map_view, routes, shared, shell
from genmodels.ui.map_view import Map
from genmodels.ui.widgets.map import latent_map

TSNE = """
t-SNE lays points that are near to each other in the latent space near to each other on paper. It
is a picture to look at, no map: its places decode to nothing, and the **distances between
clusters, and their sizes, mean little**.
"""


def explain(shown: Map, stored: Stored | None) -> str:
    """What the map is, in a line or two."""
    if stored is None:
        return (
            "The plane through three latents of the prior, A, B and C. Beyond them it goes on to "
            "latents that the prior hardly ever draws."
        )
    points = f"The points are {len(shown.points):,} held-out images"
    if stored.means.shape[1] == 2:
        return f"This model has two latents: the map is exact, every place decodes. {points}."
    return (
        f"The latent space has {stored.means.shape[1]} dimensions. This is the plane through the "
        "mean of the posterior means along their first two principal components; it holds "
        f"**{shown.share:.0%}** of their variance. {points}, projected onto it: a point's own "
        "picture may differ from the place's."
    )


def choose_plane(run: Run, model, stored: Stored | None) -> tuple[Map | None, str]:
    """The map, None until it is made, and what tells it from other maps of the run."""
    if stored is not None:
        return map_view.of_posteriors(run, model, stored), run.id
    if hasattr(model, "encode"):
        st.info(
            "This run keeps no posterior means, so there are no points on its map: train it "
            "again to get some.",
            icon=":material/info:",
        )
    seeds = [
        column.number_input(f"Seed of {name}", 0, 2**31 - 1, seed, key=name, bind="query-params")
        for seed, (column, name) in enumerate(zip(st.columns(3), "ABC", strict=True))
    ]
    a, b, c = seeds
    return map_view.through_seeds(run, model, (a, b, c)), f"{run.id}-seeds-{a}-{b}-{c}"


def show_map(run: Run, stored: Stored | None) -> None:
    model = shared.model_of(run)
    shown, name = choose_plane(run, model, stored)
    if shown is None:
        return
    stage, side = st.columns([3, 1], gap="large")
    with stage:
        key = f"map-{name}"
        start = address.opening("at", key)
        opened = map_view.place_of(start)
        reported = latent_map(
            tiles=shown.tiles,
            area=(shown.left, shown.bottom, shown.size),
            label=f"Map of the latent space of {run.title}",
            key=key,
            points=shown.points,
            thumbnails=shown.thumbnails,
            classes=stored.classes if stored else [],
            marks=[] if stored else [("A", 0, 0), ("B", 1, 0), ("C", 0, 1)],
            start=opened.numbers if opened else None,
            space=shown.space,
            offsets=opened.offsets if opened else (),
            decoder=routes.decoder(run),
        )
        shared.tell_who_decodes()
        text = map_view.text_of(shown, *reported) if reported else start
        address.remember("at", key, start, text)
        st.caption(
            f"{explain(shown, stored)} x from {shown.left:.2f} to {shown.left + shown.size:.2f}, "
            f"y from {shown.bottom:.2f} to {shown.bottom + shown.size:.2f}."
        )
        files = [("Map as PNG", f"{name}-map.png", lambda: map_view.background(model, shown))]
        if stored:
            csv = partial(map_view.points_csv, shown.plane.points(stored.means), stored)
            files.append(("Points as CSV", f"{name}-points.csv", csv))
        shared.downloads(*files)
    with side:
        if not text:
            st.markdown("**Click the map** to choose a place, then keep it as A or B for a walk.")
            return
        try:
            chosen, words = map_view.latent_at(shown, text, stored)
        except LatentError as error:  # Beside the map, which mends it.
            st.error(shell.sentence(error), icon=":material/error:")
            return
        image = map_view.decode(model, chosen[None])[0]
        st.image(shared.crisp(image), caption=shell.plain(words), alt=words)
        endpoints.keep_buttons(run, chosen)


def show_tsne(run: Run, stored: Stored) -> None:
    st.markdown(TSNE)
    if len(stored.means) < tsne.LEAST:
        shared.empty(f"t-SNE needs {tsne.LEAST} posterior means; this run keeps fewer.")
    points = tsne.read(run)
    if points is None:
        if not map_view.is_computing_tsne(run):
            st.button("Compute t-SNE", type="primary", on_click=map_view.compute_tsne)
        return
    st.plotly_chart(
        figures.scatter(points.numpy(), stored.labels, stored.classes),
        key="tsne",
        alt=f"t-SNE of {len(points):,} posterior means, coloured by class",
    )
    csv = partial(map_view.points_csv, points, stored)
    shared.downloads(("t-SNE as CSV", f"{run.id}-tsne.csv", csv))


shared.heading(
    "Map",
    "Every place on this map is a latent. **Move over it** to see what it decodes to; click to "
    "keep it as A or B for a walk.",
)
run = shared.choose_run(first="vae-mnist-2d")  # Its map is exact.
stored = posteriors.stored(run)
if stored is not None and len(stored.means) < map_view.LEAST:
    stored = None
if stored is None:
    show_map(run, None)
else:
    tabs = st.tabs(["Map", "t-SNE"], key="as", bind="query-params")
    if tabs[0].open:
        with tabs[0]:
            show_map(run, stored)
    if tabs[1].open:
        with tabs[1]:
            show_tsne(run, stored)
