"""The choice of what a recipe learns from: its data set, or a set of own pictures."""

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable
from functools import partial
from typing import IO

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from genmodels import jobs
from genmodels.data import formats, own_pictures
from genmodels.data.own_pictures import LEAST, MB, ZIP_BYTES, Look, PictureSet
from genmodels.errors import DataError, GenmodelsError
from genmodels.recipes import DATASETS

from . import visitor, work
from .permission import is_teacher
from .shell import plain, sentence

SHOWN = 24
COLUMNS = 8
TABLE = 300
"""Height of a table with many rows, in pixels."""
KEY = "pictures"
SAID = "pictures-said"
"""In the session: an error or a success, and the sentence that tells of it."""
MADE = "pictures-made"
"""In the session: the set that was chosen when it was made, what was chosen before, and since when
the page shows it; None where it does not yet."""
SETTLING_SECONDS = 5
"""In which the browser may still send what was chosen before."""
UPLOADS = "pictures-uploads"
"""In the session: how many zips were taken; the uploader's key, so that it is empty again."""
ALL_ZIPS = 5 * ZIP_BYTES
"""What all zips may have together that are being looked through or made into sets."""
_zips: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()
WORK = "pictures"
"""The kind of work: a look through a zip, then the set made of it."""


def choose_pictures(dataset: str, disabled: bool) -> str | None:
    """Widgets to choose, add, look at and delete sets; the chosen one's id, None for the data set.

    Pictures are shown at the shape of `dataset`, as training will see them.
    """
    chooser = st.container()
    with st.expander("Add own pictures", icon=":material/add_photo_alternate:"):
        _upload(disabled)
    _go_on(disabled)
    made, before, since = st.session_state.get(MADE, ("", None, None))
    settling = since is None or time.monotonic() - since < SETTLING_SECONDS
    if made and settling and st.session_state.get(KEY) in (before, None):
        # A fragment that ran again, or Back, brought what was there before the set was chosen.
        st.session_state[KEY] = made
    title = DATASETS[dataset].title
    offered = [title, *(found.id for found in own_pictures.list_sets())]
    if st.session_state.get(KEY, title) not in offered:
        # Deleted, or another recipe's data set. Set, not forgotten, so that the browser is told.
        st.session_state[KEY] = title
    with chooser:
        chosen = st.selectbox(
            "Learn from", offered, key=KEY, bind="query-params", disabled=disabled
        )
        if chosen != made and not settling and not st.session_state.get(SAID, (True,))[0]:
            del st.session_state[SAID]  # Of a set that was left for another source.
        if SAID in st.session_state:
            error, text = st.session_state[SAID]
            (st.error if error else st.success)(text)
        if chosen == title:
            return None
        if chosen == made and since is None:
            st.session_state[MADE] = made, before, time.monotonic()
        _show(chosen, dataset, disabled)
    return chosen


def _upload(disabled: bool) -> None:
    st.markdown(
        f"A zip of at least {LEAST} pictures, {ZIP_BYTES // MB} MB at most. You see what is in it "
        "before a set is made. Each picture is resized and cropped to the middle. Folders in the "
        "zip become classes. Everyone using this app can see the pictures."
    )
    taken = st.session_state.get(UPLOADS, 0)
    file = st.file_uploader(
        "Zip of pictures",
        "zip",
        key=f"{UPLOADS}-{taken}",
        max_upload_size=ZIP_BYTES // MB,
        disabled=disabled,
    )
    if file is not None and not disabled:
        st.session_state[UPLOADS] = taken + 1
        st.session_state.pop(SAID, None)
        try:
            _look_through(file)
        except GenmodelsError as error:
            st.session_state[SAID] = True, sentence(error)
        finally:
            _forget(file)
        st.rerun()


def _look_through(file: UploadedFile) -> None:
    if sum(os.fstat(other.fileno()).st_size for other in _zips) + file.size > ALL_ZIPS:
        raise DataError("many zips are being looked through; try again in a few minutes.")
    try:
        # On disk, and forgotten there when nobody has it open any longer.
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(file, copy, MB)
    except OSError as error:
        raise DataError(f"{file.name} can't be stored ({error.strerror}).") from error
    _zips.add(copy)
    look = partial(own_pictures.look_through_zip, copy, file.name)
    work.start(WORK, f"Looking through {file.name}", look)


