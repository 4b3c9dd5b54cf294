"""The latent space as a map: every place is a latent, and decodes to a picture."""

from genmodels.ui import shared

shared.heading(
    "Map",
    "Every place on this map is a latent. Move over it to see what it decodes to; click to keep it as A or B for a walk.",
)
