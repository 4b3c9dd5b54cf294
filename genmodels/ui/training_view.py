"""A training to watch: its place, progress, time left, live curve and samples; what one can do."""

import contextlib
import threading
from collections.abc import Callable

import streamlit as st

from .. import figures, jobs, pictures, runs
from ..errors import GenmodelsError, RunError
from ..jobs import JobError, worker
from ..recipes import RECIPES
from ..runs import Damaged, Run, Status
from ..variations import VARIATIONS
from . import recipe_form, settings_view, shared, shell, visitor
from .permission import is_teacher, why_not
from .shell import duration, plain, sentence

ACTIVE = ("waiting", "training")
SHORT = {"kl": "KL", "r1": "R1", "d_real": "D(x)", "d_fake": "D(G(z))"}
SHOWN = "run"
"""In the session and in the address: the run that the page shows."""
CHANGED = "changed"
"""In the session: that the run is not what the page around it was drawn for."""
COPIED, PARENT, COPIES = "copied", "parent", "copies"
"""In the session: the run to fill the form with, the one that it was filled with, how often."""
REFUSED = "refused"
"""In the session: the key of the button that did not do what was asked, and why."""
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


def _why_not(run: Run | Damaged) -> str:
    """Why this person may not change the run; empty where they may."""
    return why_not() or ("" if is_mine(run) else NOT_YOURS)


def act(key: str, doing: str, do: Callable[[], str]) -> None:
    """What a button's callback does: says at once what it is doing, then does it and says what
    `do` gives. What the person can mend is kept for `refusal`."""
    st.session_state.pop(REFUSED, None)
    # At once, and wherever on the page one is: what follows may take a while, and a toast that has
    # gone by then is not shown again.
    toast = st.toast(doing, icon=":material/hourglass_top:", duration="long")
    try:
        toast.toast(do(), icon=":material/check:", duration="short")
    except GenmodelsError as error:
        toast.toast("That didn't work.", icon=":material/error:", duration="short")
        st.session_state[REFUSED] = key, sentence(error)


def refusal(key: str) -> None:
    """Beside a button: why it did not do what was asked."""
    button, words = st.session_state.get(REFUSED, ("", ""))
    if button == key:
        st.error(words, icon=":material/error:")


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


def watch(run: Run) -> None:
    """Shows a run and the queue; while the run waits or trains, again every second."""
    state = run.status().state
    active = state in ACTIVE
    st.fragment(_view, run_every=1.0 if active else None)(run.id, (state, run.title))
    if not active:
        st.fragment(_queue_table, run_every=2.0)()


def damaged_runs(damaged: list[Damaged], allowed: bool) -> None:
    """Own runs that cannot be shown: why, and a button that deletes each."""
    for run in damaged:
        if not jobs.is_own(run):
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(f"**{plain(run.id)}**: {plain(run.reason)}", icon=":material/warning:")
            if allowed and is_mine(run):
                _delete(run)


def _queue_table(queue: list[jobs.Place] | None = None) -> None:
    """Who waits, and for how long about."""
    queue = places() if queue is None else queue
    if not queue:
        return
    st.subheader(f"Queue: {len(queue)} waiting", anchor=False)
    rows = [
        {
            "place": place.number,
            "training": place.run.title,
            "id": place.run.id,
            "yours": is_mine(place.run),
            "starts": _starts(place) or "not known yet",
        }
        for place in queue
    ]
    st.dataframe(rows, hide_index=True)


def _starts(place: jobs.Place) -> str:
    """When a run that waits starts, about; empty where that is not known."""
    seconds = place.seconds_until_start
    if seconds is None:
        return ""
    return f"in about {duration(seconds)}" if seconds else "in a moment"


def _view(run_id: str, drawn: tuple[str, str]) -> None:
    """`drawn` are the state and the title with which the page around it was drawn."""
    try:
        run = runs.find(run_id)
    except RunError:
        st.rerun()  # It was deleted: the page says so, and shows another.
    status = run.status()
    if (status.state, run.title) != drawn:
        places.clear()
        st.session_state[CHANGED] = True
    if CHANGED in st.session_state or COPIED in st.session_state:
        st.rerun()  # The whole page: other buttons, another pace, another form.
    # Of one look, so that no run waits in one place and starts in another.
    queue = [each for each in places() if each.run.id != run.id or status.state == "waiting"]
    place = next((each for each in queue if each.run.id == run.id), None)
    st.subheader(plain(run.title), anchor=False)
    _controls(run, status, place)  # Above all that grows as it trains, so that they never move.
    _say(run, status, place)
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
                url = pictures.content_url(picture, "png")
                st.image(url, width="stretch", alt="The newest samples of the training")
                st.caption(f"The same 64 latents after {max(run.samples()):,} images")
        if varied is not None:
            with right, contextlib.suppress(RunError):
                _parent(varied)
    for variation in VARIATIONS:
        if variation.recipe == run.recipe:
            st.markdown(f"**What to look for.** {plain(variation.look_for)}")
    settings_view.show(run, varied)
    if status.state in ACTIVE:
        _queue_table(queue)


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


