"""Streamlit's main script: page settings, navigation, and the page that was asked for.

It is run as a file, so its imports are absolute.
"""

from pathlib import Path

import streamlit as st

from genmodels.data import formats
from genmodels.ui import address, lesson_link, shell, tour, training_view

# Section, file in pages/, title, icon.
PAGES = (
    ("", "home", "Home", "home"),
    ("", "train", "Train", "model_training"),
    ("How it works", "vae", "VAE, step by step", "school"),
    ("How it works", "gan", "GAN, step by step", "school"),
    ("How it works", "points", "Live training", "scatter_plot"),
    ("Explore", "sample", "Sample", "grid_view"),
    ("Explore", "interpolate", "Interpolate", "linear_scale"),
    ("Explore", "reconstruct", "Reconstruct", "compare"),
    ("Latent lab", "map", "Map", "map"),
    ("Latent lab", "dimensions", "Dimensions", "tune"),
    ("Latent lab", "picture", "Your picture", "draw"),
    ("Latent lab", "arithmetic", "Arithmetic", "calculate"),
    ("Latent lab", "together", "Side by side", "view_column_2"),
    ("Measure", "curves", "Learning curves", "show_chart"),
    ("Measure", "evaluate", "FID", "straighten"),
)


def _is_sound(name: str, latent: str) -> bool:
    from genmodels.ui import endpoints  # Which loads torch.

    return endpoints.is_sound(name, latent)


if __name__ == "__main__":
    # Streamlit would serve the file under an address that browsers ask for again on each page.
    icon = formats.content_url(Path(__file__).with_name("icon.png").read_bytes(), "png")
    st.set_page_config("genmodels", icon, layout="wide")
    sections: dict[str, list] = {}
    for section, name, title, icon in PAGES:
        page = st.Page(
            shell.page(name), title=title, icon=f":material/{icon}:", default=name == "home"
        )
        sections.setdefault(section, []).append(page)
    page = st.navigation(sections, position="top")
    address.arrive()
    unusable = st.empty()
    shell.turn_text_on_primary()
    tour.show(page.url_path)
    lesson_link.show_task(page.url_path)
    shell.run(page)
    lesson_link.offer(page.url_path)
    training_view.announce()
    address.tell(unusable, _is_sound)
    address.leave()
