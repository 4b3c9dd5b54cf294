"""Start a training, watch it, stop it, go on with it."""

import streamlit as st

from genmodels import jobs, recipes
from genmodels.ui import shared
from genmodels.ui.recipe_form import recipe_form
from genmodels.ui.training_view import watch

shared.heading(
    "Train",
    "Choose a recipe, change what you like, and watch the pictures come out of the noise. The "
    "training runs by itself: you may leave this page or close the browser.",
)
permission = jobs.permission()
allowed = permission == "open"
if permission == "off":
    st.info(
        "Training is switched off on this server. On your own machine start the app by "
        "`make app`, or set `GENMODELS_TRAINING=open`.",
        icon=":material/lock:",
    )
elif permission == "passcode":
    passcode = st.text_input("Passcode", type="password", key="passcode")
    allowed = jobs.passcode_matches(passcode)
    if passcode and not allowed:
        st.error("That is not the passcode; ask the teacher for it.")

running = jobs.current()
if running:
    watch(running, allowed)
else:
    names = [name for name, recipe in recipes.RECIPES.items() if not recipe.hidden]
    name = st.selectbox("Recipe", names, key="recipe", bind="query-params")
    st.caption(recipes.RECIPES[name].title)
    recipe, possible = recipe_form(name, disabled=not allowed)
    if st.button("Start training", type="primary", disabled=not (allowed and possible)):
        with st.spinner("Starting", show_time=True):
            jobs.start(name, recipe)
        st.rerun()
    own = [run for run in shared.gallery()[0] if not run.shipped]
    if own:
        st.divider()
        ids = [run.id for run in own]
        chosen = st.selectbox("Your trainings", ids, key="run", bind="query-params")
        watch(own[ids.index(chosen)], allowed)
