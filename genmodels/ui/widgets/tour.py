"""The invitation to the tour."""

from . import widget

_tour = widget("tour")


def tour_invitation(text: str) -> None:
    """Asks whether one wants the tour, unless this browser was asked before, or took it. The link
    to it (`tour=` in its address) stands beside this."""
    _tour(key="tour-invitation", data={"text": text})
