"""The choice of what a recipe learns from: its data set, or a set of own pictures."""

import threading
from typing import IO

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from .. import jobs, own_pictures, pictures
from ..errors import GenmodelsError
from ..own_pictures import LEAST, MB, ZIP_BYTES
from ..recipes import DATASETS
from . import visitor
from .permission import is_teacher
from .shell import plain, sentence

SHOWN = 24
COLUMNS = 8
KEY = "pictures"
SAID = "pictures-said"
"""In the session: an error or a success, and the sentence that tells of it."""
UPLOADS = "pictures-uploads"
"""In the session: how many zips were taken; the uploader's key, so that it is empty again."""
_making = threading.Lock()


def choose_pictures(dataset: str, disabled: bool) -> str | None:
    """Widgets to choose, add, look at and delete sets; the chosen one's id, None for the data set.

    Pictures are shown at the shape of `dataset`, as training will see them.
    """
    chooser = st.container()
    with st.expander("Add own pictures", icon=":material/add_photo_alternate:"):
        _upload(disabled)
    title = DATASETS[dataset].title
    offered = [title, *(found.id for found in own_pictures.list_sets())]
    if st.session_state.get(KEY, title) not in offered:
        # Deleted, or another recipe's data set. Set, not forgotten, so that the browser is told.
        st.session_state[KEY] = title
    with chooser:
        chosen = st.selectbox(
            "Learn from", offered, key=KEY, bind="query-params", disabled=disabled
        )
        if SAID in st.session_state:
            error, text = st.session_state[SAID]
            (st.error if error else st.success)(text)
        if chosen == title:
            return None
        _show(chosen, dataset, disabled)
    return chosen


def _upload(disabled: bool) -> None:
    st.markdown(
        f"A zip of at least {LEAST} pictures, {ZIP_BYTES // MB} MB at most. Each is resized and "
        "cropped to the middle. Folders in the zip become classes. Whoever uses this app sees "
        "the pictures."
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
        try:
            _make(file, file.name)
        finally:
            _forget(file)
        st.session_state[UPLOADS] = taken + 1
        st.rerun()


def _forget(file: UploadedFile) -> None:
    """Streamlit would keep a zip in memory as long as the page is open."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def _make(file: IO[bytes], name: str) -> None:
    """Makes a set and chooses it; what came of it is said after the next run of the page."""
    bar = st.progress(0.0, "Waiting for another upload")

    def progress(what: str, done: int, total: int) -> None:
        bar.progress(done / total, f"{what}: {done:,} of {total:,}")

    try:
        with _making:
            jobs.check_room(key=visitor.key(), teacher=is_teacher())
            before = {found.id for found in own_pictures.list_sets()}
            made = own_pictures.from_zip(file, name, progress)
            if made.id not in before:
                jobs.give_to(made.folder, visitor.key())
        st.session_state[KEY] = made.id
        st.session_state[SAID] = False, plain(f"{made.id} is ready.")
    except GenmodelsError as error:
        st.session_state[SAID] = True, sentence(error)


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
        sprite = pictures.sprite(shown, COLUMNS, gap=2)
        st.image(
            pictures.enlarge(sprite, max(1, 72 // height)),
            caption=f"As the training sees them: {kind}",
            alt=f"{len(shown)} pictures of {chosen.title}, resized and cropped to {kind}",
        )
    st.caption(plain(chosen.about))
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
        st.session_state[SAID] = False, plain(f"{set_id} is deleted.")
    except GenmodelsError as error:
        st.session_state[SAID] = True, sentence(error)
