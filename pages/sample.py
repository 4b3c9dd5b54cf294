"""Draw latents from the prior and look at what the model makes of them."""

import random
import re

import streamlit as st

from genmodels import pictures
from genmodels.ui import address, shared
from genmodels.ui.endpoints import keep_buttons
from genmodels.ui.widgets.grid import picture_grid

shared.heading(
    "Sample",
    "Every picture is decoded from random numbers, its **latent**. Change the seed for new ones, "
    "turn the spread down for typical and up for daring ones. Click a picture to keep it.",
)
run = shared.choose_run()
label = shared.choose_class(run, "class")
stage = shared.pictures_first()
columns = stage.columns([3, 3, 2, 1], vertical_alignment="bottom")
count = columns[0].slider("How many", 1, 256, 64, key="count", bind="query-params")
spread = columns[1].slider(
    "Spread of the latents",
    0.0,
    2.0,
    1.0,
    0.05,
    key="spread",
    bind="query-params",
    help="The temperature: a factor on the latents' standard deviation. The model learnt at 1.",
)
seed = columns[2].number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params")
columns[3].container(key="seed_group").button(
    "New",
    icon=":material/casino:",
    help="A new seed, and so new pictures",
    on_click=lambda: st.session_state.update(seed=random.randrange(10_000)),
    width="stretch",
)

model = shared.model_of(run)
images = shared.as_pictures(model.sample(count, seed, spread, label))
sprite = pictures.sprite(images)
grid, side = stage.columns([3, 1])
with grid:
    start = address.opening("picture", "grid")
    number = int(start) if re.fullmatch(r"[1-9]\d{0,2}", start, re.ASCII) else 0
    if start and not 0 < number <= count:
        address.refuse("picture")
    picked = picture_grid(
        sprite=sprite,
        count=count,
        height=images.shape[1],
        width=images.shape[2],
        label=f"{count} samples of {run.title}, seed {seed}",
        selected=number - 1 if number else None,
        key="grid",
    )
    address.remember("picture", "grid", start, "" if picked is None else str(picked + 1))
    factor = max(1, 96 // images.shape[1])
    of_class = "" if label is None else f"-class-{label}"
    name = f"{run.id}{of_class}-seed-{seed}-spread-{spread:g}"
    shared.downloads(
        ("PNG", f"{name}.png", lambda: pictures.png(pictures.enlarge(sprite, factor))),
        (
            "ZIP of single pictures",
            f"{name}.zip",
            lambda: shared.zipped((pictures.to_pil(image) for image in images), name),
        ),
    )
with side:
    if picked is None or picked >= count:
        st.markdown("Click a picture to keep its latent as **A** or **B** for a walk.")
    else:
        st.image(
            shared.crisp(images[picked]),
            caption=f"Picture {picked + 1} of seed {seed}",
            alt=f"The chosen sample, number {picked + 1}",
        )
        keep_buttons(run, model.sample_latents(picked + 1, seed, spread, label)[-1])
