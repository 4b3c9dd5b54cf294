"""Pictures that change while a handle is dragged."""

from typing import Any, TypedDict

from PIL import Image

from . import widget
from .decoder import Decoder
from .frames import frames

_player = widget("player")


class Way(TypedDict):
    """A way between two latents, as `latent.between` takes it."""

    start: list[float]
    end: list[float]
    path: str


def player(
    *,
    sprite: Image.Image,
    count: int,
    height: int,
    width: int,
    label: str,
    caption_start: str,
    caption_end: str,
    key: str,
    display_width: int = 320,
    start: float = 0.0,
    group: str = "",
    way: Way | None = None,
    decoder: Decoder | None = None,
) -> None:
    """`count` frames as a film: drag the slider or the picture, or press play.

    All frames travel to the browser at once, as one sprite of `pictures.sprite(images)`; the
    server hears nothing of the handle, which begins at `start` (0 to 1). Players of one `group`
    move together. With `decoder`, of `routes.decoder`, the browser decodes the very place of
    `way` under the handle as soon as it can.

        frames = pictures.from_floats(images)
        player(
            sprite=pictures.sprite(frames), count=len(frames), height=28, width=28,
            label="From a 2 to an 8", caption_start="a 2", caption_end="an 8", key="between",
        )
    """
    data = player_data(
        sprite=sprite,
        count=count,
        height=height,
        width=width,
        label=label,
        captions=(caption_start, caption_end),
        display_width=display_width,
        start=start,
        group=group,
        way=way,
        decoder=decoder,
    )
    _player(key=key, data=data)


def player_data(
    *,
    sprite: Image.Image,
    count: int,
    height: int,
    width: int,
    label: str,
    captions: tuple[str, str],
    display_width: int,
    way: Way | None,
    decoder: Decoder | None,
    start: float = 0.0,
    group: str = "",
) -> dict[str, Any]:
    """What player.js shows; see `player`."""
    return frames(sprite, count, height, width) | {
        "label": label,
        "captions": list(captions),
        "display_width": display_width,
        "start": start,
        "group": group,
        "way": way,
        "decoder": decoder,
    }
