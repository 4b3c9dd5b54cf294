"""Own pictures: a folder or a zip of them, prepared once as a set that recipes learn from.

    <runs>/.pictures/<id>/
      mnist-train.safetensors   pixels and labels at the shape of a data set; a file for each
                                shape and split, `train` and `val` (a tenth of them)
      set.json                  title, classes and counts; written last: without it there is no set

A first look, `look_through` or `look_through_zip`, tells classes and what is left out; `make` then
decodes. The files of a zip are read in memory one by one, and nothing is ever unpacked to a disk.
torch is imported only to write a set.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open

from genmodels import paths, runs
from genmodels.errors import DataError
from genmodels.recipes import DATASETS, ID
from genmodels.runs import Run, schemas

from . import formats, image_tensors

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""

MB = 2**20
ZIP_BYTES = 200 * MB
"""Of a zip, and of all zips inside one."""
UNPACKED_BYTES = 2000 * MB
"""What the pictures of a zip may have in all; pictures hardly shrink in a zip, bombs do."""
PICTURE_BYTES = 50 * MB
ENTRIES = 100_000
"""Files in a zip, of whatever kind."""
PICTURES = 20_000
PIXELS = 50_000_000
"""Of one picture: more are not decoded."""
LEAST = 16
"""Pictures in a set."""
CLASSES = 100
MEASURABLE = 35
"""Pictures in a set whose models can be measured: that takes four held-out ones."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp")
NO_PICTURE, DAMAGED, TOO_LARGE = "not a picture", "damaged", "too large"
HIDDEN = "hidden or system file"
UNREADABLE = "can't be opened"
INNER_ZIP = "zip in a zip"
SAVE_AS = "save as JPEG or PNG"
ADVICE = {
    "HEIC": "export as JPEG, or on an iPhone set Settings, Camera, Formats to Most Compatible",
    "AVIF": SAVE_AS,
    "TIFF": SAVE_AS,
    "camera raw": "export as JPEG",
    "JPEG XL": SAVE_AS,
    "JPEG 2000": SAVE_AS,
    "Photoshop": SAVE_AS,
    "icon": SAVE_AS,
    "SVG": "export as PNG",
    "PDF": "export the pages as JPEG or PNG",
    "video": "save single frames as JPEG or PNG",
    "archive": "unpack it first",
    INNER_ZIP: "unpack it first",
    DAMAGED: "save again, or copy again from where it comes from",
    TOO_LARGE: f"make smaller: at most {PIXELS // 10**6} megapixels and {PICTURE_BYTES // MB} MB",
    UNREADABLE: "check the permissions, and where links lead",
    "in iCloud": "download it to this computer first",
    "compressed in a rare way": "make an ordinary zip",
    "link": "put the picture itself into the zip",
    "path out of the zip": "make the zip from inside the folder",
    "empty folder": "unpack or copy the folder again",
}
"""What to do about files that are left out, by the reason."""
SIGNATURES = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "JPEG 2000": (b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51"),
    "Photoshop": b"8BPS",
    "icon": b"\0\0\1\0",
    "PDF": b"%PDF",
    "video": (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3"),
    "archive": (b"PK\3\4", b"PK\5\6", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b"),
}
"""How files begin; the formats that need a closer look are in `format_of`."""
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "camera raw",
}
"""What an ISO media file is, by its brand; all others are videos."""
RAW_ENDINGS = (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf")
HEAD = 512
"""Bytes of a file that tell its format."""
OLD_COUNTS = {"others": NO_PICTURE, "damaged": DAMAGED, "too_large": TOO_LARGE}
"""What sets of format 1 counted, without names."""
SPLIT_FOLDERS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_NO_LATIN = r"(?!.*([a-z][^\x00-\x7f]|[^\x00-\x7f][a-z]))"
ENCODINGS = {
    "utf-8": re.compile(r".*", re.DOTALL),
    # As letters of a Latin word, these of the Far East are beside small ASCII ones.
    "cp932": re.compile(_NO_LATIN + r"[\x00-\x7f\u3005\u3041-\u30fe\u4e00-\u9fff]*"),
    "gbk": re.compile(_NO_LATIN + r"[\x00-\x7f\u4e00-\u9fff]*"),
    "cp437": re.compile(r"[\x00-\x7fÀ-ÖØ-öø-ÿ]*"),
    "cp866": re.compile(r"(?!.*([A-Za-z][Ѐ-џ]|[Ѐ-џ][A-Za-z]))[\x00-\x7fЀ-џ]*"),
    "cp1252": re.compile(r"[\x00-\x7fÀ-ÖØ-öø-ÿ]*"),
}
"""How names in zips may be encoded, and what they look like then."""
LONGEST = 60
"""Letters of a title or of a class's name."""
NAMES = 20
"""Names told of the files that were left out for a reason."""
ELONGATED = 8
"""Of a picture longer than so many times its width the ends are cut off before it is resized."""
SPLIT_SEED = 0
HELD_OUT = 0.1
WORKERS = min(4, os.cpu_count() or 1)
"""Threads that decode; each may hold a picture of `PIXELS`."""
TOLD_EVERY = 16
"""Pictures from one call of the progress to the next."""
FORMAT = 2
# Changes whenever the pictures below would come out different.
PREPARATION = (
    "upright, 8 bits, on white, or black where all is bright, shorter side resized, antialias, "
    "centre crop; tenth held out"
)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What puts a picture upright, by its EXIF orientation."""
BRIGHT = 216
"""A transparent picture of at least this mean brightness would vanish on white."""


class UnfitPicture(DataError):
    """A file that can't be opened as a picture; `reason` is one of those in `ADVICE`, or none."""

    def __init__(self, reason: str, sentence: str):
        super().__init__(sentence)
        self.reason = reason


class Entry(NamedTuple):
    """A file that seems to be a picture."""

    path: PurePosixPath
    """Below the folder or in the zip."""
    size: int
    """In bytes, as far as it is to be believed."""
    open: Callable[[], IO[bytes]]


class LeftOut(NamedTuple):
    """Files that are not in a set, for one reason."""

    reason: str
    count: int
    names: tuple[str, ...]
    """The first ones."""

    @property
    def advice(self) -> str:
        return ADVICE.get(self.reason, "")

    @property
    def listed(self) -> str:
        """The names, and how many more there are."""
        more = self.count - len(self.names)
        return ", ".join(self.names) + (f" and {more:,} more" if more else "")


@dataclass(frozen=True)
class PictureSet:
    """What is known of a set without opening its pictures."""

    id: str
    title: str
    classes: tuple[str, ...]
    """The names of its folders, or the title alone."""
    count: int
    """Pictures in it."""
    left_out: tuple[LeftOut, ...] = ()
    copies: int = 0
    """Pictures in it that look, as training sees them, just like an earlier one."""

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
        return f"{self.count:,} pictures{several}{_in_words(self.left_out)}"

    @property
    def warnings(self) -> list[str]:
        """Sentences on what will be missing or wrong with models that learn from it."""
        return _warnings(self.count, self.copies)


@dataclass(frozen=True)
class Look:
    """What a folder or zip seems to hold, before any picture is decoded."""

    title: str
    classes: dict[str, int]
    """How many pictures each class has."""
    left_out: tuple[LeftOut, ...]
    entries: list[Entry] = field(repr=False)
    copies: int = 0
    """Files that are just like an earlier one. The pictures of others may still look the same."""

    @property
    def count(self) -> int:
        return len(self.entries)

    @property
    def warnings(self) -> list[str]:
        """Those of the set that would be made, as far as they are known."""
        return _warnings(self.count, self.copies)

    def check(self) -> None:
        """Raises DataError where no set can be made of so few."""
        _check_enough(self.title, self.count, self.left_out)


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
    return make(look_through(folder, progress), progress)


def from_zip(file: IO[bytes], name: str, progress: Progress | None = None) -> PictureSet:
    """The set of all pictures in a zip file of that name, made now or before. Raises DataError."""
    return make(look_through_zip(file, name, progress), progress)


def look_through(folder: Path, progress: Progress | None = None) -> Look:
    """What a folder holds, links followed. Raises DataError."""
    scan = _Scan(folder.name, progress)
    for place, below, files in os.walk(folder, onerror=scan.cannot_open, followlinks=True):
        path = Path(place)
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        for name in sorted(below):
            if _hidden(PurePosixPath(name)):
                scan.leave(HIDDEN, relative / name)
            elif path.resolve().is_relative_to((path / name).resolve()):
                scan.leave("link in a circle", relative / name)
            else:
                continue
            below.remove(name)
        if not below and not files:
            scan.leave("empty folder", relative)
        for name in sorted(files):
            file = path / name
            size = file.stat().st_size if file.is_file() else 0
            scan.add(Entry(relative / name, size, partial(file.open, "rb")))
    return scan.look(folder.name)


def look_through_zip(file: IO[bytes], name: str, progress: Progress | None = None) -> Look:
    """What a zip of that name holds, and zips inside it. Raises DataError.

    Links and paths that lead out of the zip are left out.
    """
    size = file.seek(0, os.SEEK_END)
    if size > ZIP_BYTES:
        raise DataError(
            f"{name} has {size / MB:,.0f} MB, and a zip may have {ZIP_BYTES // MB}; "
            "leave pictures out, or make them smaller."
        )
    scan = _Scan(name, progress)
    scan.check_files(file)
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # On damaged files zipfile raises whatever its parts raise.
        raise DataError(f"{name} is no zip file, or a damaged one; make it again.") from error
    scan.add_zip(archive, PurePosixPath())
    return scan.look(PurePath(name).stem)


class _Scan:
    """A look through files, one by one."""

    def __init__(self, name: str, progress: Progress | None):
        self.name = name
        self.progress = progress or (lambda what, done, total: None)
        self.entries: list[Entry] = []
        self.left: dict[str, list[str]] = {}
        self.files = self.unpacked = self.zipped = 0

    def leave(self, reason: str, path: PurePosixPath) -> None:
        self.left.setdefault(reason, []).append(_printable(str(path)))

    def cannot_open(self, error: OSError) -> None:
        self.leave(UNREADABLE, PurePosixPath(PurePath(error.filename or "").name))

    def add(self, entry: Entry, inner: bool = False) -> None:
        """Looks at a file that is neither a link nor encrypted; `inner` is one in a zip in a zip.

        What it is, its first bytes say: not its name.
        """
        path, ending = entry.path, entry.path.suffix.lower()
        if _hidden(path):
            self.leave("in iCloud" if ending == ".icloud" else HIDDEN, path)
            return
        try:
            with entry.open() as file:
                head = file.read(HEAD)
        except OSError:
            self.leave(UNREADABLE, path)
            return
        except Exception:  # On damaged files zipfile raises whatever its parts raise.
            self.leave(DAMAGED, path)
            return
        kind = format_of(head)
        if kind == "TIFF" and ending in RAW_ENDINGS:
            kind = "camera raw"
        if kind == "archive" and ending == ".zip":
            self._add_inner(entry, inner)
        elif kind in FORMATS or (ending in ENDINGS and entry.size > PICTURE_BYTES):
            if entry.size > PICTURE_BYTES:
                self.leave(TOO_LARGE, path)
                return
            self.entries.append(entry)
            if len(self.entries) > PICTURES:
                raise DataError(
                    f"{self.name} holds more than {PICTURES:,} pictures; leave some out."
                )
        else:
            self.leave(kind or (DAMAGED if ending in ENDINGS else NO_PICTURE), path)

    def check_files(self, file: IO[bytes]) -> None:
        """Raises DataError where a zip may hold too many entries.

        zipfile makes an object of every entry when it opens a file, and the number that the file
        gives may be a lie: so their signatures are counted first.
        """
        file.seek(0)
        while block := file.read(MB):
            self.files += block.count(b"PK\1\2")
        if self.files > ENTRIES:
            raise DataError(
                f"{self.name} holds more than {ENTRIES:,} files; zip the pictures alone."
            )

    def add_zip(self, archive: zipfile.ZipFile, below: PurePosixPath) -> None:
        """Looks at the files of a zip, which are to be known as those below a path."""
        listed = archive.infolist()
        names = _decoded([info for info in listed if not info.flag_bits & 0x800])
        paths = [
            PurePosixPath(names.get(info.filename, info.filename).replace("\\", "/"))
            for info in listed
        ]
        sizes = [info.file_size for info in listed if info.file_size <= PICTURE_BYTES]
        self.unpacked += sum(sizes)
        if self.unpacked > UNPACKED_BYTES:
            raise DataError(
                f"the pictures in {self.name} have more than {UNPACKED_BYTES // MB:,} MB "
                "unpacked; make them smaller."
            )
        filled = {parent for path in paths for parent in path.parents}
        for done, (info, path) in enumerate(zip(listed, paths, strict=True), 1):
            if done % TOLD_EVERY == 0 or done == len(listed):
                self.progress("Looking at the files", done, len(listed))
            if path.is_absolute() or ".." in path.parts:
                self.leave("path out of the zip", path)
            elif info.is_dir():
                if path not in filled and not _hidden(path):
                    self.leave("empty folder", below / path)
            elif stat.S_ISLNK(info.external_attr >> 16):
                self.leave("link", below / path)
            elif info.flag_bits & 1 and not _hidden(path):
                raise DataError(f"{self.name} is encrypted; make a zip without a password.")
            # Only of these two can a part be decompressed without all of it.
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self.leave("compressed in a rare way", below / path)
            else:
                entry = Entry(below / path, info.file_size, partial(archive.open, info))
                self.add(entry, inner=below != PurePosixPath())

    def _add_inner(self, entry: Entry, inner: bool) -> None:
        """Looks into a zip that lies in a zip or folder, but into none inside that one."""
        self.zipped += entry.size
        if inner or self.zipped > ZIP_BYTES:
            self.leave(INNER_ZIP, entry.path)
            return
        try:
            with entry.open() as file:
                content = io.BytesIO(file.read(min(entry.size, ZIP_BYTES)))
            self.check_files(content)
            archive = zipfile.ZipFile(content)
        except DataError:
            raise
        except Exception:  # As above.
            self.leave(DAMAGED, entry.path)
        else:
            self.add_zip(archive, entry.path.with_suffix(""))

    def look(self, title: str) -> Look:
        title = _clean(title) or "pictures"
        self.entries.sort(key=lambda entry: entry.path)
        names = _class_names([entry.path for entry in self.entries], title)
        classes = dict(sorted(Counter(names).items()))
        return Look(title, classes, _told(self.left), self.entries, self._copies())

    def _copies(self) -> int:
        """How many files have the content of an earlier one."""
        sizes = Counter(entry.size for entry in self.entries)
        alike = [entry for entry in self.entries if sizes[entry.size] > 1]
        copies, seen = 0, set()
        for done, entry in enumerate(alike, 1):
            # What cannot be read is found damaged when a set is made.
            with contextlib.suppress(Exception), entry.open() as file:
                content = hashlib.sha256(file.read(PICTURE_BYTES)).digest()
                copies += content in seen
                seen.add(content)
            if done % TOLD_EVERY == 0 or done == len(alike):
                self.progress("Looking for copies", done, len(alike))
        return copies


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
    place = paths.runs() / ".pictures"
    return list(place.iterdir()) if place.is_dir() else []


def open_set(set_id: str) -> PictureSet:
    """The set of that id. Raises DataError when there is none, or it is damaged."""
    path = _folder(set_id) / "set.json"
    try:
        plain = schemas.parse(path.read_bytes(), schemas.PictureSet)
        if plain["format"] not in (1, FORMAT):
            raise ValueError(f"format {plain['format']!r}")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"the picture set {set_id!r} doesn't exist: it was deleted, or made elsewhere. Make it "
            "again from its folder or zip."
        ) from error
    except (ValueError, OSError) as error:
        raise _is_damaged(set_id) from error
    left = [
        (found["reason"], found["count"], found["names"]) for found in plain.get("left_out", ())
    ]
    for name, reason in OLD_COUNTS.items():
        if plain.get(name):
            left.append((reason, plain[name], []))
    left_out = tuple(LeftOut(reason, count, tuple(names)) for reason, count, names in left)
    classes, copies = tuple(plain["classes"]), plain.get("copies", 0)
    return PictureSet(set_id, plain["title"], classes, plain["count"], left_out, copies)


def preview(set_id: str, dataset: str, count: int = 24) -> formats.Images:
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
        raise DataError(
            f"the picture set {set_id!r} doesn't exist: it may have been deleted already."
        )
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
    return paths.runs() / ".pictures" / set_id


def _is_damaged(set_id: str) -> DataError:
    return DataError(f"the picture set {set_id} is damaged; delete it and make it again.")


def _hidden(path: PurePosixPath) -> bool:
    """Whether systems put it beside pictures: it begins with a dot or __MACOSX."""
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


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


def make(look: Look, progress: Progress | None = None) -> PictureSet:
    """Prepares and writes the set of what was looked through, unless it is there.

    Raises DataError.
    """
    progress = progress or (lambda what, done, total: None)
    set_id = f"{_slug(look.title)}-{_digest(look.entries, progress)[:8]}"
    with contextlib.suppress(DataError):
        return open_set(set_id)
    look.check()
    # `fitted` needs it. Imported by several threads at once, modules may be seen half made.
    from torchvision.transforms import functional  # noqa: F401

    # In the order of the splits, so that nothing need be copied later.
    entries = _shuffled(look)
    pixels = _room(len(entries))
    left = {found.reason: list(found.names) for found in look.left_out}
    more = {found.reason: found.count for found in look.left_out}
    kept = []
    prepare = partial(_prepare, pixels, entries)
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for place, reason in enumerate(pool.map(prepare, range(len(entries)))):
                if reason:
                    left.setdefault(reason, []).append(_printable(str(entries[place].path)))
                    more[reason] = more.get(reason, 0) + 1
                else:
                    kept.append(place)
                done = place + 1
                if done % TOLD_EVERY == 0 or done == len(entries):
                    progress("Preparing the pictures", done, len(entries))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    left_out = tuple(
        LeftOut(reason, count, tuple(left[reason][:NAMES])) for reason, count in more.items()
    )
    _check_enough(look.title, len(kept), left_out)
    for images in pixels.values():
        for place, old in enumerate(kept):
            if place != old:
                images[place] = images[old]
    pixels = {name: images[: len(kept)] for name, images in pixels.items()}
    names = _class_names([entries[place].path for place in kept], look.title)
    classes = sorted(set(names))
    labels = np.array([classes.index(name) for name in names])
    seen = {hashlib.sha256(image.data).digest() for image in pixels["imagenette"]}
    copies = len(kept) - len(seen)
    made = PictureSet(set_id, look.title, tuple(classes), len(kept), left_out, copies)
    _write(made, pixels, labels)
    return made


def sample(look: Look, count: int, progress: Progress | None = None) -> dict[str, formats.Images]:
    """Some pictures that a set made of a look would train on, as training would see them at the
    shape of each data set: uint8 [n, height, width, channels]. Damaged ones are left out."""
    from torchvision.transforms import functional  # noqa: F401  As in `make`.

    progress = progress or (lambda what, done, total: None)
    entries = _shuffled(look)[round(look.count * HELD_OUT) :][:count]
    pixels, kept = _room(len(entries)), []
    for place in range(len(entries)):
        if not _prepare(pixels, entries, place):
            kept.append(place)
        progress("Opening some pictures", place + 1, len(entries))
    return {name: images[kept].transpose(0, 2, 3, 1) for name, images in pixels.items()}


def _shuffled(look: Look) -> list[Entry]:
    """The held-out pictures come first."""
    order = np.random.default_rng(SPLIT_SEED).permutation(look.count)
    return [look.entries[place] for place in order]


def _room(count: int) -> dict[str, np.ndarray]:
    """Room for so many pictures at the shape of each data set, by its name."""
    return {name: np.empty((count, *dataset.shape), np.uint8) for name, dataset in DATASETS.items()}


def _warnings(count: int, copies: int) -> list[str]:
    told = []
    if copies:
        are = "is a copy of another" if copies == 1 else "are copies of others"
        told.append(
            f"{copies:,} of the {count:,} pictures {are}. Copies among the held-out pictures "
            "make a model look better than it is."
        )
    if count < MEASURABLE:
        told.append(
            f"Models that learn from {count} pictures can't be measured: that takes at least "
            f"{MEASURABLE}."
        )
    return told


def _check_enough(title: str, count: int, left_out: tuple[LeftOut, ...]) -> None:
    if count >= LEAST:
        return
    advice = max(left_out, key=lambda found: found.count).advice if left_out else ""
    raise DataError(
        f"{title} holds {count} pictures ({', '.join(FORMATS)}), and a training needs at "
        f"least {LEAST}{_in_words(left_out)}{f' ({advice})' if advice else ''}."
    )


def _prepare(pixels: dict[str, np.ndarray], entries: list[Entry], place: int) -> str:
    """Puts one picture into its place at every shape; why not, where it is not to be had."""
    try:
        with entries[place].open() as file:
            content = file.read(PICTURE_BYTES + 1)
        if len(content) > PICTURE_BYTES:
            return TOO_LARGE
        whole = open_picture(content, 256)
    except UnfitPicture as error:
        return error.reason
    except Exception:  # On damaged files zipfile raises whatever its parts raise.
        return DAMAGED
    for name, dataset in DATASETS.items():
        pixels[name][place] = fitted(whole, dataset.shape)
    return ""


def open_picture(content: bytes, least: int) -> Image.Image:
    """A picture upright and on plain ground; a JPEG decoded at no less than about `least` pixels.

    What it is, its content says. Raises UnfitPicture.
    """
    kind = format_of(content[:HEAD])
    if kind not in FORMATS:
        if not kind:
            sentence = f"this file isn't a picture; choose one of {', '.join(FORMATS)}."
        else:
            advice = ADVICE[kind]
            sentence = f"{kind} files can't be read: {advice}."
        raise UnfitPicture(kind or NO_PICTURE, sentence)
    try:
        try:
            return _decode(content, kind, least)
        except (UnfitPicture, Image.DecompressionBombError):
            raise
        except Exception:  # As below. Large text or profiles in a PNG don't spoil its pixels.
            if kind != "PNG":
                raise
            return _decode(_bare_png(content), kind, least)
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except UnfitPicture:
        raise
    except Exception as error:  # On damaged files Pillow raises whatever its parts raise.
        raise UnfitPicture(
            DAMAGED, "this picture is damaged; save it again, or choose another."
        ) from error


def _decode(content: bytes, kind: str, least: int) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=[kind]) as image:
        size = image.size  # Nothing is decoded yet.
        image.draft(None, (least, least))
        if not image.info.get("progressive"):  # Such a JPEG is held whole to be decoded.
            size = image.size
        if size[0] * size[1] > PIXELS:
            raise _too_large()
        return upright(image)


