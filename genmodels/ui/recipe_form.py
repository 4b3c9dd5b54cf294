"""A form for a recipe, made from its fields."""

import dataclasses
import types
import typing
from typing import Any

import streamlit as st

from .. import recipes
from ..recipes import DATASETS, Recipe
from . import own_pictures
from .shell import plain

FIRST = ("epochs", "batch_size", "train_limit", "learning_rate")
"""What people change most stands first; the rest is folded away."""
EMPTY = {"train_limit": "all", "distance_every": "never"}
"""What an optional number means when it is left out."""


def recipe_form(name: str, disabled: bool) -> tuple[Recipe, bool]:
    """Widgets for every field of a named recipe.

    Gives the recipe as it was changed, and whether it can be trained; each problem is said
    under its field.
    """
    recipe = recipes.named(name)
    fields = recipes.field_types(type(recipe))
    del fields["pictures"]  # Chosen beside the form, by what the pictures look like.
    helps = recipes.field_help(type(recipe))
    # A widget's value is known after it is drawn, the problems of all fields after all are.
    slots: dict[str, Any] = {}
    values: dict[str, Any] = {}

    def draw(names: list[str]) -> None:
        columns = st.columns(4)
        for index, field in enumerate(names):
            with columns[index % 4]:
                default = getattr(recipe, field)
                options = {"key": _key(name, field), "help": helps[field], "disabled": disabled}
                values[field] = _widget(field, fields[field].kind, default, options)
                slots[field] = st.empty()

    draw([field for field in fields if field in FIRST])
    with st.expander("All settings"):
        draw([field for field in fields if field not in FIRST])
    changed = dataclasses.replace(recipe, **values)
    problems = changed.problems()
    for field, problem in problems.items():
        slots[field].error(plain(problem[:1].upper() + problem[1:]))
    return changed, not problems


def chosen(name: str) -> Recipe:
    """The recipe as the widgets have it now, own pictures included: what a callback needs, which
    runs before the form is drawn again."""
    recipe = recipes.named(name)
    values = {
        field: st.session_state.get(_key(name, field), getattr(recipe, field))
        for field in recipes.field_types(type(recipe))
    }
    shown = own_pictures.chosen()
    values["pictures"] = None if shown in own_pictures.TITLES else shown
    return dataclasses.replace(recipe, **values)


def fill(name: str, recipe: Recipe) -> None:
    """Sets the widgets to a recipe of the family that `name` is of, before they are drawn."""
    for field, (kind, *_) in recipes.field_types(type(recipe)).items():
        value = getattr(recipe, field)
        # JSON writes 10.0 as 10, and a widget of decimals takes no whole number.
        st.session_state[_key(name, field)] = float(value) if kind is float else value
    # One widget for all recipes, which names the data set where none is chosen.
    own = recipes.named(name).dataset
    own_pictures.chooser().choose(recipe.pictures or DATASETS[own].title)


def _key(name: str, field: str) -> str:
    return f"{name}-{field}"


def _widget(field: str, kind: Any, default: Any, options: dict[str, Any]) -> Any:
    label = field.replace("_", " ").capitalize()
    options = {**options, "bind": "query-params"}
    if typing.get_origin(kind) is typing.Literal:
        choices = list(typing.get_args(kind))
        return st.selectbox(label, choices, choices.index(default), **options)
    if kind is float:
        step = default / 10 or 0.1
        return st.number_input(label, value=default, format="%g", step=step, **options)
    empty = EMPTY.get(field, "none") if isinstance(kind, types.UnionType) else None
    return st.number_input(label, value=default, step=1, placeholder=empty, **options)
