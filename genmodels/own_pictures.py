"""Own pictures: a folder or a zip of them, prepared once as a set that recipes learn from.

    <runs>/.pictures/<id>/
      mnist-train.safetensors   pixels and labels at the shape of a data set; a file for each
                                shape and split, `train` and `val` (a tenth of them)
      set.json                  title, classes and counts; written last: without it there is no set

The files of a zip are read in memory one by one, and nothing is ever unpacked to a disk. torch
is imported only to write a set.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import stat
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps
from safetensors import SafetensorError, safe_open

from . import folders, pictures, runs, shapes
from .errors import DataError
from .recipes import DATASETS, ID
from .runs import Run

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""

MB = 2**20
ZIP_BYTES = 200 * MB
UNPACKED_BYTES = 2000 * MB
"""What the pictures of a zip may have in all; pictures hardly shrink in a zip, bombs do."""
PICTURE_BYTES = 50 * MB
ENTRIES = 100_000
"""Files in a zip, of whatever kind."""
PICTURES = 20_000
PIXELS = 40_000_000
"""Of one picture: more are not decoded."""
LEAST = 16
"""Pictures in a set."""
CLASSES = 100

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
ELONGATED = 8
"""Of a picture longer than so many times its width the ends are cut off before it is resized."""
SPLIT_SEED = 0
HELD_OUT = 0.1
WORKERS = min(4, os.cpu_count() or 1)
"""Threads that decode; each may hold a picture of `PIXELS`."""
TOLD_EVERY = 16
"""Pictures from one call of the progress to the next."""
FORMAT = 1
# Changes whenever the pictures below would come out different.
PREPARATION = (
    "upright, 8 bits, on white, shorter side resized, antialias, centre crop; tenth held out"
)


class Entry(NamedTuple):
    """A file that seems to be a picture."""

    path: PurePosixPath
    """Below the folder or in the zip."""
    size: int
    """In bytes, as far as it is to be believed."""
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class PictureSet:
    """What is known of a set without opening its pictures."""

    id: str
    title: str
    classes: tuple[str, ...]
    """The names of its folders, or the title alone."""
    count: int
    """Pictures in it; the other numbers are of files that were left out."""
    others: int
    damaged: int
    too_large: int

    @property
    def folder(self) -> Path:
        return _folder(self.id)

    def file(self, dataset: str, split: Literal["train", "val"]) -> Path:
        """Its pictures at the shape of a data set, for `data.read_images`."""
        return self.folder / f"{dataset}-{split}.safetensors"

    @property
    def about(self) -> str:
        """Its counts in a line."""
        several = f" in {len(self.classes)} classes" if len(self.classes) > 1 else ""
        return f"{self.count:,} pictures{several}{_left_out(vars(self))}"


def from_path(source: Path, progress: Progress | None = None) -> PictureSet:
    """The set of a folder or of a zip file, made now or before. Raises DataError, RunError."""
    source = runs.absolute(source)
    try:
        if source.is_dir():
            return from_folder(source, progress)
        with source.open("rb") as file:
            return from_zip(file, source.name, progress)
    except FileNotFoundError as error:
        raise DataError(f"there is no {source}; name a folder or a zip of pictures.") from error
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error}).") from error


def from_folder(folder: Path, progress: Progress | None = None) -> PictureSet:
    """The set of all pictures in a folder and below it, made now or before. Raises DataError."""
    progress = progress or (lambda what, done, total: None)
    entries, others = [], 0
    for path in folder.rglob("*"):
        below = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_file() and _is_picture(below):
            entries.append(Entry(below, path.stat().st_size, partial(path.open, "rb")))
            _check_count(folder.name, len(entries))
        else:
            others += path.is_file()
    return _make(folder.name, entries, others, progress)


def from_zip(file: IO[bytes], name: str, progress: Progress | None = None) -> PictureSet:
    """The set of all pictures in a zip file of that name, made now or before.

    Links and paths that lead out of the zip count as files that are no pictures.
    Raises DataError.
    """
    progress = progress or (lambda what, done, total: None)
    size = file.seek(0, os.SEEK_END)
    if size > ZIP_BYTES:
        raise DataError(
            f"{name} has {size / MB:,.0f} MB, and a zip may have {ZIP_BYTES // MB}; "
            "leave pictures out, or make them smaller."
        )
    if _most_entries(file) > ENTRIES:
        raise DataError(f"{name} holds more than {ENTRIES:,} files; zip the pictures alone.")
    with _open_zip(file, name) as archive:
        entries, others = [], 0
        for info in archive.infolist():
            path = PurePosixPath(info.filename.replace("\\", "/"))
            link = stat.S_ISLNK(info.external_attr >> 16)
            leads_out = path.is_absolute() or ".." in path.parts
            if link or leads_out or not _is_picture(path):
                others += not info.is_dir()
                continue
            if info.flag_bits & 1:
                raise DataError(f"{name} is encrypted; make a zip without a password.")
            # Only of these two can a part be decompressed without all of it.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{name} is compressed in a rare way; make an ordinary zip of it.")
            entries.append(Entry(path, info.file_size, partial(archive.open, info)))
        _check_count(name, len(entries))
        if sum(entry.size for entry in entries) > UNPACKED_BYTES:
            raise DataError(
                f"the pictures in {name} have more than {UNPACKED_BYTES // MB:,} MB unpacked; "
                "make them smaller."
            )
        return _make(PurePath(name).stem, entries, others, progress)


def list_sets() -> list[PictureSet]:
    """All sets, the newest first; a damaged one is left out."""
    dated = []
    for folder in list_folders():
        with contextlib.suppress(DataError, OSError):
            time = (folder / "set.json").stat().st_mtime
            dated.append((time, folder.name, open_set(folder.name)))
    return [found for *_, found in sorted(dated, key=lambda item: item[:2], reverse=True)]


def list_folders() -> list[Path]:
    """The folders of all sets, damaged ones too."""
    place = folders.runs() / ".pictures"
    return list(place.iterdir()) if place.is_dir() else []


def open_set(set_id: str) -> PictureSet:
    """The set of that id. Raises DataError when there is none, or it is damaged."""
    path = _folder(set_id) / "set.json"
    try:
        plain = shapes.parse(path.read_bytes(), shapes.PictureSet)
        if plain["format"] != FORMAT:
            raise ValueError(f"format {plain['format']!r}")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"there is no picture set {set_id!r}: it was deleted, or made elsewhere; make it "
            "again from its folder or zip."
        ) from error
    except (ValueError, OSError) as error:
        raise _is_damaged(set_id) from error
    counts = {name: plain[name] for name in ("count", "others", "damaged", "too_large")}
    return PictureSet(set_id, plain["title"], tuple(plain["classes"]), **counts)


def preview(set_id: str, dataset: str, count: int = 24) -> pictures.Images:
    """Some pictures as training sees them, uint8 [n, height, width, channels].

    Raises DataError.
    """
    try:
        with safe_open(open_set(set_id).file(dataset, "train"), "np") as file:
            pixels = file.get_slice("pixels")
            shape = pixels.get_shape()
            if shape[1:] != list(DATASETS[dataset].shape) or pixels.get_dtype() != "U8":
                raise ValueError(f"{pixels.get_dtype()} {shape}")
            return pixels[: min(count, shape[0])].transpose(0, 2, 3, 1)
    except (SafetensorError, OSError, ValueError) as error:
        raise _is_damaged(set_id) from error


def train_count(set_id: str, dataset: str) -> int:
    """How many of its pictures are learnt from. Raises DataError."""
    try:
        with safe_open(open_set(set_id).file(dataset, "train"), "np") as file:
            return file.get_slice("pixels").get_shape()[0]
    except (SafetensorError, OSError) as error:
        raise _is_damaged(set_id) from error


def learners(set_id: str) -> list[Run]:
    """The runs that learn or learnt from a set."""
    found = [run for run in runs.list_runs() if isinstance(run, Run)]
    return [run for run in found if run.recipe.pictures == set_id]


def delete(set_id: str) -> None:
    """Deletes a set. Raises DataError while a run learns from it or waits to."""
    folder = _folder(set_id)
    if not folder.is_dir():
        raise DataError(f"there is no picture set {set_id!r} to delete.")
    for run in learners(set_id):
        if run.status().state in ("waiting", "training"):
            raise DataError(f"{run.id} learns from {set_id}; stop that training first.")
    try:
        (folder / "set.json").unlink(missing_ok=True)
        shutil.rmtree(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be deleted ({error}).") from error


def _folder(set_id: str) -> Path:
    if not ID.fullmatch(set_id):
        raise DataError(
            f"{set_id!r} is no id of a picture set: ids are small letters, digits, dots and dashes."
        )
    return folders.runs() / ".pictures" / set_id


def _is_damaged(set_id: str) -> DataError:
    return DataError(f"the picture set {set_id} is damaged; delete it and make it again.")


def _is_picture(path: PurePosixPath) -> bool:
    """By its ending. What systems put beside pictures begins with a dot or __MACOSX."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in ENDINGS and not hidden


