"""What the app serves besides its pages: plotly.js and the stored samples of runs.

Streamlit serves an app's own routes at the root, whatever `server.baseUrlPath` says, so these
match below any prefix; the addresses made here carry the configured one.
"""

import gzip
from functools import lru_cache
from pathlib import Path

import plotly
import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import runs
from ..errors import RunError
from . import visitor

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
# The address changes with the content, so a browser never has to ask again.
FOREVER = "public, max-age=31536000, immutable"


def plotly_url() -> str:
    """Where a browser finds plotly.js."""
    return _address(f"plotly.min.js?v={plotly.__version__}")


def sample_urls(run: runs.Run) -> dict[int, str]:
    """Where a browser finds the stored samples, by the number of images seen, in order."""
    return {
        seen: _address(f"runs/{run.id}/samples/{seen}.webp?v={path.stat().st_mtime_ns}")
        for seen, path in run.samples().items()
    }


def serve_plotly(request: Request) -> Response:
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(PLOTLY.read_bytes(), media_type="text/javascript", headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(_compressed_plotly(), media_type="text/javascript", headers=headers)


def serve_sample(request: Request) -> Response:
    run_id, seen = request.path_params["run_id"], request.path_params["images_seen"]
    try:
        # `find` takes folders as well; an address must not name one.
        path = runs.find(run_id).samples().get(seen) if runs.ID.fullmatch(run_id) else None
        if path is None:
            return _not_found(f"There is no sample of {run_id!r} after {seen} images.")
        version, content = str(path.stat().st_mtime_ns), path.read_bytes()
    except (RunError, FileNotFoundError):
        return _not_found(f"There is no run {run_id!r}, or it was deleted just now.")
    tag = f'"{version}"'
    same = request.query_params.get("v") == version
    headers = {"Cache-Control": FOREVER if same else "no-cache", "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/webp", headers=headers)


class PreparePage:
    """Gives a browser its key (see `visitor`), and tells Streamlit's page where its server is.

    It would guess that from the address otherwise, and a page such as /sample would begin with
    two requests that fail, red in the console.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        # Plain text is asked for, since Streamlit compresses before this sees it.
        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        begin: Message = {}
        parts: list[bytes] = []

        async def change(message: Message) -> None:
            nonlocal begin
            if message["type"] == "http.response.start":
                begin = message
                if not _is_html(begin):
                    await send(begin)
            elif not _is_html(begin):
                await send(message)
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    page = _prepared(Request(scope), begin, b"".join(parts))
                    await page(scope, receive, send)

        await self.app({**scope, "headers": headers}, receive, change)


def _is_html(begin: Message) -> bool:
    return Headers(raw=begin["headers"]).get("content-type", "").startswith("text/html")


def _prepared(request: Request, begin: Message, body: bytes) -> Response:
    script = f"<script>window.__streamlit={{BACKEND_BASE_URL:location.origin+{_base()!r}}}</script>"
    body = body.replace(b"<head>", b"<head>" + script.encode(), 1)
    page = Response(body, begin["status"])
    kept = [pair for pair in begin["headers"] if pair[0].lower() != b"content-length"]
    page.raw_headers = kept + [pair for pair in page.raw_headers if pair[0] == b"content-length"]
    if not visitor.KEY.fullmatch(request.cookies.get(visitor.COOKIE, "")):
        forwarded = request.headers.get("x-forwarded-proto", request.url.scheme)
        page.headers.append("set-cookie", visitor.set_cookie(forwarded == "https"))
    return page


MIDDLEWARE = [Middleware(PreparePage)]
"""For `st.App(..., middleware=MIDDLEWARE)`."""

ROUTES = [
    Route("/{prefix:path}genmodels/plotly.min.js", serve_plotly),
    Route("/{prefix:path}genmodels/runs/{run_id}/samples/{images_seen:int}.webp", serve_sample),
]
"""For `st.App(..., routes=ROUTES)`."""


def _base() -> str:
    # Read late: when app.py is imported, Streamlit may not know its own settings yet.
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/" if base else "/"


def _address(path: str) -> str:
    return f"{_base()}genmodels/{path}"


def _not_found(sentence: str) -> Response:
    return PlainTextResponse(sentence, 404, headers={"Cache-Control": "no-store"})


@lru_cache(maxsize=1)
def _compressed_plotly() -> bytes:
    """Compressed once; Streamlit would do it again for every browser."""
    return gzip.compress(PLOTLY.read_bytes(), compresslevel=6, mtime=0)
