"""Tensors that take long to make, kept in the cache under all that they depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from genmodels import paths

from . import write_atomic

if TYPE_CHECKING:
    from torch import Tensor


def read(key: str) -> dict[str, Tensor] | None:
    """What was kept under a key; None when nothing was, or it is damaged: then make it again."""
    path = _path(key)
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return None
    if metadata.get("key") != key or not all(part.isfinite().all() for part in tensors.values()):
        return None
    return tensors


def write(key: str, tensors: dict[str, Tensor]) -> None:
    """Keeps tensors under a key."""
    from safetensors.torch import save

    path = _path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, save(tensors, {"key": key}))


def check_writable() -> None:
    """Tries to write there, before long work. Raises FolderError."""
    folder = paths.cache() / "evaluation"
    paths.check_writable(folder if folder.exists() else paths.cache())


def _path(key: str) -> Path:
    kind = key.split(maxsplit=1)[0]
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    return paths.cache() / "evaluation" / f"{kind}-{name}.safetensors"
