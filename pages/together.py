"""Two to four models under the same hand."""

import streamlit as st
import torch

from genmodels import latent, pictures
from genmodels.ui import curves_view, shared
from genmodels.ui.shell import PageEnd, plain
from genmodels.ui.widgets.player import player

MOST = 4
FRAMES = 31
SHOWN = 16
PATHS: dict[str, latent.Path] = {"Straight line": "linear", "Great circle": "spherical"}
VIEWS = ("Samples", "Walk", "Epochs")

shared.heading(
    "Side by side",
    "The same seed, the same walk, the same moment of training, in two to four models at once.",
)
offered = [run for run in shared.gallery()[0] if any(run.path.glob("*.safetensors"))]
by_id = {run.id: run for run in offered}
others = [run.id for run in offered if run.recipe.family != offered[0].recipe.family]
shared.drop_missing("models", by_id, shared.MISSING)
chosen = st.multiselect(
    "Models",
    list(by_id),
    default=[*list(by_id)[:1], *others[:1]],
    max_selections=MOST,
    key="models",
    bind="query-params",
    on_change=shared.forget_missing,
    args=("models",),
)
if len(chosen) < 2:
    shared.empty("Choose two models or more, to see them side by side.")
shown = [by_id[run_id] for run_id in chosen]
view = st.segmented_control(
    "View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params"
)

if view == "Epochs":
    st.markdown("The 64 stored latents of each, at the moment under the slider.")
    curves_view.show([(run, run.metrics()) for run in shown])
    raise PageEnd

stage = shared.pictures_first()
left, middle, right = stage.columns(3, vertical_alignment="bottom")
seed = left.number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params")
if view == "Walk":
    other = middle.container(key="seed_group").number_input(
        "Seed of B", 0, 2**31 - 1, 1, key="seed_b", bind="query-params"
    )
    path = PATHS[
        right.segmented_control(
            "Path",
            list(PATHS),
            default="Straight line",
            required=True,
            key="path",
            bind="query-params",
        )
    ]
    if other == seed:
        st.info("A and B have the same seed. Choose another seed for B.", icon=":material/info:")
else:
    spread = middle.slider(
        "Spread of the latents", 0.0, 2.0, 1.0, 0.05, key="spread", bind="query-params"
    )
for column, run in zip(stage.columns(len(shown)), shown, strict=True):
    model = shared.model_of(run)
    with column:
        st.markdown(f"**{plain(run.title)}**")
        st.caption(f"`{run.id}` · {model.latent_dim} latent numbers")
        if view == "Samples":
            images = shared.as_pictures(model.sample(SHOWN, seed, spread))
            sheet = pictures.sprite(images)
            sheet = pictures.enlarge(sheet, max(1, 448 // sheet.height))
            alt = f"{SHOWN} samples of {run.title}, seed {seed}"
            st.image(sheet, width="stretch", alt=alt)
            name = f"{run.id}-seed-{seed}-spread-{spread:g}"
            shared.downloads(("PNG", f"{name}.png", pictures.png(sheet)))
            continue
        start, end = (model.sample_latents(1, number)[0] for number in (seed, other))
        with torch.inference_mode():
            frames = shared.as_pictures(model.decode(latent.between(start, end, FRAMES, path)))
        player(
            sprite=pictures.sprite(frames),
            count=FRAMES,
            height=frames.shape[1],
            width=frames.shape[2],
            label=f"From seed {seed} to seed {other}, {run.title}",
            caption_start="A",
            caption_end="B",
            key=f"player-{run.id}",
            group="together",
        )
        film = [shared.crisp(frame, 224) for frame in frames]
        shared.downloads(
            (
                "GIF",
                f"{run.id}-{path}-seed-{seed}-to-{other}.gif",
                lambda film=film: pictures.gif(film, 0.1),
            ),
        )
