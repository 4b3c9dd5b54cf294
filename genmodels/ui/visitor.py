"""Who looks at the page: a key in a cookie, which nobody else can read."""

import re
import secrets

import streamlit as st

COOKIE = "genmodels_key"
KEY = re.compile(r"[0-9a-f]{32}")


def key() -> str:
    """This browser's key; without cookies one that lasts as long as the page."""
    cookie = str(st.context.cookies.get(COOKIE))
    if KEY.fullmatch(cookie):
        return cookie
    return st.session_state.setdefault("visitor", secrets.token_hex(16))


def set_cookie(https: bool) -> str:
    """A Set-Cookie header with a new key. Over https it also holds where the app is embedded."""
    place = "Secure; SameSite=None; Partitioned" if https else "SameSite=Lax"
    return f"{COOKIE}={secrets.token_hex(16)}; Path=/; Max-Age=31536000; HttpOnly; {place}"
