"""Queue a training, watch it, stop it, go on with it; and a lab of what goes wrong."""

import dataclasses

import streamlit as st

from genmodels import jobs, own_pictures, recipes
from genmodels.errors import GenmodelsError
from genmodels.recipes import Recipe
from genmodels.runs import Run
from genmodels.ui import (
    address,
    components,
    recipe_form,
    settings_view,
    shared,
    training_view,
    visitor,
)
from genmodels.ui.own_pictures import choose_pictures
from genmodels.ui.permission import ask_teacher, is_teacher, may_compute, why_not
from genmodels.ui.shell import plain, sentence
from genmodels.variations import VARIATIONS, Variation

STARTS = "starts"
"""In the session: how many trainings were started. It is part of the keys of the widgets that begin
anew then: a browser that hears of it late would send their old values again."""
REFUSED = "refused"
"""In the session: which button's training was refused, and why."""


def start_own() -> None:
    """Queues what the form says. A callback: the page is drawn afterwards, with the new run.

    It asks the form, as a press may come before the page has been drawn down to its button, which
    then still has what was given to it for another recipe.
    """
    name = st.session_state["recipe"]
    parent = training_view.parent(name)
    recipe, title = recipe_form.chosen(name), st.session_state.get(numbered("title"), "")
    submit("own", name, recipe, title, parent.id if parent else None)


def start_variation(variation: Variation) -> None:
    name = variation.recipe_name
    submit(variation.title, name, variation.recipe, variation.title, parent=name)


def submit(button: str, name: str, recipe: Recipe, title: str, parent: str | None) -> None:
    """Queues a training and shows it; where it may not be, leaves a word for beside the button."""
    st.session_state.pop(REFUSED, None)
    # At once, and wherever on the page one is: what follows may take a while.
    toast = st.toast("Starting …", icon=":material/hourglass_top:")
    try:
        # A second press starts this again beside the first, which is stopped at its next toast.
        with training_view.starting:
            run = next((run for run in in_progress() if run.recipe == recipe), None)
            run = run or jobs.submit(
                name, recipe, title=title, parent=parent, key=visitor.key(), teacher=is_teacher()
            )
        toast.toast(f"{plain(run.title)} is in the queue.", icon=":material/check:")
    except GenmodelsError as error:
        toast.toast("It was not started.", icon=":material/error:")
        st.session_state[REFUSED] = button, sentence(error)
        return
    training_view.follow(run)
    training_view.places.clear()
    training_view.forget_parent()
    st.session_state[STARTS] = starts() + 1
    st.session_state[numbered("run")] = run.id


def starts() -> int:
    return st.session_state.get(STARTS, 0)


def numbered(key: str) -> str:
    return f"{key}-{starts()}"


def in_progress() -> list[Run]:
    """This person's trainings that wait or run."""
    return [
        run
        for run in shared.gallery()[0]
        if run.status().state in training_view.ACTIVE
        and jobs.control(run, key=visitor.key(), teacher=False)
    ]


def start_button(label: str, key: str, recipe: Recipe, reason: str, **options) -> None:
    """A button that starts a training; grey where it cannot, with the reason."""
    if not reason and any(run.recipe == recipe for run in begun):
        reason = "This training is in progress. Change a setting, such as the seed, for another."
    st.button(label, key=key, disabled=bool(reason), help=reason or None, **options)
    button, refusal = st.session_state.get(REFUSED, ("", ""))
    if f"start {button}" == key:
        st.error(refusal, icon=":material/error:")


def impossible(name: str, recipe: Recipe) -> str:
    """Why a recipe whose settings are sound cannot be trained here; empty where it can."""
    if recipe == recipes.named(name):
        return ""  # Known, and told without torch, which takes seconds to import.
    try:
        jobs.check_machine(recipe)
    except GenmodelsError as error:
        return sentence(error)
    return ""


def reset() -> None:
    name = st.session_state["recipe"]
    training_view.forget_parent()
    recipe_form.fill(name, recipes.named(name))


def show_parent(name: str, recipe: Recipe) -> None:
    """The run whose settings fill the form, and in what they differ from it by now."""
    parent = training_view.parent(name)
    if parent is None:
        return
    changes = recipes.differences(parent.recipe, recipe)
    words = ", ".join(
        f"{settings_view.label(field)} {settings_view.text(old)} → {settings_view.text(new)}"
        for field, (old, new) in changes.items()
    )
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"These are the settings of **{plain(parent.title)}**. "
            + (f"Changed: {plain(words)}." if words else "Change at least one, then start."),
            width="stretch",
        )
        st.button("Reset to the recipe", on_click=reset, icon=":material/undo:")
    lost = parent.recipe.pictures
    if lost and lost not in {found.id for found in own_pictures.list_sets()}:
        st.warning(plain(f"Its pictures, {lost}, were deleted: choose what to learn from."))


shared.heading(
    "Train",
    "Choose a recipe, change what you like, and watch the pictures come out of the noise. The "
    "training runs by itself: you may leave this page or close the browser.",
)
allowed = may_compute()
ask_teacher()
training_view.fill_form()

found, damaged = shared.gallery()
own = [run for run in found if not run.shipped]
ids = [run.id for run in own]
components.arrive(starts(), key="arrive-run")
if own:
    key = numbered("run")
    if st.session_state.get(key) not in ids:
        st.session_state.pop(key, None)
    active = [run for run in own if run.status().state in training_view.ACTIVE]
    active.sort(key=lambda run: (not training_view.is_mine(run), run.status().state))
    if key not in st.session_state:
        asked = st.query_params.get("run")
        st.session_state[key] = asked if asked in ids else (active or own)[0].id
        if asked not in ids:
            address.refuse("run", st.session_state[key])
    names = {run.id: f"{run.title} · {run.id}" for run in own}
    shown = st.selectbox("Training", ids, format_func=lambda run_id: names[run_id], key=key)
    st.query_params["run"] = shown  # Bound, the address would hold the title, which may change.
    training_view.watch(own[ids.index(shown)], why_not())
    training_view.queue_table()
else:
    address.refuse("run")
training_view.damaged_runs(damaged, allowed)

components.arrive(training_view.copies(), key="arrive-form")
st.subheader("Train a model of your own", anchor=False)
offered = [name for name, recipe in recipes.RECIPES.items() if not recipe.hidden]
first = offered.index("vae-mnist")  # The quickest to look at.
name = st.selectbox("Recipe", offered, first, key="recipe", bind="query-params")
st.caption(recipes.RECIPES[name].title + (", the report's" if name in recipes.REPORT else ""))
begun = in_progress()
above = st.container()
chosen = choose_pictures(recipes.named(name).dataset, disabled=not allowed)
recipe, possible = recipe_form.recipe_form(name, disabled=not allowed)
recipe = dataclasses.replace(recipe, pictures=chosen)
with above:
    show_parent(name, recipe)
st.text_input(
    "Title",
    key=numbered("title"),
    max_chars=jobs.LONGEST_TITLE,
    placeholder=recipe.title,
    disabled=not allowed,
)
reason = why_not() or ("" if possible else "Change the settings that are marked red first.")
if not reason and (refusal := impossible(name, recipe)):
    st.error(refusal, icon=":material/error:")
    reason = "This training can't start: see above."
start_button(
    "Start training",
    "start own",
    recipe,
    reason,
    type="primary",
    on_click=start_own,
)

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
            start_button(
                "Train it",
                f"start {variation.title}",
                variation.recipe,
                why_not(),
                on_click=start_variation,
                args=(variation,),
            )
