"""The choice of what a recipe learns from: its data set, or a set of own pictures."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import IO, NamedTuple

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from genmodels import jobs
from genmodels.data import formats, own_pictures
from genmodels.data.own_pictures import LEAST, MB, ZIP_BYTES, Look, PictureSet
from genmodels.errors import DataError, GenmodelsError
from genmodels.recipes import DATASETS
from genmodels.ui.widgets.arrive import arrive

from . import address, visitor, work
from .permission import is_teacher, why_not
from .shell import plain, sentence

SHOWN = 24
COLUMNS = 8
TABLE = 300
"""Height of a table with many rows, in pixels."""
PARAMETER = "pictures"
"""In the address: what is chosen, where it isn't the data set."""
ALL_ZIPS = 5 * ZIP_BYTES
"""What all zips may have together that are being looked through or made into sets."""
TITLES = [dataset.title for dataset in DATASETS.values()]
_zips: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()
LOOK, MAKE = "pictures-look", "pictures-make"
"""The kinds of work: a look through a zip, and the set made of one. One may wait for the other."""


@dataclass(eq=False)
class Offer:
    """What is offered to be made a set of; nothing once it is made or discarded.

    Streamlit keeps what callbacks hold as long as the session, so they hold this.
    """

    found: "Found | None"


@dataclass
class Chooser:
    """What a session's chooser begins with and says.

    It is changed between two accesses to Streamlit, at any of which a press may begin the page
    again: so never by halves.
    """

    number: int = 0
    """Of the select box, part of its key: a browser can't know a new one by an old choice."""
    next: str | None = None
    """What the select box of that number begins with, whatever the address says."""
    source: str | None = None
    """What was chosen when the page was drawn last."""
    uploads: int = 0
    """How many zips were taken; part of the uploader's key, so that it is empty again."""
    said: tuple[str, str] | None = None
    """The kind of a message, and its sentence."""
    told_of: str | None = None
    """The source that the message belongs to: it goes when another is chosen."""
    presses: int = 0
    """How many sets were begun: what comes of each is brought into view."""

    @property
    def key(self) -> str:
        return f"{PARAMETER}-{self.number}"

    @property
    def uploader(self) -> str:
        return f"{PARAMETER}-uploads-{self.uploads}"

    def choose(self, source: str) -> None:
        """Has the next drawing begin with a source."""
        self.number += 1
        self.next = source

    def say(self, kind: str, text: str, told_of: str | None = None) -> None:
        self.said, self.told_of = (kind, text), told_of


class Found(NamedTuple):
    """What a look through a zip gives."""

    look: Look
    samples: dict[str, formats.Images]
    """Some pictures at the shape of each data set, by its name."""


def chooser() -> Chooser:
    """The session's."""
    return st.session_state.setdefault("pictures chooser", Chooser())


def chosen() -> str | None:
    """What the select box has now: a set's id, or the title of a data set; None before it is
    drawn. For callbacks, which run before that."""
    this = chooser()
    return this.next or st.session_state.get(this.key, this.source)


def choose_pictures(dataset: str, disabled: bool) -> str | None:
    """Widgets to choose, add, look at and delete sets; the chosen one's id, None for the data set.

    Pictures are shown at the shape of `dataset`, as training will see them.
    """
    this = chooser()
    box = st.container()
    with st.expander("Add own pictures", icon=":material/add_photo_alternate:"):
        _upload(disabled)
    mark = st.container()
    _go_on(dataset, disabled)
    with mark:
        arrive(this.presses, key="arrive-pictures")
    title = DATASETS[dataset].title
    offered = [title, *(found.id for found in own_pictures.list_sets())]
    begin = _begin_with(this, title)
    value = st.session_state[this.key] if begin is None else begin
    if begin is not None or value not in offered:
        # Set, not forgotten, so that the browser is told.
        st.session_state[this.key] = value if value in offered else title
    if value not in (*offered, *TITLES):
        text = f"There is no picture set {value}: it was deleted, or made elsewhere."
        this.say("warning", plain(f"{text} Choose what to learn from."), title)
    source = box.selectbox("Learn from", offered, key=this.key, disabled=disabled)
    this.next, this.source = None, source
    address.put(PARAMETER, "" if source == title else source)
    if this.told_of not in (None, source):
        this.said = this.told_of = None
    if this.said is not None:
        kind, text = this.said
        getattr(st, kind)(text)
    if source == title:
        return None
    _show(source, dataset, disabled)
    return source


def _begin_with(this: Chooser, title: str) -> str | None:
    """What a select box that isn't on the page yet begins with; None where it is."""
    if this.next is not None:
        return this.next
    if this.key in st.session_state:
        return None
    asked = st.query_params.get(PARAMETER)
    if asked is None and not address.came_back():
        asked = this.source
    return asked or title


def _upload(disabled: bool) -> None:
    st.markdown(
        f"A zip of at least {LEAST} pictures, {ZIP_BYTES // MB} MB at most. You see what is in it "
        "before a set is made. Each picture is resized and cropped to the middle. Folders in the "
        "zip become classes. Everyone using this app can see the pictures."
    )
    key = chooser().uploader
    st.file_uploader(
        "Zip of pictures",
        "zip",
        key=key,
        max_upload_size=ZIP_BYTES // MB,
        disabled=disabled,
        # Callbacks come before the page is drawn, and no other press can interrupt them.
        on_change=_take_upload,
        args=(key,),
    )


