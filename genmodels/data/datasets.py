"""Data sets and sets of own pictures, whole, as uint8 tensors in memory.

torchvision reads and downloads them. Imagenette is resized and centre-cropped once, into the
cache; the data folder may be read-only.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import logging
import math
import os
import shutil
import struct
import urllib.error
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout
from PIL import Image

from genmodels import paths
from genmodels.errors import DataError, FolderError
from genmodels.recipes import DATASETS, Recipe
from genmodels.runs import Run, stamp

from . import own_pictures
from .image_tensors import Images, fingerprint, fit, read_images, write_images

# torch and torchvision are imported where they are needed: pages ask what is there without them.
if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger("genmodels")

Split = Literal["train", "val"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""

MNIST_FILES = [
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]
IMAGENETTE_FOLDER = "imagenette2-160"
IMAGENETTE_IMAGES = {"train": 9469, "val": 3925}
DOWNLOAD_BYTES = {"mnist": 11_594_722, "imagenette": 99_003_388}
# Changes whenever the pictures below would come out different.
PREPARATION = "shorter side to 64 with antialias, centre crop, RGB"


def available(dataset: str, folder: Path | None = None) -> bool:
    """Whether the data set is there without a download; of Imagenette, a part of it.

    What a download that failed left there is not taken for it.
    """
    folder = folder or paths.data()
    if dataset == "mnist":
        return all(_mnist_file(folder, name) for name in MNIST_FILES)
    root = folder / IMAGENETTE_FOLDER
    return root.is_dir() and any(not _is_junk(path) for path in root.iterdir())


def _is_junk(path: Path) -> bool:
    """Whether systems or tools put a file or folder there: ._a.JPEG, .DS_Store, __MACOSX."""
    return path.name.startswith((".", "__MACOSX"))


def _mnist_file(folder: Path, name: str) -> Path | None:
    """One of MNIST's files, however it is kept: with a dot in its name, as .gz, or in a folder of
    its name. None where there is none, or only a part of one."""
    for place in (folder / "MNIST" / "raw", folder / "MNIST", folder):
        for spelling in (name, name.replace("-idx", ".idx")):
            for path in (place / spelling, place / spelling / spelling, place / f"{spelling}.gz"):
                if path.is_file() and _is_idx(path, stamp(path)):
                    return path
    return None


@lru_cache(maxsize=64)  # Pages ask at every rerun.
def _is_idx(path: Path, stamped: tuple) -> bool:
    """Whether a file is a whole idx file of bytes."""
    try:
        if path.suffix == ".gz":
            return _read_idx(path) is not None
        with path.open("rb") as file:
            shape, start = _idx_header(file.read(16))
        return path.stat().st_size == start + math.prod(shape)
    except (OSError, EOFError, zlib.error, ValueError, struct.error):
        return False


def _idx_header(head: bytes) -> tuple[tuple[int, ...], int]:
    """The shape that an idx file of bytes tells, and where its values begin."""
    if len(head) < 4 or head[:3] != b"\0\0\x08":
        raise ValueError("is no idx file")
    rank = head[3]
    return struct.unpack_from(f">{rank}I", head, 4), 4 + 4 * rank


def _read_idx(path: Path) -> Tensor:
    """The values of an idx file of bytes, uint8, of the shape that it tells."""
    import torch

    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    shape, start = _idx_header(content)
    content = bytearray(content)  # torch wants what may be written to.
    return torch.frombuffer(content, dtype=torch.uint8, offset=start).reshape(shape)


def of(
    recipe: Recipe, split: Split, folder: Path | None = None, progress: Progress | None = None
) -> Images:
    """The images a recipe learns from, or (val) those held out: own pictures or its data set.

    `folder` is that of the data sets. Raises DataError.
    """
    if recipe.pictures is None:
        return load(recipe.dataset, split, folder, progress)
    chosen = own_pictures.open_set(recipe.pictures)
    images = read_images(chosen.file(recipe.dataset, split))
    if images is None:
        raise DataError(f"the picture set {chosen.id} is damaged; delete it and make it again.")
    return replace(images, classes=chosen.classes)


def learnt_from(run: Run, folder: Path | None = None, progress: Progress | None = None) -> Images:
    """The training images that a run learns from: all of them, or as many as its recipe asks for.

    `folder` is that of the data sets. Raises DataError.
    """
    import torch

    images, limit = of(run.recipe, "train", folder, progress), run.recipe.train_limit
    if limit is None or limit >= len(images):
        return images
    # Runs of before the images were drawn took the first ones, and recorded that.
    before = f"the first {limit}"
    recorded = ((run.info.get("data") or {}).get("train") or {}).get("source") or ""
    if recorded.endswith(f", {before}"):
        return images.only(torch.arange(limit), before)
    return images.first(limit, run.recipe.seed)


def load(
    dataset: str, split: Split, folder: Path | None = None, progress: Progress | None = None
) -> Images:
    """A split of a data set by name, downloaded into `folder` when it is missing.

    `val` is MNIST's official test set, and Imagenette's val folder. Raises DataError.
    """
    folder = folder or paths.data()
    progress = progress or (lambda what, done, total: None)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name the folder that holds the data sets.")
    read = _mnist if dataset == "mnist" else _imagenette
    return replace(read(folder, split, progress), classes=DATASETS[dataset].classes)


def _mnist(folder: Path, split: Split, progress: Progress) -> Images:
    raw = folder / "MNIST" / "raw"
    way = f"copy the four idx files into {raw}"
    _download("mnist", folder, way, progress)
    part = {"train": "train", "val": "t10k"}[split]
    files = [_mnist_file(folder, name) for name in MNIST_FILES if name.startswith(part)]
    try:
        pixels, labels = (_read_idx(path) for path in files if path)
        if pixels.shape != (len(labels), 28, 28):
            raise ValueError(f"{len(labels)} labels, images {tuple(pixels.shape)}")
    except (ValueError, OSError, EOFError) as error:
        raise DataError(
            f"{raw} holds no complete MNIST ({error}); "
            f"delete the folder to download it again, or {way}."
        ) from error
    pixels, labels = pixels[:, None].contiguous(), labels.long()
    return Images(
        pixels, labels, fingerprint(pixels, labels), f"torchvision MNIST {split}, idx files"
    )


def _imagenette(folder: Path, split: Split, progress: Progress) -> Images:
    root = folder / IMAGENETTE_FOLDER
    way = f"copy the folders train and val of {IMAGENETTE_FOLDER} into {root}"
    _download("imagenette", folder, way, progress)
    try:
        files = _imagenette_files(root / split)
    except (ValueError, OSError) as error:
        raise DataError(
            f"{root} holds no complete Imagenette ({error}); "
            f"delete the folder to download it again, or {way}."
        ) from error
    missing = ""
    if len(files) < IMAGENETTE_IMAGES[split]:
        missing = f", {len(files):,} of {IMAGENETTE_IMAGES[split]:,} images"
        log.warning("%s: Imagenette is not complete%s", root / split, missing)
    listing = "\n".join(
        f"{path.parent.name}/{path.name} {path.stat().st_size}" for path, _ in files
    )
    key = hashlib.sha256(f"{PREPARATION}\n{listing}".encode()).hexdigest()[:16]
    cached = paths.cache() / "data" / f"imagenette-{split}-{key}.safetensors"
    images = read_images(cached)
    if images is None:
        paths.check_writable(cached.parent)
        images = _prepare(files, split, progress)
        images = replace(images, source=images.source + missing)
        write_images(cached, images)
    return images


def _imagenette_files(place: Path) -> list[tuple[Path, int]]:
    """The images of a split, class by class, and their labels; what systems put beside them is
    left out. Raises ValueError, OSError."""
    from torchvision.datasets import Imagenette
    from torchvision.datasets.folder import is_image_file

    wnids = sorted(path.name for path in place.iterdir() if path.is_dir() and not _is_junk(path))
    known = sorted(Imagenette._WNID_TO_CLASS)
    if wnids != known:
        names = ", ".join(sorted(set(wnids) ^ set(known)))
        raise ValueError(f"{len(wnids)} class folders in {place.name}; missing or others: {names}")

    def unreadable(error: OSError) -> None:
        raise error

    files = []
    for label, wnid in enumerate(wnids):
        # In torchvision's order.
        for where, _, names in sorted(os.walk(place / wnid, onerror=unreadable, followlinks=True)):
            paths = [Path(where, name) for name in sorted(names)]
            if not any(_is_junk(Path(part)) for part in Path(where).relative_to(place).parts):
                files += [(p, label) for p in paths if is_image_file(str(p)) and not _is_junk(p)]
        if not files or files[-1][1] != label:
            raise ValueError(f"no images in {place.name}/{wnid}")
    return files


def _prepare(files: list[tuple[Path, int]], split: Split, progress: Progress) -> Images:
    """Decodes and resizes all images, on all cores (Pillow releases Python's lock)."""
    import torch
    from torchvision.transforms import functional

    pixels = torch.empty(len(files), *DATASETS["imagenette"].shape, dtype=torch.uint8)
    sizes: set[tuple[int, int]] = set()

    def prepare(index: int) -> None:
        path = files[index][0]
        try:
            with Image.open(path) as image:
                sizes.add(image.size)
                pixels[index] = functional.pil_to_tensor(fit(image, 64))
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(
                f"{path} is damaged ({error}); replace it, or delete the data set's folder "
                "to download it again."
            ) from error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(prepare, range(len(files))), 1):
            if done % 64 == 0 or done == len(files):
                progress(f"Preparing Imagenette ({split})", done, len(files))
    labels = torch.tensor([label for _, label in files])
    stored = f"{sizes.pop()}" if len(sizes) == 1 else "of several sizes"
    source = f"torchvision Imagenette {split}, 160px folder, JPEG files {stored}, {PREPARATION}"
    return Images(pixels, labels, fingerprint(pixels, labels), source)


