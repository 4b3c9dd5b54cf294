"""Adding and subtracting latents."""

from genmodels.ui import shared

shared.heading(
    "Arithmetic", "Latents can be added and subtracted, and the result is a picture again."
)
