"""What several pages share: headings, the choice of a run, models and pictures in memory."""

import io
import threading
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import streamlit as st
from PIL import Image

from .. import folders, own_pictures, pictures, runs
from ..errors import DataError, RunError
from ..recipes import DATASETS, Recipe
from ..runs import Damaged, Run
from . import address, runtime, work
from .shell import PageEnd, mistakes_in_place, plain, sentence

MISSING = (
    "The model {} isn't here. It may have been deleted, or the link comes from another computer. "
    "Choose one of those below instead."
)
LONGEST_NAME = 60
"""Letters of a name in an address that are said again."""

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from torch import Tensor

    from ..data import Images


def heading(title: str, lead: str) -> None:
    """A page's name and, in a line or two, what one looks at and what to try."""
    st.header(title, anchor=False)
    st.markdown(lead)


def pictures_first() -> "DeltaGenerator":
    """A place for controls and below them the pictures that they change: on a telephone, where one
    would scroll the other away, the pictures come first."""
    st.html(
        "<style>@media (max-width: 640px) "
        "{ .st-key-pictures-first { flex-direction: column-reverse; } }</style>"
    )
    return st.container(key="pictures-first")


def gallery() -> tuple[list[Run], list[Damaged]]:
    """The runs to show, the shipped ones first, and those that cannot be read."""
    found = list(runs.list_runs())
    shown = [run for run in found if isinstance(run, Run) and not run.recipe.hidden]
    return shown, [run for run in found if isinstance(run, Damaged)]


def choose_run(has: str = "", need: str = "", first: str = "") -> Run:
    """The run the page is about, kept in the address. `has` names a network it must have, `first`
    the run that the page opens with where none was chosen.

    Where the page can't show the one that was chosen elsewhere, another one stands in for it
    here: the next page that can shows it again.
    """
    offered = [run for run in gallery()[0] if not has or has in run.parameters]
    offered = [run for run in offered if any(run.path.glob("*.safetensors"))]
    if not offered:
        empty(f"No {need or 'model'} is here yet. Train one, or restore checkpoints/.")
    ids = [run.id for run in offered]
    index = ids.index(first) if first in ids else 0
    wanted = st.query_params.get("model") if address.asks("model") else None
    wanted = wanted or st.session_state.get("model")
    missed, stand_in = st.session_state.pop("missed", (None, None))
    unchanged = stand_in is not None and wanted in (stand_in, None)
    if unchanged:  # Nothing else was chosen since.
        wanted = missed
    if wanted not in ids and any(run.id == wanted for run in gallery()[0]):
        st.session_state.pop("model", None)
        st.session_state["missed"] = wanted, ids[index]
        address.answered("model")
    else:
        if wanted in ids:
            st.session_state["model"] = wanted
            if wanted != ids[index]:
                address.hold("model", wanted)
        drop_missing("model", ids, MISSING)
    with st.container(key="model_group"):
        chosen = st.selectbox(
            "Model",
            ids,
            index,
            key="model",
            bind="query-params",
            on_change=forget_missing,
            args=("model",),
        )
        run = offered[ids.index(chosen)]
        st.caption(about(run))
    missed, stand_in = st.session_state.get("missed", (None, None))
    if chosen == stand_in:
        st.caption(f"{plain(str(missed))} has no {has}. Other pages go on showing it.")
    return run


def offer_model(run: Run, key: str) -> None:
    """A button that shows another model on this page."""
    st.button(
        f"Switch to {run.id}",
        key=key,
        icon=":material/swap_horiz:",
        on_click=st.session_state.update,
        kwargs={"model": run.id},
    )


def drop_missing(key: str, offered: Iterable[str], words: str) -> None:
    """Forgets what was chosen under `key`, by a link or before, and is not offered; says so by
    `words`, in which {} stands for it, as long as nothing else was chosen on the page.

    To be called before the widget, which has to call `forget_missing` when it changes.
    """
    offered = list(offered)
    chosen = st.query_params.get_all(key) if address.asks(key) else st.session_state.get(key)
    names = [chosen] if isinstance(chosen, str) else list(chosen or [])
    missing = [name for name in names if name and name not in offered]
    if missing:
        st.session_state[f"{key} missing"] = address.page(), missing
        address.answered(key)
        if isinstance(st.session_state.get(key), list):
            st.session_state[key] = [name for name in names if name in offered]
        else:
            st.session_state.pop(key, None)
    on, missing = st.session_state.get(f"{key} missing", ("", []))
    if missing and on == address.page():
        named = ", ".join(plain(name[:LONGEST_NAME]) for name in missing)
        st.warning(words.format(named), icon=":material/help:")


