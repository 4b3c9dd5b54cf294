"""Real pictures through the encoder and back."""

import random

import streamlit as st
import torch

from genmodels.data import formats, image_tensors
from genmodels.models import losses
from genmodels.ui import shared
from genmodels.ui.shell import plain

SHOWN = 12

shared.heading(
    "Reconstruct",
    "A VAE squeezes a picture into a few numbers and draws it again from them. Compare: what "
    "survives is what the model holds to be important; fine detail is lost.",
)
run = shared.choose_run(has="encoder", need="VAE")
model = shared.model_of(run)
shown = st.container()  # Above what chooses them: on a phone the pictures come first.
images = shared.real_images(run.recipe)
if images is None:
    numbers = list(range(1, SHOWN + 1))
    originals, names = model.sample(SHOWN, seed=0), ["sample"] * SHOWN
    source, kind = "The model's own samples", "samples-seed-0"
else:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    last = max(0, len(images) - SHOWN)
    if st.session_state.get("first", 0) > last:  # Chosen where there are more.
        st.session_state["first"] = last
    first = left.number_input("First test image", 0, last, 0, key="first", bind="query-params")
    right.button(
        "Others",
        icon=":material/casino:",
        on_click=lambda: st.session_state.update(first=random.randrange(last + 1)),
        width="stretch",
    )
    originals = image_tensors.to_float(images.pixels[first : first + SHOWN])
    numbers = list(range(first, first + len(originals)))
    names = [images.classes[label] for label in images.labels[first : first + SHOWN]]
    source, kind = "Test images, which the model never saw", "test-images"

with torch.inference_mode():
    mean, log_variance = model.encode(originals)
    decoded = model.decode(mean)
    errors = (decoded - originals).square().mean((1, 2, 3))
    difference = (decoded - originals).abs()
    kl = losses.kl_divergence(mean, log_variance).mean().item()
triples = torch.stack([originals, decoded, difference], 1)
with shown:
    st.markdown(
        f"**{source}.** In each column from above: the original, its reconstruction, and where "
        "they differ (brighter is more). The error is the mean squared one, pixels from 0 to 1."
    )
    with st.container(horizontal=True):
        for index, (name, triple) in enumerate(zip(names, triples, strict=True)):
            column = formats.sprite(shared.as_pictures(triple), columns=1, gap=2)
            error = f"error {errors[index]:.4f}"
            st.image(
                formats.enlarge(column, max(1, 112 // triple.shape[-1])),
                caption=f"{plain(name)}, {error}",
                alt=f"{name}: original, reconstruction and difference, mean squared {error}",
                width=112,
            )
    st.caption(
        f"Mean of these {len(originals)}: squared error {errors.mean():.4f}, "
        f"KL divergence {kl:.1f} nats for {model.latent_dim} latent numbers."
    )
whole = formats.sprite(shared.as_pictures(triples.flatten(0, 1)), columns=3, gap=2)
name = f"{run.id}-{kind}-{numbers[0]}-to-{numbers[-1]}"
shared.downloads(
    ("PNG", f"{name}-reconstructions.png", lambda: formats.png(whole)),
    (
        "Posteriors as CSV",
        f"{name}-posteriors.csv",
        lambda: shared.latents_csv({f"{kind}-{n}": z for n, z in zip(numbers, mean, strict=True)}),
    ),
)
