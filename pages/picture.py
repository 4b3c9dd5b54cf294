"""A picture of one's own through a model: drawn, uploaded, or a test image."""

import streamlit as st

from genmodels.ui import picture_view, shared
from genmodels.ui.picture_view import RESULT

shared.heading(
    "Your picture",
    "Draw or bring a picture, and see what the model makes of it: which latent stands for it, "
    "and how much of it comes back. Try something that the model **never learnt**.",
)
left, right = st.columns([2, 3], gap="large")
with left:
    run = shared.choose_run()
    model = shared.model_of(run)
    chosen = picture_view.choose_picture(run)
if hasattr(model, "encode"):
    with right, st.container(key=RESULT):
        found = picture_view.show_reconstruction(run, model, chosen)
    with st.container(key=f"{RESULT}-latent"):
        st.subheader("Its latent", anchor=False)
        left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            "The encoder gives a **posterior**: for each number of the latent a mean and how sure "
            "it is. One as wide as the grey band says nothing: that is N(0, 1), from which the KL "
            "is measured."
        )
        picture_view.show_posterior(found)
    with right:
        picture_view.show_place(run, found.mean, chosen)
else:
    with right, st.container(key=RESULT):
        picture_view.show_inversion(run, model, chosen)
if hasattr(model, "discriminate"):
    with st.container(key=f"{RESULT}-opinion"):
        st.subheader("The discriminator's opinion", anchor=False)
        picture_view.show_opinion(run, model, chosen)