def forget_missing(key: str) -> None:
    """What was missing is not said any more: something else was chosen."""
    st.session_state.pop(f"{key} missing", None)


def choose_class(run: Run, key: str) -> int | None:
    """The class to draw latents of; None for all. Asks only of models that tell them apart."""
    from .. import posteriors

    if getattr(run.recipe, "prior", "normal") != "classes":
        return None
    names = posteriors.classes(run)
    if not names:
        return None
    drop_missing(key, names, "This model has no class {}. Choose another one.")
    chosen = st.selectbox(
        "Class",
        names,
        None,
        key=key,
        bind="query-params",
        placeholder="All classes",
        on_change=forget_missing,
        args=(key,),
    )
    return None if chosen is None else names.index(chosen)


def about(run: Run) -> str:
    """A run in one line."""
    return f"{plain(run.title)} · {size(run)}"


def size(run: Run) -> str:
    """How large a run's networks are, and how long they learnt."""
    parameters = " + ".join(f"{count:,} {name}" for name, count in run.parameters.items())
    epochs = run.status().epoch
    return f"{parameters} parameters · {epochs} epoch{'' if epochs == 1 else 's'}"


def losses_in_words(run: Run) -> str:
    """The last losses on held-out images."""
    last = next((line for line in reversed(run.metrics()) if line["split"] == "val"), {})
    if last.keys() >= {"loss", "reconstruction", "kl"}:
        weight = getattr(run.recipe, "kl_weight", 1.0)
        times = "" if weight == 1 else f"{weight:g} · "
        judged = ""
        if "features" in last:
            weight = getattr(run.recipe, "feature_weight", 0.0)
            judged = f" + {weight:g} · {last['features']:.2f} features"
        return (
            f"Held-out loss **{last['loss']:.1f}** nats = {last['reconstruction']:.1f} "
            f"reconstruction + {times}{last['kl']:.1f} KL{judged}"
        )
    if last.keys() >= {"generator_loss", "discriminator_loss"}:
        unit = "" if getattr(run.recipe, "loss", "") == "hinge" else " nats"
        return (
            f"Held-out losses: generator **{last['generator_loss']:.2f}**, "
            f"discriminator **{last['discriminator_loss']:.2f}**{unit}"
        )
    return f"Held-out loss **{last['loss']:.3f}** nats" if "loss" in last else "Not measured yet."


def opinion_of(run: Run) -> tuple[str, str]:
    """What D(x) of a run's discriminator is: as the title of an axis, and in a sentence."""
    if getattr(run.recipe, "loss", "") == "hinge":
        return (
            "D(x), sigmoid of its answer",
            "D learnt by a hinge loss: its answer is above 0 for real pictures. D(x) is the "
            "sigmoid of it, from 0 to 1, and no probability.",
        )
    return (
        "D(x), probability of being real",
        "D(x) is the probability that it gives a picture to be a real one.",
    )


def empty(text: str) -> NoReturn:
    """Nothing to show: says why and what to do, and ends the page."""
    st.info(text, icon=":material/info:")
    raise PageEnd


def model_of(run: Run) -> Any:
    """The model of a run, in memory once for all sessions. Never change it."""
    stamp = max(path.stat().st_mtime_ns for path in run.path.glob("*.safetensors"))
    with st.spinner("Loading the model", show_time=True):
        return _model(str(run.path), stamp)


@st.cache_resource(max_entries=12, show_spinner=False)
def _model(folder: str, stamp: int) -> Any:
    from .. import weights

    return weights.load(Path(folder))


def tell_who_decodes() -> None:
    """Says so where the server has to decode."""
    if not runtime.available():
        st.caption(
            "The server decodes: the decoder for browsers is not installed. `make app` installs "
            "it where npm is."
        )


def as_pictures(images: Any) -> pictures.Images:
    """A tensor of images as uint8 [n, height, width, channels]."""
    return pictures.from_floats(images.cpu().numpy())


