"""What the JSON files of the runs folder must hold. More may stand in them, and is kept.

A file that was cut off, edited by hand or written by another program may hold anything; what came
through here can be shown and counted with.
"""

import codecs
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from genmodels.recipes import ID

MOST = 2**53
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
"""A whole number that JavaScript takes too."""
Finite = Annotated[float, msgspec.Meta(ge=-1e30, le=1e30)]
"""A number that float32 holds too."""
Latent = list[Finite]


class Origin(TypedDict):
    """Which copy of a split was used."""

    images: Count
    fingerprint: str


class Info(TypedDict):
    """recipe.json; the recipe in it is checked by `recipes.from_json`."""

    parameters: dict[str, Count]
    title: NotRequired[str | None]
    parent: NotRequired[str | None]
    recipe_name: NotRequired[Annotated[str, msgspec.Meta(pattern=rf"^{ID.pattern}\Z")] | None]
    resolved: NotRequired[dict[str, Any] | None]
    data: NotRequired[dict[Literal["train", "val"], Origin] | None]
    weights: NotRequired[dict[str, Any] | None]


class Status(TypedDict):
    """status.json, see `runs.Status`."""

    state: Literal["waiting", "training", "stopped", "failed", "done"]
    reason: NotRequired[str]
    epoch: NotRequired[Count]
    epochs: NotRequired[Count]
    images_seen: NotRequired[Count]
    images_per_second: NotRequired[Finite | None]
    seconds_left: NotRequired[Finite | None]
    losses: NotRequired[dict[str, Finite] | None]
    ticket: NotRequired[Count | None]


class Line(TypedDict):
    """A line of metrics.jsonl; beside these it has numbers only."""

    epoch: Count
    split: str
    images_seen: Count
    seconds: NotRequired[Finite]
    """Of the steps, or of the validation."""
    other_seconds: NotRequired[Finite]
    """In an epoch's last line, of all else: fitting a prior, measuring, saving."""


NOT_MEASURED = {
    "epoch",
    "split",
    "images_seen",
    "seconds",
    "images_per_second",
    "distance_seconds",
    "other_seconds",
}
"""What a line of metrics.jsonl tells of the training and not of the model."""


class Real(TypedDict):
    fingerprint: str


class Floor(TypedDict):
    value: Finite


class Point(TypedDict):
    """The same measured of fewer samples."""

    samples: Count
    value: Finite
    error: Finite | None
    floor: Finite


class Entry(TypedDict):
    """A measurement in evaluation.json."""

    metric: str
    title: str
    value: Finite
    error: Finite | None
    samples: Count
    seed: int
    features: str
    features_fingerprint: str
    weights_fingerprint: str
    real: Real
    floor: Floor
    by_count: NotRequired[list[Point]]
    shares: NotRequired[dict[str, Finite]]
    created: str


class Latents(TypedDict, total=False):
    """latents.json."""

    weights_fingerprint: str
    class_means: dict[str, Latent]
    kl: Latent
    posterior_means: list[Latent]
    labels: list[Count]
    images: list[Count]


class LeftOut(TypedDict):
    reason: str
    count: Count
    names: list[str]


class PictureSet(TypedDict):
    """set.json of a set of own pictures."""

    format: int
    title: str
    classes: Annotated[list[str], msgspec.Meta(min_length=1)]
    count: Count
    left_out: NotRequired[list[LeftOut]]
    copies: NotRequired[Count]
    others: NotRequired[Count]
    damaged: NotRequired[Count]
    too_large: NotRequired[Count]


class Trainer(TypedDict):
    """trainer.json: who trains a run."""

    worker: str
    pid: Annotated[int, msgspec.Meta(gt=1, lt=2**31)]
    seconds: NotRequired[Annotated[float, msgspec.Meta(ge=0, le=1e9)]]
    """How long it was trained in all, by this trainer and by those before it."""


def parse(content: bytes, kind: Any) -> Any:
    """What a JSON file holds. Raises ValueError where that is no JSON or not of the kind."""
    try:
        plain = msgspec.json.decode(content.removeprefix(codecs.BOM_UTF8))  # Editors add one.
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    check(plain, kind)
    return plain


def check(plain: Any, kind: Any) -> None:
    """Raises ValueError where plain types are not of the kind."""
    try:
        msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
