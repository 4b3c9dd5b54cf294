"""Start a training, watch it, stop it, go on with it."""

import dataclasses

import streamlit as st

from genmodels import jobs, recipes
from genmodels.ui import shared
from genmodels.ui.own_pictures import choose_pictures
from genmodels.ui.permission import may_compute
from genmodels.ui.recipe_form import recipe_form
from genmodels.ui.training_view import watch

shared.heading(
    "Train",
    "Choose a recipe, change what you like, and watch the pictures come out of the noise. The "
    "training runs by itself: you may leave this page or close the browser.",
)
allowed = may_compute()
running = jobs.current()
if running:
    watch(running, allowed)
else:
    names = [name for name, recipe in recipes.RECIPES.items() if not recipe.hidden]
    name = st.selectbox("Recipe", names, key="recipe", bind="query-params")
    st.caption(recipes.RECIPES[name].title)
    chosen = choose_pictures(recipes.named(name).dataset, disabled=not allowed)
    recipe, possible = recipe_form(name, disabled=not allowed)
    recipe = dataclasses.replace(recipe, pictures=chosen)
    if st.button("Start training", type="primary", disabled=not (allowed and possible)):
        with st.spinner("Starting", show_time=True):
            st.session_state["run"] = jobs.start(name, recipe).name  # shown when it is over
        st.rerun()
    own = [run for run in shared.gallery()[0] if not run.shipped]
    if own:
        st.divider()
        ids = [run.id for run in own]
        chosen = st.selectbox("Your trainings", ids, key="run", bind="query-params")
        watch(own[ids.index(chosen)], allowed)
