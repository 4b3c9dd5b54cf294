"""Walk on a line between two latents and see the picture change under the hand."""

import streamlit as st
from torch import inference_mode

from genmodels import figures, latent, pictures
from genmodels.ui import routes, shared
from genmodels.ui.endpoints import choose_latents, file_name, in_file_name
from genmodels.ui.widgets.player import player

FRAMES = 61
STRIP = 10
PATHS: dict[str, latent.Path] = {"Straight line": "linear", "Great circle": "spherical"}

shared.heading(
    "Interpolate",
    "Between any two latents lie more, and each decodes to a picture. Choose A and B, then "
    "**drag the slider**: a model that understood its data morphs, it does not fade.",
)
stage, controls = st.columns(2, gap="large")
with controls:
    run = shared.choose_run()
    model = shared.model_of(run)
    places = {name: st.container(border=True) for name in "ab"}
    path = PATHS[
        st.segmented_control(
            "Path",
            list(PATHS),
            default="Straight line",
            required=True,
            key="path",
            bind="query-params",
            help="A great circle keeps to the distance from the origin at which latents lie.",
        )
    ]

# The report walked from a 2 to an 8.
start, end = choose_latents(run, model, places, {"a": (2, 2), "b": (8, 8)})
with inference_mode():
    frames = shared.as_pictures(model.decode(latent.between(start, end, FRAMES, path)))
    strip = shared.as_pictures(latent.interpolate(model, start, end, STRIP, path))
with stage:
    player(
        sprite=pictures.sprite(frames),
        count=FRAMES,
        height=frames.shape[1],
        width=frames.shape[2],
        label=f"From A to B, {run.title}",
        caption_start="A",
        caption_end="B",
        key="player",
        display_width=448,
        way={"start": start.tolist(), "end": end.tolist(), "path": path},
        decoder=routes.decoder(run),
    )
    shared.tell_who_decodes()
st.markdown(f"**The walk in {STRIP} steps**")
factor = max(1, 96 // frames.shape[1])
row = pictures.enlarge(pictures.sprite(strip, STRIP), factor)
st.image(row, width="stretch", alt=f"{STRIP} pictures from A to B, left to right")
movie = [pictures.enlarge(pictures.to_pil(frame), factor * 2) for frame in frames]
name = file_name(run, "interpolation", path, *map(in_file_name, "ab"))
shared.downloads(
    ("Strip as PNG", f"{name}.png", lambda: pictures.png(row)),
    ("Walk as GIF", f"{name}.gif", lambda: pictures.gif(movie + movie[-2:0:-1], 0.05)),
    ("Latents as CSV", f"{name}.csv", lambda: shared.latents_csv({"A": start, "B": end})),
)
if hasattr(model, "discriminate"):
    st.subheader("What the discriminator says on the way", anchor=False)
    title, words = shared.opinion_of(run)
    st.markdown(f"{words} Does it fall between A and B?")
    with inference_mode():
        scores = model.discriminate(model.decode(latent.between(start, end, FRAMES, path)))
    st.plotly_chart(
        figures.along(scores.tolist(), title),
        key="scores",
        alt=f"The discriminator's score from A, {scores[0]:.2f}, to B, {scores[-1]:.2f}",
    )
