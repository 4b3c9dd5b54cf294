"""Places in a page that come into view."""

from . import widget

_arrive = widget("arrive", style="")


def arrive(token: int, key: str) -> None:
    """A place in the page that comes into view when `token` changes."""
    _arrive(key=key, data={"token": token})