def _download(dataset: str, folder: Path, way: str, progress: Progress) -> None:
    """Fetches a data set that is missing, by torchvision's own means.

    It comes into a folder of its own and is moved when it is whole: what a cut download leaves is
    never taken for the data set.
    """

    if available(dataset, folder):
        return
    from torchvision import datasets as torchvision_sets

    title = DATASETS[dataset].title
    try:
        paths.check_writable(folder)
    except FolderError as error:
        reason = str(error).rstrip(".")
        raise DataError(f"{title} cannot be downloaded: {reason}, or {way}.") from error
    state = f"{title} is not in {folder}"
    if dataset == "mnist":
        missing = [name for name in MNIST_FILES if not _mnist_file(folder, name)]
        if len(missing) < len(MNIST_FILES):
            state = f"{title} in {folder} lacks whole files {', '.join(missing)}"
    new = folder / ".download"
    fetch = {
        "mnist": lambda: torchvision_sets.MNIST(new, download=True),
        "imagenette": lambda: torchvision_sets.Imagenette(new, "train", "160px", download=True),
    }[dataset]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _downloading(new, progress):
            if available(dataset, folder):  # Another process was at it.
                return
            with ThreadPoolExecutor(1) as pool:
                # torchvision tells nobody how far it is, but its archives grow.
                job = pool.submit(fetch)
                while not job.done():
                    there = sum(path.stat().st_size for path in new.rglob("*.*gz"))
                    total = DOWNLOAD_BYTES[dataset] // 2**20
                    progress(f"Downloading {title} (MB)", min(there // 2**20, total), total)
                    wait([job], timeout=0.5)
                job.result()
            _move(dataset, new, folder)
    except (urllib.error.URLError, RuntimeError, OSError, EOFError) as error:
        cause = " ".join(str(error).split())
        if "corrupted" in cause:
            cause += " Something else arrived; does the network ask you to log in?"
        raise DataError(
            f"{state} and could not be downloaded ({cause}): "
            f"connect to the network and try again, or {way}."
        ) from error


@contextlib.contextmanager
def _downloading(new: Path, progress: Progress) -> Iterator[None]:
    """Makes an empty folder to download into, by one process at a time, and removes it."""
    lock = FileLock(new.with_suffix(".lock"), timeout=1)
    while not lock.is_locked:
        progress("Waiting for another download", 0, 1)
        with contextlib.suppress(Timeout):
            lock.acquire()
    try:
        shutil.rmtree(new, ignore_errors=True)  # Of a process that was killed.
        new.mkdir()
        yield
    finally:
        shutil.rmtree(new, ignore_errors=True)
        lock.release()


def _move(dataset: str, new: Path, folder: Path) -> None:
    """Puts a data set that was downloaded whole where it belongs. Raises DataError."""
    import torch

    if dataset == "imagenette":
        root = folder / IMAGENETTE_FOLDER
        shutil.rmtree(root, ignore_errors=True)  # It holds nothing but what systems put there.
        (new / IMAGENETTE_FOLDER).rename(root)
        return
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name in MNIST_FILES:
        there = _mnist_file(folder, name)
        if there and not torch.equal(_read_idx(there), _read_idx(new / "MNIST" / "raw" / name)):
            raise DataError(
                f"{there} is another data set's than MNIST's, and the rest of that is missing; "
                f"complete it or delete it."
            )
    for name in MNIST_FILES:
        if not _mnist_file(folder, name):
            (new / "MNIST" / "raw" / name).replace(raw / name)
