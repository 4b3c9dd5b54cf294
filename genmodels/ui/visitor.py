"""Who looks at the page: a key in a cookie, which nobody else can read."""

import re
import secrets

import streamlit as st
from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE = "genmodels_key"
KEY = re.compile(r"[0-9a-f]{32}")
EMBEDDED = "Secure; SameSite=None; Partitioned"
"""A cookie that also holds where the app is embedded, apart for each site that does so."""


def key() -> str:
    """This browser's key; without cookies one that lasts as long as the page."""
    cookie = str(st.context.cookies.get(COOKIE))
    if KEY.fullmatch(cookie):
        return cookie
    return st.session_state.setdefault("visitor", secrets.token_hex(16))


def set_cookie(https: bool) -> str:
    """A Set-Cookie header with a new key. Over https it also holds where the app is embedded."""
    place = EMBEDDED if https else "SameSite=Lax"
    return f"{COOKIE}={secrets.token_hex(16)}; Path=/; Max-Age=31536000; HttpOnly; {place}"


def is_https(scope: Scope) -> bool:
    """Whether the browser asked by https, as the first of the proxies before the app tells."""
    return Headers(scope=scope).get("x-forwarded-proto", scope["scheme"]).startswith("https")
