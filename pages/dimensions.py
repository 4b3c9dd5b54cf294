"""Every number of a latent as a slider."""

from genmodels.ui import shared

shared.heading(
    "Dimensions",
    "A latent is a list of numbers. Each row changes one of them and leaves the others as they are.",
)