def _check_count(name: str, count: int) -> None:
    if count > PICTURES:
        raise DataError(f"{name} holds more than {PICTURES:,} pictures; leave some out.")


def _most_entries(file: IO[bytes]) -> int:
    """How many entries a zip can have at most.

    zipfile makes an object of every entry when it opens a file, and the number that the file
    gives may be a lie: so their signatures are counted first.
    """
    file.seek(0)
    signatures = 0
    while block := file.read(MB):
        signatures += block.count(b"PK\1\2")
    return signatures


def _open_zip(file: IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # On damaged files zipfile raises whatever its parts raise.
        raise DataError(f"{name} is no zip file, or a damaged one; make it again.") from error


def _digest(entries: list[Entry], progress: Progress) -> str:
    """The SHA-256 of the names and contents, and of what is made of them."""
    digest = hashlib.sha256(PREPARATION.encode())
    for done, entry in enumerate(entries, 1):
        digest.update(f"\n{entry.path}\n".encode(errors="replace"))
        # What cannot be read is found damaged below.
        with contextlib.suppress(Exception), entry.open() as file:
            digest.update(file.read(PICTURE_BYTES))
        if done % TOLD_EVERY == 0 or done == len(entries):
            progress("Reading the pictures", done, len(entries))
    return digest.hexdigest()


def _make(title: str, entries: list[Entry], others: int, progress: Progress) -> PictureSet:
    """Prepares and writes a set, unless it is there. Raises DataError."""
    title = _clean(title) or "pictures"
    entries.sort(key=lambda entry: entry.path)
    set_id = f"{_slug(title)}-{_digest(entries, progress)[:8]}"
    with contextlib.suppress(DataError):
        return open_set(set_id)
    pixels = {
        name: np.empty((len(entries), *dataset.shape), np.uint8)
        for name, dataset in DATASETS.items()
    }
    outcomes = []
    prepare = partial(_prepare, pixels, entries)
    with ThreadPoolExecutor(WORKERS) as pool:
        for outcome in pool.map(prepare, range(len(entries))):
            outcomes.append(outcome)
            done = len(outcomes)
            if done % TOLD_EVERY == 0 or done == len(entries):
                progress("Preparing the pictures", done, len(entries))
    kept = [place for place, outcome in enumerate(outcomes) if outcome == "kept"]
    counts = Counter(outcomes)
    left_out = {"others": others} | {name: counts[name] for name in ("damaged", "too_large")}
    if len(kept) < LEAST:
        raise DataError(
            f"{title} holds {len(kept)} pictures ({', '.join(FORMATS)}), and a training needs at "
            f"least {LEAST}{_left_out(left_out)}."
        )
    classes, labels = _classes([entries[place].path for place in kept], title)
    made = PictureSet(set_id, title, classes, len(kept), **left_out)
    _write(made, {name: images[kept] for name, images in pixels.items()}, labels)
    return made


def _prepare(
    pixels: dict[str, np.ndarray], entries: list[Entry], place: int
) -> Literal["kept", "damaged", "too_large"]:
    """Puts one picture into its place at every shape, unless it is not to be had."""
    entry = entries[place]
    if entry.size > PICTURE_BYTES:
        return "too_large"
    try:
        with entry.open() as file:
            content = file.read(PICTURE_BYTES + 1)
        if len(content) > PICTURE_BYTES:
            return "too_large"
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > PIXELS:  # Nothing is decoded yet.
                return "too_large"
            image.draft(None, (256, 256))  # A JPEG is then decoded at about that size.
            whole = upright(image)
        for name, dataset in DATASETS.items():
            pixels[name][place] = fitted(whole, dataset.shape)
    except Image.DecompressionBombError:
        return "too_large"
    except Exception:  # On damaged files zipfile and Pillow raise whatever their parts raise.
        return "damaged"
    return "kept"


def upright(image: Image.Image) -> Image.Image:
    """As the camera was held, on white where it is transparent, without very long ends."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # Of 16 bits, which Pillow would cut off at 255.
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    longest = ELONGATED * min(image.size)
    left, top = (max(0, side - longest) // 2 for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


def fitted(whole: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture at the shape of a data set, resized and cropped to its middle: uint8 [c, h, w]."""
    from . import data

    channels, size, _ = shape
    picture = data.fit(whole, size).convert("L" if channels == 1 else "RGB")
    return np.asarray(picture).reshape(size, size, channels).transpose(2, 0, 1)


def _classes(paths: list[PurePosixPath], title: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes and each picture's label: the folders, where they are not one or too many."""
    names = [_clean(path.parent.name) or title for path in paths]
    classes = sorted(set(names))
    if not 2 <= len(classes) <= CLASSES:
        return (title,), np.zeros(len(paths), np.int64)
    places = {name: place for place, name in enumerate(classes)}
    return tuple(classes), np.array([places[name] for name in names])


def _write(made: PictureSet, pixels: dict[str, np.ndarray], labels: np.ndarray) -> None:
    """Raises DataError where there is no room; then nothing is left behind."""
    import torch

    from . import data

    order = np.random.default_rng(SPLIT_SEED).permutation(made.count)
    held_out = round(made.count * HELD_OUT)
    splits: dict[Literal["train", "val"], np.ndarray] = {
        "train": order[held_out:],
        "val": order[:held_out],
    }
    source = f"own pictures {made.title}, {PREPARATION}"
    try:
        made.folder.mkdir(parents=True, exist_ok=True)
        for dataset, images in pixels.items():
            for split, part in splits.items():
                tensors = torch.from_numpy(images[part]), torch.from_numpy(labels[part])
                stored = data.Images(*tensors, data.fingerprint(*tensors), f"{source}, {split}")
                data.write_images(made.file(dataset, split), stored)
        plain = {name: value for name, value in vars(made).items() if name != "id"}
        runs.write_json(made.folder / "set.json", {"format": FORMAT, **plain})
    except BaseException as error:
        shutil.rmtree(made.folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise DataError(f"{made.folder} cannot be written ({error}).") from error
        raise


def _left_out(counts: dict[str, int]) -> str:
    """Tells of files that were left out; empty when there were none."""
    words = {"others": "no pictures", "damaged": "damaged", "too_large": "too large"}
    parts = [f"{counts[name]:,} {word}" for name, word in words.items() if counts[name]]
    return f"; left out: {', '.join(parts)}" if parts else ""


def _clean(text: str) -> str:
    """Printable text of at most 60 letters: names in a zip may hold anything."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:60]


def _slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "pictures"