def _take_upload(key: str) -> None:
    """Begins to look through a zip as soon as it is here, and says what becomes of others."""
    this = chooser()
    # Where the page began again before it was drawn, Streamlit calls this again for the same file.
    if key != this.uploader or why_not():
        return
    file = st.session_state.get(key)
    if file is None:
        return
    this.uploads += 1
    this.said = None
    st.toast(f"{plain(file.name)} is here.", icon=":material/check:")
    before, making = work.find(LOOK), work.find(MAKE)
    try:
        _look_through(file)
    except GenmodelsError as error:
        this.say("error", sentence(error))
        return
    finally:
        _forget(file)
    if before:
        told = f"{file.name} takes the place of {before.key}, of which no set was made."
        this.say("info", plain(told))
    elif making and not making.over.is_set():
        this.say("info", plain(f"{file.name} is next, when the set before it is made."))


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
    look = partial(_look, copy, file.name)
    work.start(LOOK, f"Looking through {file.name}", look, key=file.name)


def _look(file: IO[bytes], name: str, progress: work.Progress) -> Found:
    look = own_pictures.look_through_zip(file, name, progress)
    return Found(look, own_pictures.sample(look, SHOWN, progress))


def _forget(file: UploadedFile) -> None:
    """Streamlit would keep a zip in memory as long as the page is open."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def _go_on(dataset: str, disabled: bool) -> None:
    """Shows how far the work is, chooses a set that is made, and offers to make one of what was
    found in a zip."""
    making, looking = work.find(MAKE), work.find(LOOK)
    if making and work.watch(making):
        _take(making)
        making = None
    if looking and work.watch(looking):
        try:
            found = looking.result()
        except GenmodelsError as error:
            chooser().say("error", sentence(error))
            found = None
        else:
            if found is None:
                chooser().say("info", f"{plain(looking.about)}: stopped. No set was made.")
        if found is None:
            work.forget(LOOK)
        else:
            _offer(found, dataset, disabled, busy=making is not None)


def _take(making: work.Task) -> None:
    """Chooses the set that was made, or says why there is none."""
    this = chooser()
    try:
        made = making.result()
    except GenmodelsError as error:
        this.say("error", sentence(error))
        made = None
    else:
        if made is None:
            this.say("error", f"{plain(making.about)}: stopped. No set was made.")
    if made is not None:
        this.choose(made.id)
        this.say("success", plain(f"{made.id} is ready."), made.id)
    # Last: interrupted before, it is done again.
    work.forget(MAKE)
    if made is not None:  # For whoever is elsewhere on the page by now.
        st.toast(f"{plain(made.id)} is ready, and chosen.", icon=":material/check:")


def _offer(found: Found, dataset: str, disabled: bool, busy: bool) -> None:
    """What was found in a zip, and the button that makes a set of it."""
    look, offer = found.look, Offer(found)
    with st.container(border=True):
        several = len(look.classes) > 1
        many = f"{look.count:,} pictures" + (f" in {len(look.classes)} classes" if several else "")
        st.markdown(f"**{plain(look.title)}**: {many}")
        try:
            look.check()
        except GenmodelsError as error:
            st.error(sentence(error))
            disabled = True
        else:
            _warn(look.warnings)
        if len(found.samples[dataset]):
            _show_sample(found.samples[dataset], look.title, dataset)
        if several:
            _table({"Class": list(look.classes), "Pictures": list(look.classes.values())})
        if look.left_out:
            st.markdown("Left out:")
            _left_out(look.left_out)
        with st.container(horizontal=True):
            st.button(
                "Make this set",
                type="primary",
                icon=":material/add_photo_alternate:",
                disabled=disabled or busy,
                help="Another set is being made. Wait until it is ready." if busy else None,
                on_click=_make_in_background,
                args=(offer,),
            )
            st.button("Discard", on_click=_discard, args=(offer,))


def _make_in_background(offer: Offer) -> None:
    this, making, found = chooser(), work.find(MAKE), offer.found
    # Streamlit may call this again, as above.
    if why_not() or found is None or (making and making.key is found):
        return
    # At once, and wherever on the page one is: what follows may take a while.
    st.toast(f"Making a set of {plain(found.look.title)} …", icon=":material/hourglass_top:")
    if making and not making.over.is_set():
        this.say("info", "Another set is being made. Make this one when that is ready.")
        return
    if making:
        _take(making)
    this.presses += 1
    make = partial(_make, found.look, visitor.key(), is_teacher())
    work.start(MAKE, f"Preparing {found.look.title}", make, key=found, long=True)
    _discard(offer)


def _discard(offer: Offer) -> None:
    """Forgets what was found in a zip; not another zip, which may have come since."""
    this, looking, found = chooser(), work.find(LOOK), offer.found
    if found and looking and looking.over.is_set() and looking.result() is found:
        work.forget(LOOK)
    this.said = offer.found = None


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        st.warning(warning, icon=":material/warning:")


def _show_sample(shown: formats.Images, title: str, dataset: str) -> None:
    channels, height, width = DATASETS[dataset].shape
    kind = f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
    sprite = formats.enlarge(formats.sprite(shown, COLUMNS, gap=2), max(1, 72 // height))
    st.image(
        # Not a file of Streamlit's: it is gone before a slow browser asks, where a press hides it.
        formats.content_url(formats.png(sprite), "png"),
        caption=f"As the training sees them: {kind}",
        alt=f"{len(shown)} pictures of {title}, resized and cropped to {kind}",
    )


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
        _show_sample(shown, chosen.title, dataset)
    st.caption(plain(chosen.about))
    _warn(chosen.warnings)
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
        st.button("Delete for good", on_click=_delete, args=(set_id, dataset), disabled=disabled)


def _delete(set_id: str, dataset: str) -> None:
    this = chooser()
    try:
        own_pictures.delete(set_id)
    except GenmodelsError as error:
        this.say("error", sentence(error))
    else:
        this.choose(DATASETS[dataset].title)
        this.say("success", plain(f"{set_id} is deleted."))
