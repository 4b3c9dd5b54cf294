"""A picture of one's own through a model: drawn, uploaded, or a test image."""

from genmodels.ui import shared

shared.heading("Your picture", "Draw or bring a picture, and see what the model makes of it.")
