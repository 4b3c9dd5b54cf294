"""Two to four models under the same hand."""

from genmodels.ui import shared

shared.heading(
    "Side by side", "The same random numbers, the same walk, in two to four models at once."
)
