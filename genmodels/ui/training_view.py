"""A training to watch: its place, progress, time left, live curve and samples; what one can do."""

import contextlib
import threading

import streamlit as st

from genmodels import jobs, runs
from genmodels.data import formats
from genmodels.errors import RunError
from genmodels.jobs import worker
from genmodels.recipes import RECIPES
from genmodels.recipes.broken import VARIATIONS
from genmodels.runs import Damaged, Run, Status

from . import figures, recipe_form, settings_view, shared, shell, visitor
from .permission import is_teacher
from .shell import duration, plain

ACTIVE = ("waiting", "training")
SHORT = {"kl": "KL", "r1": "R1", "d_real": "D(x)", "d_fake": "D(G(z))"}
COPIED, PARENT, COPIES = "copied", "parent", "copies"
"""In the session: the run to fill the form with, the one that it was filled with, how often."""
NOT_YOURS = (
    "Only the browser that started this training can change it, under the same address: localhost "
    "and 127.0.0.1 are two."
)
starting = threading.Lock()
"""Held while a training is queued that is not in the queue yet."""
ENDS = {"done": "is trained", "failed": "failed", "stopped": "was stopped"}


@st.cache_resource(ttl=1, show_spinner=False)
def places() -> list[jobs.Place]:
    """The queue, read once a second for all sessions."""
    return jobs.places()


def is_mine(run: Run | Damaged) -> bool:
    """Whether this person may stop, resume, delete and rename the run."""
    return jobs.control(run, key=visitor.key(), teacher=is_teacher())


def follow(run: Run) -> None:
    """Tells this session when the run is over, whatever page it is on."""
    st.session_state.setdefault("followed", set()).add(run.id)


def announce() -> None:
    """On every page: a toast when a training of this session is over."""
    if st.session_state.get("followed"):
        st.fragment(_announce, run_every=3)()


def _announce() -> None:
    for run_id in list(st.session_state["followed"]):
        try:
            run = runs.find(run_id)
            state = run.status().state
        except RunError:
            state, run = "gone", None
        if state in ACTIVE:
            continue
        st.session_state["followed"].discard(run_id)
        if run is not None and state in ENDS:
            st.toast(f"{plain(run.title)} {ENDS[state]}.", icon=":material/notifications:")


def watch(run: Run, why_not: str) -> None:
    """Shows a run; while it waits or trains, again every second. `why_not` says why nothing may
    be trained here, if so."""
    state = run.status().state
    st.fragment(_view, run_every=1.0 if state in ACTIVE else None)(run.id, why_not, state)


def damaged_runs(damaged: list[Damaged], allowed: bool) -> None:
    """Own runs that cannot be shown: why, and a button that deletes each."""
    for run in damaged:
        if not jobs.is_own(run):
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(f"**{plain(run.id)}**: {plain(run.reason)}", icon=":material/warning:")
            if allowed and is_mine(run):
                _delete(run)


def queue_table() -> None:
    """Who waits, and for how long about."""
    st.fragment(_queue_table, run_every=2.0)()


def _queue_table() -> None:
    queue = places()
    if not queue:
        return
    st.subheader(f"Queue: {len(queue)} waiting", anchor=False)
    rows = [
        {
            "place": place.number,
            "training": place.run.title,
            "yours": is_mine(place.run),
            "starts in about": _about(place.seconds_until_start),
        }
        for place in queue
    ]
    st.dataframe(rows, hide_index=True)


def _about(seconds: float | None) -> str:
    return "not known yet" if seconds is None else duration(seconds) if seconds else "a moment"


def _view(run_id: str, why_not: str, state: str) -> None:
    try:
        run = runs.find(run_id)
    except RunError:
        st.info("This run was deleted.", icon=":material/delete:")
        return
    status = run.status()
    if status.state != state:
        st.rerun()  # The whole page: other buttons, another pace.
    st.subheader(plain(run.title), anchor=False)
    _say(run, status)
    metrics, picture = run.metrics(), None
    with shell.mistakes_in_place():  # A damaged picture hides nothing else.
        picture = shared.last_picture(run, rows=8)
    varied = _varied(run)
    if picture or any(line["epoch"] for line in metrics):
        left, middle, right = st.columns([2, 1, 1])
        with left:
            _curve(run, status, metrics)
        with middle:
            if picture:
                # Not a file of Streamlit's: it is gone once a newer one is shown, and a slow
                # browser asks for it only then.
                url = formats.content_url(picture, "png")
                st.image(url, width="stretch", alt="The newest samples of the training")
                st.caption(f"The same 64 latents after {max(run.samples()):,} images")
        if varied is not None:
            with right, contextlib.suppress(RunError):
                _parent(varied)
    for variation in VARIATIONS:
        if variation.recipe == run.recipe:
            st.markdown(f"**What to look for.** {plain(variation.look_for)}")
    _controls(run, status, why_not)
    settings_view.show(run, varied)


def _curve(run: Run, status: Status, metrics: list[dict]) -> None:
    names = figures.quantities(metrics)
    if names and any(line["epoch"] for line in metrics):
        figure = figures.learning_curves([(run, metrics)], names[0])
        title = figures.TITLES.get(names[0], names[0])
        st.plotly_chart(figure, key="live", alt=f"{title} so far")
    elif status.state == "training":
        st.caption("The curve begins after the first epoch.")


