"""A form for a recipe, made from its fields."""

import dataclasses
import types
import typing
from typing import Any

import streamlit as st

from .. import recipes
from ..recipes import Recipe
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
                key = f"{name}-{field}"
                options = {"key": key, "help": helps[field], "disabled": disabled}
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
