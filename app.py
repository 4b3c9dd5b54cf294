"""The app: `streamlit run app.py`. Navigation and page settings; the pages are in pages/."""

from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from genmodels.ui import routes, shell

# Until a page has called `st.navigation`, Streamlit would take every file in pages/ for a page of
# the old kind, so that a link to one, opened first, showed it without what stands below.
PagesManager.uses_pages_directory = False

app = st.App(
    __file__,
    routes=routes.ROUTES,
    middleware=routes.MIDDLEWARE,
    on_script_error=shell.on_fault,
)

# The server imports this file for `app`; each page's run executes it.
if __name__ == "__main__":
    icon = Path(__file__).parent / "genmodels" / "ui" / "icon.png"
    st.set_page_config("genmodels", str(icon), layout="wide")
    page = st.navigation(
        [
            st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
            st.Page("pages/sample.py", title="Sample", icon=":material/grid_view:"),
            st.Page("pages/interpolate.py", title="Interpolate", icon=":material/linear_scale:"),
            st.Page("pages/reconstruct.py", title="Reconstruct", icon=":material/compare:"),
            st.Page("pages/curves.py", title="Learning curves", icon=":material/show_chart:"),
            st.Page("pages/evaluate.py", title="FID", icon=":material/straighten:"),
            st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        ],
        position="top",
    )
    shell.run(page)