def _varied(run: Run) -> Run | None:
    """The run that this one varies; None where it varies none, or that one was deleted."""
    try:
        return runs.find(run.info.get("parent") or "")
    except RunError:
        return None


def _parent(parent: Run) -> None:
    """The samples of the run that another one varies, to compare with. Raises RunError."""
    picture = shared.last_picture(parent, rows=8)
    if picture:
        st.image(picture, width="stretch", alt=f"Samples of {parent.title}, to compare with")
        st.caption(f"For comparison: {plain(parent.title)}, {parent.status().epoch} epochs")


def _controls(run: Run, status: Status, why_not: str) -> None:
    if not why_not and not is_mine(run):
        why_not = NOT_YOURS
    mine = not why_not
    with st.container(horizontal=True, vertical_alignment="center"):
        active = status.state in ACTIVE
        if active:
            label = "Take out of the queue" if status.state == "waiting" else "Stop"
            if st.button(label, icon=":material/stop:", disabled=not mine, help=why_not or None):
                with shell.mistakes_in_place():
                    jobs.stop(run)
                    if status.state == "training":
                        st.toast("Asked to stop; it ends after the running step.")
        elif status.state in ("stopped", "failed") and st.button(
            "Resume", icon=":material/play_arrow:", disabled=not mine, help=why_not or None
        ):
            with shell.mistakes_in_place():
                jobs.resume(run, key=visitor.key(), teacher=is_teacher())
                follow(run)
                places.clear()
                st.rerun()
        named = RECIPES.get(run.info["recipe_name"])
        # No callback: this is a fragment, and what its callbacks set outside of it is lost.
        if type(named) is type(run.recipe) and st.button(
            "Duplicate with changes",
            icon=":material/content_copy:",
            help="Fills the form below with this run's settings.",
        ):
            st.session_state[COPIED] = run.id
            st.rerun()
        if mine:
            _rename(run)
            if not active:
                _delete(run)
        if run.metrics():
            compared = [run.info["parent"]] if run.info.get("parent") else []
            st.page_link(
                shell.page("curves"),
                label="Learning curves",
                query_params={"runs": [*compared, run.id]},
            )
        if any(run.path.glob("*.safetensors")):
            st.page_link(shell.page("sample"), label="Sample", query_params={"model": run.id})


def _rename(run: Run) -> None:
    with st.popover("Rename", icon=":material/edit:"):
        title = st.text_input("Title", run.title, max_chars=jobs.LONGEST_TITLE)
        same = title == run.title
        why_not = "Change the title first." if same else None
        if st.button("Save", key="rename", disabled=same, help=why_not):
            with shell.mistakes_in_place():
                jobs.retitle(run, title)
                st.rerun()


def _delete(run: Run | Damaged) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown("This permanently deletes its weights, curves and samples.")
        key = "delete" if isinstance(run, Run) else f"delete-{run.id}"
        if st.button("Delete for good", key=key, type="primary"):
            with shell.mistakes_in_place():
                jobs.delete(run)
                st.rerun()  # The page chooses another run.


def fill_form() -> None:
    """Before the form is drawn: fills it with the settings of the run that was to be duplicated."""
    run_id = st.session_state.pop(COPIED, None)
    if run_id is not None:
        run = runs.find(run_id)
        name = run.info["recipe_name"]
        st.session_state["recipe"] = name
        st.session_state[PARENT] = run.id
        st.session_state[COPIES] = copies() + 1
        recipe_form.fill(name, run.recipe)


def copies() -> int:
    """How often the form was filled."""
    return st.session_state.get(COPIES, 0)


def parent(recipe_name: str) -> Run | None:
    """The run whose settings the form began with, as long as its recipe is chosen."""
    try:
        run = runs.find(st.session_state.get(PARENT) or "")
    except RunError:  # There is none, or it was deleted.
        return None
    return run if run.info["recipe_name"] == recipe_name else None


def forget_parent() -> None:
    st.session_state.pop(PARENT, None)


def _say(run: Run, status: Status) -> None:
    """The state of a training in words and, while it runs, as a bar."""
    if status.state == "waiting":
        place = next((place for place in places() if place.run.id == run.id), None)
        if place is None or runs.is_claimed(run.path):
            st.progress(0.0, "Starting")
        elif trouble := worker.trouble():
            st.error(f"Trainings can't start: {plain(trouble)}", icon=":material/error:")
        else:
            about = _about(place.seconds_until_start)
            st.info(f"Place {place.number} in the queue · starts in about {about}")
        return
    if status.state != "training":
        ends = {"done": st.success, "failed": st.error}
        reason = f": {status.reason}" if status.reason else ""
        text = f"{status.state.capitalize()} after {status.epoch} of {status.epochs} epochs{reason}"
        ends.get(status.state, st.warning)(plain(text))
        return
    if status.reason or not status.images_per_second:
        st.progress(0.0, plain(status.reason or "Starting"))
        return
    images = (run.info["data"] or {}).get("train", {}).get("images", 0) * status.epochs
    left = "" if status.seconds_left is None else f" · {duration(status.seconds_left)} left"
    st.progress(
        min(1.0, status.images_seen / images) if images else 0.0,
        f"Epoch {status.epoch} of {status.epochs}{left} · "
        f"{status.images_per_second:,.0f} images per second",
    )
    if status.losses:
        with st.container(horizontal=True):
            for name, value in status.losses.items():
                st.metric(SHORT.get(name, name.replace("_", " ").capitalize()), f"{value:.4g}")
