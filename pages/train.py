"""Queue a training, watch it, stop it, go on with it; and a lab of what goes wrong."""

import dataclasses

import streamlit as st

from genmodels import jobs, recipes
from genmodels.errors import GenmodelsError
from genmodels.recipes import Recipe
from genmodels.ui import shared, training_view, visitor
from genmodels.ui.own_pictures import choose_pictures
from genmodels.ui.permission import ask_teacher, is_teacher, may_compute
from genmodels.ui.recipe_form import recipe_form
from genmodels.ui.shell import plain, sentence
from genmodels.variations import VARIATIONS


def submit(name: str, recipe: Recipe, title: str = "", parent: str | None = None) -> None:
    """Queues a training and shows it; where it may not be, says why."""
    try:
        run = jobs.submit(
            name, recipe, title=title, parent=parent, key=visitor.key(), teacher=is_teacher()
        )
    except GenmodelsError as error:
        st.error(sentence(error), icon=":material/error:")
        return
    training_view.follow(run)
    training_view.places.clear()
    st.session_state["show"] = run.id
    st.rerun()


shared.heading(
    "Train",
    "Choose a recipe, change what you like, and watch the pictures come out of the noise. The "
    "training runs by itself: you may leave this page or close the browser.",
)
allowed = may_compute()
ask_teacher()

found, damaged = shared.gallery()
own = [run for run in found if not run.shipped]
ids = [run.id for run in own]
if st.session_state.get("show") in ids:
    st.session_state["run"] = st.session_state.pop("show")
if own:
    if st.session_state.get("run") not in ids:
        st.session_state.pop("run", None)
    active = [run for run in own if run.status().state in training_view.ACTIVE]
    active.sort(key=lambda run: (not training_view.is_mine(run), run.status().state))
    if "run" not in st.session_state:
        asked = st.query_params.get("run")
        st.session_state["run"] = asked if asked in ids else (active or own)[0].id
    names = {run.id: f"{run.title} · {run.id}" for run in own}
    shown = st.selectbox("Training", ids, format_func=lambda run_id: names[run_id], key="run")
    st.query_params["run"] = shown  # Bound, the address would hold the title, which may change.
    training_view.watch(own[ids.index(shown)], allowed)
    training_view.queue_table()
training_view.damaged_runs(damaged, allowed)

st.subheader("Train a model of your own", anchor=False)
offered = [name for name, recipe in recipes.RECIPES.items() if not recipe.hidden]
first = offered.index("vae-mnist")  # The quickest to look at.
name = st.selectbox("Recipe", offered, first, key="recipe", bind="query-params")
st.caption(recipes.RECIPES[name].title + (", the report's" if name in recipes.REPORT else ""))
chosen = choose_pictures(recipes.named(name).dataset, disabled=not allowed)
recipe, possible = recipe_form(name, disabled=not allowed)
recipe = dataclasses.replace(recipe, pictures=chosen)
title = st.text_input(
    "Title", max_chars=jobs.LONGEST_TITLE, placeholder=recipe.title, disabled=not allowed
)
if st.button("Start training", type="primary", disabled=not (allowed and possible)):
    parent = st.session_state.pop("parent", None)
    submit(name, recipe, title, parent if parent in ids else None)

st.subheader("Break it", anchor=False)
st.markdown(
    "One change each, to see what it was good for. Each takes a minute or two, and is shown "
    "beside the healthy run."
)
for start in range(0, len(VARIATIONS), 3):
    for column, variation in zip(st.columns(3), VARIATIONS[start : start + 3], strict=False):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{variation.title}** · {variation.recipe_name}")
            st.markdown(plain(variation.look_for))
            if st.button("Train it", key=f"break {variation.title}", disabled=not allowed):
                name, recipe = variation.recipe_name, variation.recipe
                submit(name, recipe, variation.title, parent=name)