def _controls(run: Run, status: Status, place: jobs.Place | None) -> None:
    """The buttons of a run, each with its id in its key: what is pressed is done to the run that
    was seen, whichever is shown by then."""
    reason = _why_not(run)
    options = {"disabled": bool(reason), "help": reason or None}
    active = status.state in ACTIVE
    main = f"stop-{run.id}" if active else f"resume-{run.id}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if active:
            if not reason and _is_stopping(run):
                options = {"disabled": True, "help": "It stops after the current step."}
            st.button(
                "Leave the queue" if place else "Stop",
                key=main,
                icon=":material/stop:",
                on_click=_stop,
                args=(run, main),
                **options,
            )
        elif status.state in ("stopped", "failed"):
            st.button(
                "Resume",
                key=main,
                icon=":material/play_arrow:",
                on_click=_resume,
                args=(run, main),
                **options,
            )
        named = RECIPES.get(run.info["recipe_name"])
        if type(named) is type(run.recipe):
            # Its callback sets no widgets: those outside of this fragment would not follow.
            st.button(
                "Duplicate with changes",
                key=f"duplicate-{run.id}",
                icon=":material/content_copy:",
                help="Fills the form below with this run's settings.",
                on_click=st.session_state.update,
                args=({COPIED: run.id},),
            )
        if not reason:
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
    refusal(main)


def _is_stopping(run: Run) -> bool:
    return runs.stop_request(run.path) is not None


def _check_mine(run: Run | Damaged) -> None:
    """Raises JobError where this person may not change the run, whatever was drawn before."""
    if reason := _why_not(run):
        raise JobError(reason)


def _stop(run: Run, key: str) -> None:
    def stop() -> str:
        _check_mine(run)
        jobs.stop(run)
        places.clear()
        if run.status().state in ACTIVE:
            return "It stops after the current step."
        return f"{plain(run.title)} left the queue."

    act(key, "Stopping …", stop)


def _resume(run: Run, key: str) -> None:
    def resume() -> str:
        _check_mine(run)
        jobs.resume(run, key=visitor.key(), teacher=is_teacher())
        follow(run)
        places.clear()
        return f"{plain(run.title)} is in the queue."

    act(key, "Resuming …", resume)


def _rename(run: Run) -> None:
    with (
        st.popover("Rename", icon=":material/edit:", key=f"renaming-{run.id}"),
        # A form, so that Enter saves.
        st.form(f"rename-{run.id}", border=False),
    ):
        key = f"title-{run.id}"
        st.text_input("Title", run.title, key=key, max_chars=jobs.LONGEST_TITLE)
        st.form_submit_button("Save", on_click=_retitle, args=(run, key))
        refusal(key)


def _retitle(run: Run, key: str) -> None:
    def retitle() -> str:
        _check_mine(run)
        jobs.retitle(run, st.session_state[key])
        return "The new title is saved."

    act(key, "Saving …", retitle)


def _delete(run: Run | Damaged) -> None:
    # By its key, the popover of the next run does not stay open in its stead.
    with st.popover("Delete", icon=":material/delete:", key=f"deleting-{run.id}"):
        st.markdown("This permanently deletes its weights, curves and samples.")
        key = f"delete-{run.id}"
        st.button(
            "Delete for good", key=key, type="primary", on_click=_delete_for_good, args=(run, key)
        )
        refusal(key)


def _delete_for_good(run: Run | Damaged, key: str) -> None:
    def delete() -> str:
        _check_mine(run)
        jobs.delete(run)
        if st.session_state.get(SHOWN) == run.id:
            del st.session_state[SHOWN]  # The page need not say that it is gone.
        return f"{plain(run.title if isinstance(run, Run) else run.id)} is deleted."

    act(key, "Deleting …", delete)


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


def _say(run: Run, status: Status, place: jobs.Place | None) -> None:
    """The state of a training in words and, while it runs, as a bar."""
    if status.state == "waiting":
        if place is None:
            st.progress(0.0, "Stopping …" if _is_stopping(run) else "Starting")
        elif trouble := worker.trouble():
            st.error(f"Trainings can't start: {plain(trouble)}", icon=":material/error:")
        else:
            starts = f" · starts {starts}" if (starts := _starts(place)) else ""
            st.info(f"Place {place.number} in the queue{starts}")
        return
    if status.state != "training":
        ends = {"done": st.success, "failed": st.error}
        reason = f": {status.reason}" if status.reason else ""
        text = f"{status.state.capitalize()} after {status.epoch} of {status.epochs} epochs{reason}"
        ends.get(status.state, st.warning)(plain(text))
        return
    if _is_stopping(run):
        st.progress(0.0, "Stopping after the current step …")
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
