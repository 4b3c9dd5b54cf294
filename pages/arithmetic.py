"""Adding and subtracting latents: A - B + C."""

import streamlit as st
import torch

from genmodels import latent, pictures, posteriors
from genmodels.ui import shared
from genmodels.ui.endpoints import choose_latents, file_name, in_file_name, keep_buttons
from genmodels.ui.shell import plain
from genmodels.ui.widgets.player import player

FRAMES = 46
FARTHEST = 1.5
DRAWN = 1000  # Latents of the prior, to tell how long they are.
START = {"a": (7, 7), "b": (1, 1), "c": (4, 4)}  # Seed and class.

shared.heading(
    "Arithmetic",
    "Latents can be added and subtracted like numbers. Take a picture **A**, take away what "
    "makes it a **B**, add what makes a **C**, and look at what that decodes to.",
)
run = shared.choose_run()
model = shared.model_of(run)
places = {}
for column, name in zip(st.columns(3), START, strict=True):
    places[name] = column.container(border=True, height="stretch")
    sign = {"a": "", "b": "minus ", "c": "plus "}[name]
    places[name].markdown(f"**{sign}{name.upper()}**")
a, b, c = choose_latents(run, model, places, START)
result = a - b + c

with torch.inference_mode():
    frames = shared.as_pictures(
        model.decode(latent.between(a, a + FARTHEST * (c - b), FRAMES, "linear"))
    )
    last = shared.as_pictures(model.decode(result[None]))[0]
stage, side = st.columns(2, gap="large")
with stage:
    player(
        sprite=pictures.sprite(frames),
        count=FRAMES,
        height=frames.shape[1],
        width=frames.shape[2],
        label=f"A plus more and more of C - B, {run.title}",
        caption_start="A",
        caption_end=f"A + {FARTHEST} (C - B)",
        key="player",
        display_width=336,
        start=1 / FARTHEST,
    )
with side:
    st.markdown("**A - B + C**")
    st.image(shared.crisp(last, 224), alt="The picture of A minus B plus C")
    typical = model.sample_latents(DRAWN).norm(dim=1).mean()
    st.caption(
        f"This latent is {result.norm():.1f} long; those of the prior are about {typical:.1f}. "
        "The longer it is beyond that, the less the model has seen of such places."
    )
    keep_buttons(run, result)
means = posteriors.class_means(run, model)
if means:
    st.subheader("The means of the classes", anchor=False)
    st.markdown(
        "Each class's training images have posteriors; this is what the mean of their means "
        "decodes to. It is what *Class mean* stands for above."
        if hasattr(model, "encode")
        else "The latents of each class are drawn from around a mean, which was learnt with the "
        "generator; this is what it makes of it. It is what *Class mean* stands for above."
    )
    with torch.inference_mode():
        decoded = shared.as_pictures(model.decode(torch.tensor(list(means.values()))))
    with st.container(horizontal=True):
        for name, image in zip(means, decoded, strict=True):
            st.image(
                shared.crisp(image, 84),
                caption=plain(name),
                alt=f"The mean of the class {name}",
                width=84,
            )
film = [pictures.enlarge(pictures.to_pil(frame), max(1, 224 // len(frame))) for frame in frames]
name = file_name(run, "arithmetic", *map(in_file_name, START))
shared.downloads(
    ("A - B + C as PNG", f"{name}.png", lambda: pictures.png(shared.crisp(last))),
    ("Way as GIF", f"{name}.gif", lambda: pictures.gif(film + film[-2:0:-1], 0.06)),
    (
        "Latents as CSV",
        f"{name}.csv",
        lambda: shared.latents_csv({"A": a, "B": b, "C": c, "A-B+C": result}),
    ),
)
