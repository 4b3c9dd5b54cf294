"""Images of a data set or a set of own pictures, as uint8 tensors in memory and in a file."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from safetensors import SafetensorError, safe_open

# Imported where it is needed: pages that show stored pictures import this.
if TYPE_CHECKING:
    from torch import Tensor


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

    def first(self, limit: int | None, seed: int = 0) -> Images:
        """The first `limit` images of a seeded draw, in their order here; all for None.

        A data set may be stored class by class. So the draw goes over the classes: one image of
        each comes first, then every class has the share that it has of all images.
        """
        if limit is None or limit >= len(self):
            return self
        import torch

        shuffled = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        labels = self.labels[shuffled]
        counts = labels.bincount()
        starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
        ranks = torch.empty(len(self))  # Among the images of the same class.
        ranks[labels.argsort(stable=True)] = (torch.arange(len(self)) - starts).float()
        order = (ranks / counts[labels]).argsort(stable=True)
        how = f"{limit} drawn over the classes by seed {seed}"
        return self.only(shuffled[order[:limit]].sort().values, how)

    def only(self, chosen: Tensor, how: str) -> Images:
        """Those at the chosen places; `how` they were chosen is told in `source`."""
        pixels, labels = self.pixels[chosen], self.labels[chosen]
        source = f"{self.source}, {how}"
        return Images(pixels, labels, fingerprint(pixels, labels), source, self.classes)


def to_float(pixels: Tensor) -> Tensor:
    """uint8 pixels as float32 in [0, 1]."""
    return pixels.float().div_(255)


def write_images(path: Path, images: Images) -> None:
    """Writes them for `read_images`, all but the names of the classes."""
    from safetensors.torch import save_file

    metadata = {"fingerprint": images.fingerprint, "source": images.source}
    tensors = {"pixels": images.pixels, "labels": images.labels}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        save_file(tensors, temporary, metadata)  # As bytes they would be in memory twice.
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


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


def fit(image: Image.Image, size: int) -> Image.Image:
    """An RGB picture of size x size: the shorter side resized, the longer one cropped."""
    from torchvision.transforms import functional

    return functional.center_crop(functional.resize(image.convert("RGB"), size), [size, size])  # pyright: ignore[reportArgumentType, reportReturnType]
