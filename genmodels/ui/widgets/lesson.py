"""Steps of lessons: figures to move by hand."""

from typing import Any

from . import widget

_lessons = {family: widget(f"lesson_{family}", style="lesson") for family in ("vae", "gan")}


def lesson(*, family: str, step: str, data: dict[str, Any], key: str) -> None:
    """A step of a lesson: a figure to move by hand, and its formula with the numbers of the moment.

    `step` is a name in STEPS of lesson_vae.js or lesson_gan.js, where it says what
    `data` it takes. The server hears nothing.

        lesson(family="gan", step="losses", data={}, key="lesson-losses")
    """
    _lessons[family](key=key, data={"step": step} | data)
