"""The app: `streamlit run app.py`. The navigation is genmodels/ui/navigation.py, the pages pages/.

Streamlit would take every file of a folder pages/ beside its main script for a page of the old
kind, and run it without the navigation; so the main script lies elsewhere.
"""

import streamlit as st

from genmodels.ui import navigation, routes, shell

app = st.App(
    navigation.__file__,
    lifespan=shell.lifespan,
    routes=routes.ROUTES,
    middleware=routes.MIDDLEWARE,
    on_script_error=shell.on_fault,
)