def _too_large() -> UnfitPicture:
    sentence = f"the picture has more than {PIXELS // 10**6} million pixels; make it smaller."
    return UnfitPicture(TOO_LARGE, sentence)


def _bare_png(content: bytes) -> bytes:
    """A PNG without texts and colour profile, which Pillow refuses when they are large."""
    kept, start = [content[:8]], 8
    while start + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(content[start : start + length + 12])
        start += length + 12
    return b"".join(kept)


def format_of(head: bytes) -> str:
    """The format of a file by its first `HEAD` bytes: of `FORMATS`, or one that `ADVICE` knows;
    empty for what is no picture."""
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "video")
    if head[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": "video"}.get(head[8:12], "")
    if head[:2] == b"BM":  # So may a text begin.
        return "BMP" if head[6:10] == bytes(4) and head[15:18] == bytes(3) else ""
    if re.match(rb"(\xef\xbb\xbf)?\s*<(\?xml.*<)?svg", head, re.DOTALL):
        return "SVG"
    return next((kind for kind, begins in SIGNATURES.items() if head.startswith(begins)), "")


def upright(image: Image.Image) -> Image.Image:
    """As the camera was held, of 8 bits, on plain ground where it is transparent, without very
    long ends."""
    image.load()
    turn = None
    with contextlib.suppress(Exception):  # Damage in what was noted there harms no pixel.
        turn = TURNS.get(image.getexif().get(0x0112, 1))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I"):  # Of up to 16 bits: cameras and scanners fill 10, 12 or 14.
        levels = np.asarray(image).astype(np.int64).clip(0, 65535)
        bits = max(8, (int(levels.max()).bit_length() + 1) // 2 * 2)
        image = Image.fromarray((levels * 255 // (2**bits - 1)).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        # Some of the pixels will do.
        few = image.resize([min(side, 512) for side in image.size], Image.Resampling.NEAREST)
        grey, alpha = np.asarray(few.convert("LA"), np.uint32).transpose(2, 0, 1)
        bright = (grey * alpha).sum() > BRIGHT * alpha.sum()
        ground = Image.new("RGBA", image.size, "black" if bright else "white")
        image = Image.alpha_composite(ground, image)
    longest = ELONGATED * min(image.size)
    left, top = (max(0, side - longest) // 2 for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


def fitted(whole: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture at the shape of a data set, resized and cropped to its middle: uint8 [c, h, w]."""
    channels, size, _ = shape
    picture = image_tensors.fit(whole, size).convert("L" if channels == 1 else "RGB")
    return np.asarray(picture).reshape(size, size, channels).transpose(2, 0, 1)


def _class_names(paths: list[PurePosixPath], title: str) -> list[str]:
    """The class of each picture: the folder it is in, where those are not one or too many.

    Where all are in folders of one name, or in those of a split, it is the folder above.
    """
    parents = [path.parts[:-1] for path in paths]
    while any(parents):
        last = {_same(parent[-1]) for parent in parents if parent}
        if not (last <= SPLIT_FOLDERS or (len(last) == 1 and all(parents))):
            break
        parents = [parent[:-1] for parent in parents]
    names = [_composed(parent[-1]) if parent else "" for parent in parents]
    spelling: dict[str, str] = {}
    for name, _ in Counter(names).most_common():
        spelling.setdefault(_same(name), name)
    names = [spelling[_same(name)] or title for name in names]
    if not 2 <= len(set(names)) <= CLASSES:
        return [title] * len(paths)
    short = _shortened(set(names))
    return [short[name] for name in names]


def _same(name: str) -> str:
    """What names of one folder have in common: systems that tell no capitals apart would make it
    one. But letters may be the classes."""
    name = _composed(name)
    return name.casefold() if len(name) > 1 else name


def _shortened(names: set[str]) -> dict[str, str]:
    """Names of at most `LONGEST` letters, each another one; whole ones where that can't be."""
    short = {name: _clean(name) for name in names}
    for cut, count in Counter(short.values()).items():
        if count > 1:
            alike = [name for name in names if name[:LONGEST].strip() == cut]
            start = len(os.path.commonprefix(alike))  # noqa: RUF071  Of letters, not folders.
            short |= {name: f"…{name[start : start + LONGEST - 1]}" for name in alike}
    return short if len(set(short.values())) == len(names) else {name: name for name in names}


def _decoded(infos: list[zipfile.ZipInfo]) -> dict[str, str]:
    """The names of a zip's files that do not say how they are encoded, by what zipfile took them
    for, which is cp437.

    Finder writes UTF-8, other systems the encoding of their country. It is the first one in which
    all names look like words.
    """
    raw: dict[str, bytes] = {}
    for info in infos:
        with contextlib.suppress(UnicodeEncodeError):  # The zip told the name in another way.
            if not info.filename.isascii():
                raw[info.filename] = info.filename.encode("cp437")
    for encoding, looks_right in ENCODINGS.items():
        try:
            names = {taken: name.decode(encoding) for taken, name in raw.items()}
        except UnicodeDecodeError:
            continue
        if all(looks_right.fullmatch(name) for name in names.values()):
            return names
    return {}


def _write(made: PictureSet, pixels: dict[str, np.ndarray], labels: np.ndarray) -> None:
    """Raises DataError where there is no room; then nothing is left behind."""
    import torch

    held_out = round(made.count * HELD_OUT)
    splits: dict[Literal["train", "val"], slice] = {
        "train": slice(held_out, None),
        "val": slice(held_out),
    }
    source = f"own pictures {made.title}, {PREPARATION}"
    try:
        made.folder.mkdir(parents=True, exist_ok=True)
        for dataset, images in pixels.items():
            for split, part in splits.items():
                tensors = torch.from_numpy(images[part]), torch.from_numpy(labels[part])
                stored = image_tensors.Images(
                    *tensors, image_tensors.fingerprint(*tensors), f"{source}, {split}"
                )
                image_tensors.write_images(made.file(dataset, split), stored)
        plain: dict[str, Any] = {name: value for name, value in vars(made).items() if name != "id"}
        plain["left_out"] = [found._asdict() for found in made.left_out]
        runs.write_json(made.folder / "set.json", {"format": FORMAT, **plain})
    except BaseException as error:
        shutil.rmtree(made.folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise DataError(f"{made.folder} cannot be written ({error}).") from error
        raise


def _told(left: dict[str, list[str]]) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(reason, len(names), tuple(names[:NAMES])) for reason, names in left.items()
    )


def _in_words(left_out: Iterable[LeftOut]) -> str:
    """Tells of files that were left out; empty when there were none."""
    parts = [f"{found.count:,} × {found.reason}" for found in left_out]
    return f"; left out: {', '.join(parts)}" if parts else ""


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()


def _composed(text: str) -> str:
    """Printable text in which an umlaut is one letter, as not all systems write it."""
    return unicodedata.normalize("NFC", _printable(text))


def _clean(text: str) -> str:
    """Printable text of at most `LONGEST` letters: names in a zip may hold anything."""
    return _printable(text)[:LONGEST].strip()


def _slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "pictures"
