"""The settings of runs, in words and as a table; and in what they differ."""

from typing import Any

import streamlit as st

from .. import recipes
from ..runs import Run

RECORDED = ("device", "precision", "threads")
"""What a training chose by itself, where it ran."""


def label(field: str) -> str:
    """A setting's name as people read it."""
    return field.replace("_", " ").capitalize()


def text(value: Any) -> str:
    """A setting's value as people read it."""
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else f"{value:,}" if type(value) is int else str(value)


def table(chosen: list[Run], only_different: bool) -> list[dict[str, str]]:
    """A row for each setting, a column for each run."""
    columns = {run.id: of(run) for run in chosen}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = []
    for name in names:
        values = {run_id: text(column.get(name)) for run_id, column in columns.items()}
        if not only_different or len(set(values.values())) > 1:
            rows.append({"Setting": label(name), **values})
    return rows


def of(run: Run) -> dict[str, Any]:
    """What fixed a training: its recipe, and what was chosen where it ran."""
    fixed: dict[str, Any] = {"recipe_name": run.info["recipe_name"], **recipes.to_json(run.recipe)}
    resolved = run.info["resolved"] or {}
    fixed |= {f"{name}_used": resolved[name] for name in RECORDED if name in resolved}
    fixed |= {f"{name}_parameters": count for name, count in run.parameters.items()}
    return fixed


def show(run: Run, compared: Run | None) -> None:
    """A run's settings, folded away; those that differ from the run that it varies stand first."""
    with st.expander("Settings", icon=":material/tune:"):
        if compared is not None:
            show_differences([compared, run])
        st.dataframe(table([run], only_different=False), hide_index=True)


def show_differences(chosen: list[Run]) -> None:
    """In which settings runs differ."""
    rows = table(chosen, only_different=True)
    if rows:
        st.markdown("**What differs**")
        st.dataframe(rows, hide_index=True)
    else:
        st.markdown("**What differs**: nothing, all settings are the same.")
