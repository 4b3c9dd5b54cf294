"""Data sets and sets of own pictures, whole, as uint8 tensors in memory.

torchvision reads and downloads them. Imagenette is resized and centre-cropped once, into the
cache; the data folder may be read-only.
"""

import hashlib
import os
import urllib.error
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torchvision import datasets
from torchvision.transforms import functional

from . import folders, own_pictures
from .errors import DataError, FolderError
from .recipes import DATASETS, Recipe
from .runs import write_atomic

Split = Literal["train", "val"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""

MNIST_FILES = [
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]
IMAGENETTE_FOLDER = "imagenette2-160"
DOWNLOAD_BYTES = {"mnist": 11_594_722, "imagenette": 99_003_388}
# Changes whenever the pictures below would come out different.
PREPARATION = "shorter side to 64 with antialias, centre crop, RGB"


@dataclass(frozen=True)
class Images:
    """A split of a data set.

    `pixels` is uint8 [n, channels, height, width], `labels` int64 [n] are places in `classes`.
    `fingerprint` is the SHA-256 of pixels and labels; `source` says where they came from.
    """

    pixels: Tensor
    labels: Tensor
    fingerprint: str
    source: str
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    def first(self, limit: int | None) -> "Images":
        """The first `limit` images; all for None."""
        if limit is None or limit >= len(self):
            return self
        pixels, labels = self.pixels[:limit], self.labels[:limit]
        source = f"{self.source}, the first {limit}"
        return Images(pixels, labels, fingerprint(pixels, labels), source, self.classes)


def to_float(pixels: Tensor) -> Tensor:
    """uint8 pixels as float32 in [0, 1]."""
    return pixels.float().div_(255)


def available(dataset: str, folder: Path | None = None) -> bool:
    """Whether the data set, or a part of it, is there without a download."""
    folder = folder or folders.data()
    place = {"mnist": folder / "MNIST" / "raw", "imagenette": folder / IMAGENETTE_FOLDER}[dataset]
    # A download that failed leaves an empty folder.
    return place.is_dir() and any(place.iterdir())


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


def load(
    dataset: str, split: Split, folder: Path | None = None, progress: Progress | None = None
) -> Images:
    """A split of a data set by name, downloaded into `folder` when it is missing.

    `val` is MNIST's official test set, and Imagenette's val folder. Raises DataError.
    """
    folder = folder or folders.data()
    progress = progress or (lambda what, done, total: None)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name the folder that holds the data sets.")
    read = _mnist if dataset == "mnist" else _imagenette
    return replace(read(folder, split, progress), classes=DATASETS[dataset].classes)


def _mnist(folder: Path, split: Split, progress: Progress) -> Images:
    raw = folder / "MNIST" / "raw"
    way = f"copy the four idx files into {raw}"
    _download("mnist", folder, way, progress)
    try:
        mnist = datasets.MNIST(folder, train=split == "train", download=False)
        if mnist.data.shape != (len(mnist.targets), 28, 28):
            raise ValueError(f"{len(mnist.targets)} labels, images {tuple(mnist.data.shape)}")
    except (RuntimeError, ValueError, KeyError, OSError, AssertionError) as error:
        raise DataError(
            f"{raw} holds no complete MNIST ({error}); "
            f"delete the folder to download it again, or {way}."
        ) from error
    pixels, labels = mnist.data[:, None].contiguous(), mnist.targets
    return Images(
        pixels, labels, fingerprint(pixels, labels), f"torchvision MNIST {split}, idx files"
    )


def _imagenette(folder: Path, split: Split, progress: Progress) -> Images:
    root = folder / IMAGENETTE_FOLDER
    way = f"copy the folders train and val of {IMAGENETTE_FOLDER} into {root}"
    _download("imagenette", folder, way, progress)
    try:
        imagenette = datasets.Imagenette(folder, split=split, size="160px", download=False)
        if len(imagenette.wnids) != len(DATASETS["imagenette"].classes):
            raise ValueError(f"{len(imagenette.wnids)} classes in {split}")
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise DataError(
            f"{root} holds no complete Imagenette ({error}); "
            f"delete the folder to download it again, or {way}."
        ) from error
    files = [(Path(path), label) for path, label in imagenette._samples]
    listing = "\n".join(
        f"{path.parent.name}/{path.name} {path.stat().st_size}" for path, _ in files
    )
    key = hashlib.sha256(f"{PREPARATION}\n{listing}".encode()).hexdigest()[:16]
    cached = folders.cache() / "data" / f"imagenette-{split}-{key}.safetensors"
    images = read_images(cached)
    if images is None:
        folders.check_writable(cached.parent)
        images = _prepare(files, split, progress)
        write_images(cached, images)
    return images


def write_images(path: Path, images: Images) -> None:
    """Writes them for `read_images`, all but the names of the classes."""
    metadata = {"fingerprint": images.fingerprint, "source": images.source}
    write_atomic(path, save({"pixels": images.pixels, "labels": images.labels}, metadata))


def read_images(path: Path) -> Images | None:
    """What `write_images` wrote; None where it is missing or damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            pixels, labels = file.get_tensor("pixels"), file.get_tensor("labels")
    except (SafetensorError, OSError):
        return None
    if metadata.get("fingerprint") != fingerprint(pixels, labels):
        return None
    return Images(pixels, labels, metadata["fingerprint"], metadata.get("source", ""))


def _prepare(files: list[tuple[Path, int]], split: Split, progress: Progress) -> Images:
    """Decodes and resizes all images, on all cores (Pillow releases Python's lock)."""
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


def fit(image: Image.Image, size: int) -> Image.Image:
    """An RGB picture of size x size: the shorter side resized, the longer one cropped."""
    return functional.center_crop(functional.resize(image.convert("RGB"), size), [size, size])  # pyright: ignore[reportArgumentType, reportReturnType]


def _download(dataset: str, folder: Path, way: str, progress: Progress) -> None:
    """Fetches a data set that is missing, by torchvision's own means."""
    if available(dataset, folder):
        return
    title = DATASETS[dataset].title
    try:
        folders.check_writable(folder)
    except FolderError as error:
        reason = str(error).rstrip(".")
        raise DataError(f"{title} cannot be downloaded: {reason}, or {way}.") from error
    fetch = {
        "mnist": lambda: datasets.MNIST(folder, download=True),
        "imagenette": lambda: datasets.Imagenette(folder, "train", "160px", download=True),
    }[dataset]
    try:
        with ThreadPoolExecutor(1) as pool:
            # torchvision tells nobody how far it is, but its archives grow.
            job = pool.submit(fetch)
            while not job.done():
                there = sum(path.stat().st_size for path in folder.rglob("*.*gz"))
                total = DOWNLOAD_BYTES[dataset] // 2**20
                progress(f"Downloading {title} (MB)", min(there // 2**20, total), total)
                wait([job], timeout=0.5)
            job.result()
    except (urllib.error.URLError, RuntimeError, OSError) as error:
        raise DataError(
            f"{title} is not in {folder} and could not be downloaded: "
            f"connect to the network and try again, or {way}."
        ) from error


def fingerprint(*tensors: Tensor) -> str:
    """The SHA-256 of tensors, their types and shapes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def batches(count: int, size: int) -> Iterable[slice]:
    """Slices of `size` that cover `count`, the last one possibly smaller."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