def _forget(file: UploadedFile) -> None:
    """Streamlit would keep a zip in memory as long as the page is open."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def _go_on(disabled: bool) -> None:
    """Shows how far the work is; with the first look, what a set would be made of; and chooses
    the set when it is made."""
    task = work.find(WORK)
    if task is None or not work.watch(task):
        return
    try:
        result: Look | PictureSet | None = task.result()
    except GenmodelsError as error:
        result = None
        st.session_state[SAID] = True, sentence(error)
    else:
        if result is None:
            st.session_state[SAID] = True, f"{plain(task.about)}: stopped. No set was made."
    if isinstance(result, Look):
        _offer(result, disabled)
        return
    work.forget(WORK)
    if result:
        st.session_state[MADE] = result.id, st.session_state.get(KEY), None
        st.session_state[KEY] = result.id
        st.session_state[SAID] = False, plain(f"{result.id} is ready.")


def _offer(look: Look, disabled: bool) -> None:
    """What was found in a zip, and the button that makes a set of it."""
    with st.container(border=True):
        several = len(look.classes) > 1
        many = f"{look.count:,} pictures" + (f" in {len(look.classes)} classes" if several else "")
        st.markdown(f"**{plain(look.title)}**: {many}")
        if several:
            _table({"Class": list(look.classes), "Pictures": list(look.classes.values())})
        if look.left_out:
            st.markdown("Left out:")
            _left_out(look.left_out)
        try:
            look.check()
        except GenmodelsError as error:
            st.error(sentence(error))
            disabled = True
        with st.container(horizontal=True):
            # A callback, which no other press can interrupt.
            st.button(
                "Make this set",
                type="primary",
                icon=":material/add_photo_alternate:",
                disabled=disabled,
                on_click=_make_in_background,
                args=(look,),
            )
            st.button("Discard", on_click=work.forget, args=(WORK,))


def _make_in_background(look: Look) -> None:
    make = partial(_make, look, visitor.key(), is_teacher())
    work.start(WORK, f"Preparing {look.title}", make, long=True)


def _table(columns: dict[str, list]) -> None:
    rows = len(next(iter(columns.values())))
    st.dataframe(columns, hide_index=True, height=TABLE if rows > 8 else "auto")


def _left_out(left_out: Iterable[own_pictures.LeftOut]) -> None:
    rows = [(found.reason, found.count, found.advice, found.listed) for found in left_out]
    columns = zip(*rows, strict=True)
    _table(dict(zip(("Reason", "Files", "What to do", "Names"), map(list, columns), strict=True)))


def _make(look: Look, key: str, teacher: bool, progress: work.Progress) -> PictureSet:
    """Makes a set that belongs to the visitor of that key."""
    jobs.check_room(key=key, teacher=teacher)
    before = {found.id for found in own_pictures.list_sets()}
    made = own_pictures.make(look, progress)
    if made.id not in before:
        jobs.give_to(made.folder, key)
    return made


def _show(set_id: str, dataset: str, disabled: bool) -> None:
    """A set's pictures as training sees them, its counts, and the button that deletes it."""
    chosen = own_pictures.open_set(set_id)
    try:
        shown = own_pictures.preview(set_id, dataset, SHOWN)
    except GenmodelsError as error:
        st.error(sentence(error))
    else:
        channels, height, width = DATASETS[dataset].shape
        kind = f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
        sprite = formats.sprite(shown, COLUMNS, gap=2)
        st.image(
            formats.enlarge(sprite, max(1, 72 // height)),
            caption=f"As the training sees them: {kind}",
            alt=f"{len(shown)} pictures of {chosen.title}, resized and cropped to {kind}",
        )
    st.caption(plain(chosen.about))
    for warning in chosen.warnings:
        st.warning(warning, icon=":material/warning:")
    named = [found for found in chosen.left_out if found.names]
    if named:
        with st.expander("Files that were left out"):
            _left_out(named)
    if not jobs.may_change(chosen.folder, key=visitor.key(), teacher=is_teacher()):
        return
    with st.popover("Delete these pictures", icon=":material/delete:", disabled=disabled):
        learnt = len(own_pictures.learners(set_id))
        st.markdown(
            f"Runs that learnt from them stay, but cannot be resumed: {learnt}."
            if learnt
            else "No run learnt from them."
        )
        st.button("Delete for good", on_click=_delete, args=(set_id,), disabled=disabled)


def _delete(set_id: str) -> None:
    try:
        own_pictures.delete(set_id)
        st.session_state.pop(MADE, None)
        st.session_state[SAID] = False, plain(f"{set_id} is deleted.")
    except GenmodelsError as error:
        st.session_state[SAID] = True, sentence(error)
