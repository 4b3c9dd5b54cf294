"""Streamlit's main script: page settings, navigation, and the page that was asked for."""

from pathlib import Path

import streamlit as st

from genmodels.ui import shell, training_view

PAGES = (
    ("home", "Home", "home"),
    ("sample", "Sample", "grid_view"),
    ("interpolate", "Interpolate", "linear_scale"),
    ("reconstruct", "Reconstruct", "compare"),
    ("curves", "Learning curves", "show_chart"),
    ("evaluate", "FID", "straighten"),
    ("train", "Train", "model_training"),
)

if __name__ == "__main__":
    st.set_page_config("genmodels", str(Path(__file__).with_name("icon.png")), layout="wide")
    page = st.navigation(
        [
            st.Page(
                shell.page(name), title=title, icon=f":material/{icon}:", default=name == "home"
            )
            for name, title, icon in PAGES
        ],
        position="top",
    )
    shell.run(page)
    training_view.announce()