def crisp(image: pictures.Images, height: int = 280) -> Image.Image:
    """One image, its pixels as squares, about `height` pixels high."""
    return pictures.enlarge(pictures.to_pil(image), max(1, height // image.shape[0]))


def last_picture(run: Run, rows: int = 4) -> bytes | None:
    """The newest stored samples, the first `rows` x `rows` of them, as PNG. Raises RunError."""
    stored = run.samples()
    if not stored:
        return None
    newest = max(stored)
    return _corner(str(stored[newest]), stored[newest].stat().st_mtime_ns, run.recipe.shape, rows)


@st.cache_data(max_entries=256, show_spinner=False)
def _corner(path: str, stamp: int, shape: tuple[int, int, int], rows: int) -> bytes:
    picture = stored_picture(Path(path), shape)
    tiles = pictures.split(picture, *shape[1:])
    columns = picture.width // shape[2]
    corner = [tiles[row * columns + column] for row in range(rows) for column in range(rows)]
    sprite = pictures.sprite(pictures.stack(corner), rows)
    enlarged = pictures.enlarge(sprite, max(1, 448 // sprite.height))
    # Quickly: the first page after the start waits for one of each run.
    return pictures.png(enlarged, compress_level=1)


def stored_picture(path: Path, shape: tuple[int, int, int]) -> Image.Image:
    """Samples that a run stored, of images of that shape. Raises RunError."""
    channels, height, width = shape
    side = pictures.columns_for(runs.SAMPLES)
    try:
        with Image.open(path, formats=["WEBP"]) as picture:
            if picture.size != (side * width, side * height):
                raise ValueError(f"{picture.size}")
            return picture.convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path.parent.parent.name}: samples/{path.name} is damaged; restore it or delete it."
        ) from error


def zipped(images: Iterable[Image.Image], name: str) -> bytes:
    """PNG files in a zip archive, named name-001.png and so on."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, image in enumerate(images, 1):
            archive.writestr(f"{name}-{number:03d}.png", pictures.png(image))
    return buffer.getvalue()


_opened: dict[tuple[str, str, Path], "Images"] = {}
_opening = threading.Lock()


def _open_data(dataset: str, split: Literal["train", "val"]) -> "Images":
    """A split of a data set, in memory once for all sessions."""
    from .. import data

    key = dataset, split, folders.data()
    slot = st.empty()

    def progress(what: str, done: int, total: int) -> None:
        slot.progress(done / total, f"{what}: {done:,} of {total:,}")

    if key not in _opened:
        slot.progress(0.0, f"Opening {DATASETS[dataset].title}")
        with _opening:
            _opened[key] = _opened.get(key) or data.load(dataset, split, folders.data(), progress)
    slot.empty()
    return _opened[key]


@st.cache_resource(max_entries=4, show_spinner=False)
def _own_images(recipe: Recipe, split: Literal["train", "val"], stamp: int) -> "Images":
    from .. import data

    return data.of(recipe, split)


def real_images(
    recipe: Recipe,
    split: Literal["train", "val"] = "val",
    without: str = "Without it this page shows what the model makes of its own samples.",
    offer: bool = True,
) -> "Images | None":
    """A split of what a recipe learns from; None where that is not at hand.

    For a data set there is then a button to download it, with `offer`. `without` says what the
    page can do until then.
    """
    from .. import data

    if recipe.pictures is not None:
        try:
            chosen = own_pictures.open_set(recipe.pictures)
        except DataError as error:
            st.info(f"{sentence(error)} {without}", icon=":material/folder_off:")
            return None
        path = chosen.file(recipe.dataset, split)
        return _own_images(recipe, split, path.stat().st_mtime_ns if path.exists() else 0)
    dataset = recipe.dataset
    title = DATASETS[dataset].title
    if not data.available(dataset):
        if offer:
            st.info(
                f"{title} is not on this machine (looked in {plain(str(folders.data()))}). "
                f"{without}",
                icon=":material/download:",
            )
            _offer_download(dataset)
        return None
    return _open_data(dataset, split)


def _offer_download(dataset: str) -> None:
    """A button that downloads a data set, and how far that is."""
    task = work.find(f"download {dataset}")
    if task is not None and not work.watch(task):
        return
    with mistakes_in_place():
        if task is not None:
            task.result()
    st.button(
        f"Download {DATASETS[dataset].title}",
        key=f"download-{dataset}",
        on_click=_download,
        args=(dataset,),
    )


def _download(dataset: str) -> None:
    from .. import data

    def do(progress: work.Progress) -> None:
        data.load(dataset, "val", folders.data(), progress)

    work.start(f"download {dataset}", DATASETS[dataset].title, do, long=True)


def latents_csv(latents: "dict[str, Tensor]") -> bytes:
    """Latents [latent_dim] by name as a table, a row for each number of a latent."""
    lines = [",".join(["dimension", *latents])]
    for number, row in enumerate(zip(*(z.tolist() for z in latents.values()), strict=True), 1):
        lines.append(",".join([str(number), *(f"{value:.6g}" for value in row)]))
    return "\n".join([*lines, ""]).encode()


def downloads(*files: tuple[str, str, Callable[[], bytes] | bytes]) -> None:
    """A row of download buttons: label, file name, content."""
    with st.container(horizontal=True):
        for label, name, content in files:
            st.download_button(
                label, content, name, icon=":material/download:", on_click="ignore", key=name
            )
