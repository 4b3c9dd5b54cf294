"""What every answer allows a browser to do, and how much of the server its visitors may take.

The outermost middleware: what Streamlit and the app's own routes answer goes through it.
"""

import base64
import hashlib
import os
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.stats import CacheStat

from genmodels.data import own_pictures, single_picture
from genmodels.data.own_pictures import MB
from genmodels.errors import GenmodelsError
from genmodels.jobs import limits

from . import visitor

# Streamlit loads custom components as modules from blob:, and decoder.js its worker. Styles are
# inline, plotly's pictures and some fonts come as data:, onnxruntime-web compiles WebAssembly.
POLICY = (
    "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'{scripts}; worker-src blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; font-src 'self' data:; "
    "connect-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'{embedders}"
)
POLICY_HEADER = "Content-Security-Policy"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Streamlit's token against forged uploads.
TOKEN = b"_streamlit_xsrf="
ADDRESS = 8000
"""Bytes of an address, as nginx has it; the longest that the app makes are lesson links."""
UPLOADS = 1000 * MB
"""Of all visitors together, in memory or on their way there."""
AROUND = MB
"""More than a browser sends around a file."""


class Guard:
    """Adds the headers, and refuses what would fill the memory."""

    def __init__(self, app: ASGIApp):
        self.app = app
        self.sessions = 0
        self.uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._session(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _protected(scope, send))
        else:
            await self.app(scope, receive, send)

    async def _session(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page that is open somewhere, as long as it is."""
        if self._full():
            await send({"type": "websocket.close", "code": 1013})
            return
        self.sessions += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.sessions -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload = scope["method"] == "PUT" and "/_stcore/upload_file/" in scope["path"]
        length = Headers(scope=scope).get("content-length", "")
        size = int(length) if upload and length.isdecimal() else 0
        refusal = self._no_upload(size) if upload else self._no_page(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        self.uploading += size
        try:
            await self.app(scope, receive, send)
        finally:
            self.uploading -= size

    def _no_page(self, scope: Scope) -> Response | None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > ADDRESS:
            return PlainTextResponse("This address is too long.", 414)
        if "text/html" in Headers(scope=scope).get("accept", "") and self._full():
            sentence = "The server is full right now. Please try again in a minute."
            return PlainTextResponse(sentence, 503, {"Retry-After": "60"})
        return None

    def _no_upload(self, size: int) -> Response | None:
        """Whoever may train may bring a zip, and everybody a picture, if there is room for it."""
        if size == 0:
            return PlainTextResponse("This upload doesn't say how large it is.", 411)
        most = _largest_upload()
        if size > most + AROUND:
            sentence = f"This file has {size / MB:,.0f} MB, and {most // MB} MB are allowed."
            return PlainTextResponse(sentence, 413)
        if _uploaded() + self.uploading + size > UPLOADS:
            sentence = "There is no room for this file right now. Please try again in a minute."
            return PlainTextResponse(sentence, 503)
        return None

    def _full(self) -> bool:
        try:
            most = limits.Limits.from_environment().sessions
        except GenmodelsError:  # The Train page says it.
            most = limits.Limits.sessions
        return self.sessions >= most


def policy(page: bytes = b"") -> str:
    """The content security policy, for a page with the scripts that stand in it."""
    inline = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in inline)
    scripts = "".join(f" 'sha256-{digest}'" for digest in hashes)
    origins = os.environ.get("GENMODELS_EMBED", "").replace(",", " ").split()
    embedders = "".join(f" {origin}" for origin in origins)
    return POLICY.format(scripts=scripts, embedders=embedders)


def _protected(scope: Scope, send: Send) -> Send:
    """Sends with the headers that every answer has."""

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            pairs = message["headers"]
            if visitor.is_https(scope):
                pairs = [(n, _embeddable(v) if n == b"set-cookie" else v) for n, v in pairs]
            headers = MutableHeaders(raw=pairs)
            headers.setdefault(POLICY_HEADER, policy())
            headers.update(HEADERS)
            message = {**message, "headers": headers.raw}
        await send(message)

    return protected


def _embeddable(cookie: bytes) -> bytes:
    """Streamlit's token is kept as the visitor's key is: where the app is embedded too."""
    if not cookie.startswith(TOKEN):
        return cookie
    return cookie.split(b";")[0] + f"; Path=/; {visitor.EMBEDDED}".encode()


def _largest_upload() -> int:
    try:
        off = limits.permission() == "off"
    except GenmodelsError:  # The Train page says it.
        off = True
    return single_picture.BYTES if off else own_pictures.ZIP_BYTES


def _uploaded() -> int:
    """Bytes of files that Streamlit holds for its sessions."""
    stats = runtime.get_instance().uploaded_file_mgr.get_stats()
    of_files = [stat for family in stats.values() for stat in family]
    return sum(stat.byte_length for stat in of_files if isinstance(stat, CacheStat))
