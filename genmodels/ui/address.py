"""What a page shows and no widget holds, kept in its address; and the whole of an address."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.query_params import (
    WidgetBinding,
    _coerce_value_for_query_url,
    parse_url_param,
)
from streamlit.runtime.state.session_state_proxy import get_session_state

from .shell import plain

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

LOOK = "look"
"""Where the handles of a page stand, which the browser alone knows; see page.js."""
NOT_SHARED = ("task", "hide", "tour", LOOK)
"""Parameters that are no part of what a page shows, or may be old."""
ASKED = "asked"
"""In the session: what the address asked for when it led here, as long as it is not known whether
that could be used."""
REFUSED = "refused of the address"
"""In the session: what could not be used, and what was shown instead, by the parameter's name."""
LONGEST_WORD = 40
"""Letters of an address that are said again."""


def came_back() -> bool:
    """Whether Back or Forward led here: what the address says counts, and nothing else."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def page() -> str:
    """Which page this is."""
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""


def asks(name: str) -> bool:
    """Whether the address decides a parameter: it brought the person here, and says something."""
    return name in st.query_params and st.session_state["arrived"]


def is_bound(name: str) -> bool:
    """Whether a widget of the page holds a parameter."""
    with get_session_state().query_params() as query:
        return query.is_bound(name)


def arrive() -> None:
    """Before each run of a page. After Back or Forward: has it begin with all of the address.

    Streamlit leaves out the parameters that the page left behind has as well, such as the model.
    """
    st.session_state["arrived"] = came_back() or st.session_state.get("page") != page()
    st.session_state["page"] = page()
    if st.session_state["arrived"]:
        for name in st.session_state.pop("as it began", []):
            st.session_state.pop(name, None)  # Nobody chose it: each page begins with its own.
    context = get_script_run_ctx()
    if context is not None and came_back():
        with get_session_state().query_params() as query:
            query.populate_from_query_string(context.query_string)
            query.set_initial_query_params_from_current()
            query._send_query_param_msg()
    if st.session_state["arrived"]:
        st.session_state[REFUSED] = {}
        st.session_state[ASKED] = {name: st.query_params.get_all(name) for name in st.query_params}
    # A widget that was there before may hold what somebody chose before the page was whole.
    asked = st.session_state[ASKED].items()
    if not st.session_state["arrived"]:
        st.session_state[ASKED] = {n: words for n, words in asked if n not in st.session_state}


def answered(name: str) -> None:
    """The page says itself what became of a parameter."""
    st.session_state[ASKED].pop(name, None)


def refuse(name: str, shown: str = "") -> None:
    """A parameter that the page reads itself can't be used; `shown` is there instead."""
    if words := st.session_state[ASKED].pop(name, None):
        st.session_state[REFUSED][name] = ", ".join(words), shown


def tell(place: "DeltaGenerator", is_sound: Callable[[str, str], bool]) -> None:
    """After each run of a page: says in a quiet line what of the address that led here could not
    be used and what is shown instead, until something else is chosen.

    `is_sound` is asked of latents, for which a page may have no widget yet.
    """
    asked, refused = st.session_state[ASKED], st.session_state[REFUSED]
    for binding, metadata, value in _bound():
        name, held = binding.param_key, None if value is None else metadata.serializer(value)
        shown = "" if held is None else _coerce_value_for_query_url(held, binding.value_type)
        shown = shown if isinstance(shown, str) else ", ".join(shown)
        if name in refused and refused[name][1] != shown:
            del refused[name]
        if name in asked and any(asked[name]) and not _says(asked[name], binding, held):
            refuse(name, shown)
        asked.pop(name, None)
    for name, words in list(asked.items()):
        # Where the page has no widget for it, or will only once A or B is to come from there.
        is_latent = name.endswith(("_latent", "_from")) or name == "z"
        if is_latent and any(words) and not is_sound(name, words[-1]):
            refuse(name)
    if not refused:
        return
    sentences = []
    for name, (words, shown) in refused.items():
        said = words if len(words) <= LONGEST_WORD else f"{words[:LONGEST_WORD]}…"
        instead = f", {plain(shown[:LONGEST_WORD])} is shown instead" if shown else ""
        sentences.append(f"{plain(name)} = “{plain(said)}”{instead}")
    what = "; ".join(sentences)
    place.caption(f":material/link_off: Part of this link can't be used: {what}.")


def _says(words: list[str], binding: WidgetBinding, held: Any) -> bool:
    """Whether a widget holds what the address said."""
    try:
        return held == parse_url_param(words, binding.value_type)
    except ValueError:
        return False


def leave() -> None:
    """After each run of a page. Has Streamlit keep what its widgets hold for the next page: it
    keeps only what was there before the page's last run, and so nothing of an address that was
    opened and left at once."""
    before = get_session_state()._state._old_state
    unchosen = []
    for binding, metadata, value in _bound():
        before[binding.widget_id] = value
        if value == metadata.deserializer(None):
            unchosen.append(binding.param_key)
    st.session_state["as it began"] = unchosen


def opening(name: str, key: str) -> str:
    """The text with which the component `key` opens: the one remembered when it was seen last, or
    the address's under `name`.

    It stays the same as long as the component is on the page: what the browser has need not be
    sent to it again.
    """
    memory = st.session_state.get(f"{name} memory")
    if memory is None or came_back():
        return st.query_params.get(name, "")
    of, start, chosen = memory
    if of != key:
        return ""
    return start if key in st.session_state else chosen


def remember(name: str, key: str, start: str, chosen: str) -> None:
    """Keeps the text a component opened with and the one it says now; the latter in the address."""
    st.session_state[f"{name} memory"] = key, start, chosen
    put(name, chosen)


def put(name: str, text: str) -> None:
    """Writes a parameter that no widget of the page is bound to; none for no text."""
    if text == st.query_params.get(name, ""):
        return
    if text:
        st.query_params[name] = text
    else:
        st.query_params.pop(name, None)


def hold(name: str, text: str) -> None:
    """Has the address say what a widget is about to show that was not on the page before: Streamlit
    leaves that out, and Back would lead to another thing."""
    if st.query_params.get(name) == text:
        return
    with get_session_state().query_params() as query:
        query.set_corrected_value(name, text, "string_value")


def whole() -> dict[str, list[str]]:
    """All that the page shows now, what its widgets begin with too, as an address holds it."""
    found = {
        name: st.query_params.get_all(name) for name in st.query_params if name not in NOT_SHARED
    }
    for binding, metadata, value in _bound():
        found.pop(binding.param_key, None)
        if value is not None:
            text = _coerce_value_for_query_url(metadata.serializer(value), binding.value_type)
            found[binding.param_key] = text if isinstance(text, list) else [text]
    return found


def _bound() -> list[tuple[WidgetBinding, WidgetMetadata, Any]]:
    """The widgets of the page that are bound to parameters, and what they hold."""
    state = get_session_state()
    with state.query_params() as query:
        bindings = list(query._bindings_by_param.values())
    found = [(each, state._state.get_widget_metadata(each.widget_id)) for each in bindings]
    return [(each, of, st.session_state.get(each.param_key)) for each, of in found if of]
