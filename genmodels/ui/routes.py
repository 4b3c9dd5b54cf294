"""What the app serves besides its pages: the widgets' modules, plotly.js, the stored samples of
runs, and what a browser needs to decode by itself.

Addresses made here are relative to the page that shows them, whose path has one part: so they hold
below `server.baseUrlPath`, and behind a proxy that puts a prefix of its own before all paths and
takes it off again. Streamlit serves an app's own routes at the root, so these match below any
prefix.
"""

import gzip
from functools import lru_cache
from pathlib import Path
from threading import Lock

import plotly
import streamlit as st
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import runs
from ..errors import GenmodelsError, RunError
from ..recipes import LatentRecipe
from . import guard, runtime, visitor, widgets
from .widgets.decoder import Decoder, decoder_at

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PAGE_SCRIPT = Path(__file__).with_name("page.js")
# The address changes with the content, so a browser never has to ask again.
FOREVER = "public, max-age=31536000, immutable"
# The bytes of a file before compression, by which a browser tells a part from the whole.
FULL_LENGTH = "X-Full-Length"


def plotly_url() -> str:
    """Where a browser finds plotly.js."""
    return _address(f"plotly.min.js?v={plotly.__version__}")


def sample_urls(run: runs.Run) -> dict[int, str]:
    """Where a browser finds the stored samples, by the number of images seen, in order."""
    return {
        seen: _address(f"runs/{run.id}/samples/{seen}.webp?v={path.stat().st_mtime_ns}")
        for seen, path in run.samples().items()
    }


def decoder(run: runs.Run) -> Decoder | None:
    """How a browser decodes a run; None where it has no latents, or npm installed no runtime."""
    from .. import weights

    if not isinstance(run.recipe, LatentRecipe) or not runtime.available():
        return None
    folder = _address(f"onnxruntime/{runtime.version()}/")
    model = _address(f"runs/{run.id}/decoder.onnx?v={weights.fingerprint(run)}")
    return decoder_at(run.recipe, folder, folder + runtime.WASM, model)


def serve_plotly(request: Request) -> Response:
    return _constant(request, PLOTLY, "text/javascript")


def serve_runtime(request: Request) -> Response:
    name, version = request.path_params["name"], request.path_params["version"]
    if name not in runtime.FILES or not runtime.available() or version != runtime.version():
        return _not_found("There is no such part of onnxruntime-web here.")
    file, kind = runtime.FILES[name]
    return _constant(request, runtime.FOLDER / file, kind)


def serve_widget(request: Request) -> Response:
    name, version = request.path_params["name"], request.path_params["version"]
    if name not in widgets.MODULES or version != widgets.VERSION:
        return _not_found("There is no such part of a widget here.")
    headers = {"Cache-Control": FOREVER}
    return Response(widgets.MODULES[name], media_type="text/javascript", headers=headers)


async def serve_decoder(request: Request) -> Response:
    run_id = request.path_params["run_id"]
    try:
        # A thread of its own kind: a class that waits for one export holds up nothing else.
        version, path = await to_thread.run_sync(_decoder_file, run_id, limiter=_exports)
    except GenmodelsError as error:
        return _not_found(str(error))
    except OSError as error:
        return _unreadable(run_id, error)
    # Weights hardly shrink, so Streamlit shall not compress them for every browser.
    headers = _kept_if_same(request, version) | {"Content-Encoding": "identity"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    headers[FULL_LENGTH] = str(path.stat().st_size)
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


_exports = CapacityLimiter(1)


def _decoder_file(run_id: str) -> tuple[str, Path]:
    """The fingerprint of a run's weights, and its decoder."""
    from .. import onnx_export, weights

    if not runs.ID.fullmatch(run_id):
        raise RunError(f"There is no run {run_id!r}.")
    run = runs.find(run_id)
    return weights.fingerprint(run), onnx_export.decoder_file(run)


def serve_sample(request: Request) -> Response:
    run_id, seen = request.path_params["run_id"], request.path_params["images_seen"]
    if not runs.SEEN.fullmatch(seen):
        return _not_found("There is no such sample.")
    try:
        # `find` takes folders as well; an address must not name one.
        path = runs.find(run_id).samples().get(int(seen)) if runs.ID.fullmatch(run_id) else None
        if path is None:
            return _not_found(f"There is no sample of {run_id!r} after {seen} images.")
        version, content = str(path.stat().st_mtime_ns), path.read_bytes()
    except RunError as error:
        return _not_found(str(error))
    except OSError as error:
        return _unreadable(run_id, error)
    headers = _kept_if_same(request, version)
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/webp", headers=headers)


HEALTH = "/_stcore/health"
LEFT_OUT = {b"accept-encoding", b"if-modified-since", b"if-none-match"}


class PreparePage:
    """Gives a browser its key (see `visitor`), tells Streamlit's page where its server is, and
    answers at the root, too, whether the app is well.

    It would guess that from the address otherwise, and a page such as /sample would begin with
    two requests that fail, red in the console. Only the browser knows the whole path: a proxy may
    have taken off its beginning. Of its end, this page, the server knows how many parts it has.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == HEALTH:
            # Whoever asks a container whether it is well need not know of a base path.
            scope = {**scope, "path": base() + HEALTH}
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        # The whole page is asked for, since a browser that is told to keep its own takes over the
        # headers of the answer, and those name the scripts of no page; and plain text, since
        # Streamlit compresses before this sees it.
        headers = [pair for pair in scope["headers"] if pair[0] not in LEFT_OUT]
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
    parts = _parts(request.scope["path"])
    where = f"location.origin+location.pathname.split('/').slice(0,-{parts}).join('/')"
    script = f"<script>window.__streamlit={{BACKEND_BASE_URL:{where}}}</script>"
    script += f"<script>{PAGE_SCRIPT.read_text('utf-8')}</script>"
    body = body.replace(b"<head>", b"<head>" + script.encode(), 1)
    page = Response(body, begin["status"], {guard.POLICY_HEADER: guard.policy(body)})
    kept = [pair for pair in begin["headers"] if pair[0].lower() != b"content-length"]
    page.raw_headers = kept + page.raw_headers
    if not visitor.KEY.fullmatch(request.cookies.get(visitor.COOKIE, "")):
        page.headers.append("set-cookie", visitor.set_cookie(visitor.is_https(request.scope)))
    return page


MIDDLEWARE = [Middleware(guard.Guard), Middleware(PreparePage)]
"""For `st.App(..., middleware=MIDDLEWARE)`."""

ROUTES = [
    Route("/{prefix:path}genmodels/plotly.min.js", serve_plotly),
    Route("/{prefix:path}genmodels/runs/{run_id}/samples/{images_seen}.webp", serve_sample),
    Route("/{prefix:path}genmodels/widgets/{version}/{name}", serve_widget),
    Route("/{prefix:path}genmodels/onnxruntime/{version}/{name}", serve_runtime),
    Route("/{prefix:path}genmodels/runs/{run_id}/decoder.onnx", serve_decoder),
]
"""For `st.App(..., routes=ROUTES)`."""


def _parts(path: str) -> int:
    """How many parts of a page's path come after where the app begins."""
    return path.removeprefix(base()).count("/")


def base() -> str:
    """Where Streamlit was told that the app begins: "" or "/some/where"."""
    # Read late: when app.py is imported, Streamlit may not know its own settings yet.
    path = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def _address(path: str) -> str:
    return f"genmodels/{path}"


def _not_found(sentence: str) -> Response:
    sentence = sentence[:1].upper() + sentence[1:]
    return PlainTextResponse(sentence, 404, headers={"Cache-Control": "no-store"})


def _unreadable(run_id: str, error: OSError) -> Response:
    """It may be mended, or have been deleted just now: nothing of this is kept."""
    return _not_found(f"A file of the run {run_id!r} can't be read ({error.strerror}).")


def _kept_if_same(request: Request, version: str) -> dict[str, str]:
    """Headers of what changes: kept for good under an address that names this version."""
    same = request.query_params.get("v") == version
    return {"Cache-Control": FOREVER if same else "no-cache", "ETag": f'"{version}"'}


def _constant(request: Request, path: Path, media_type: str) -> Response:
    """A file whose address names its version."""
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    headers[FULL_LENGTH] = str(path.stat().st_size)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(path.read_bytes(), media_type=media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    with _compressing:  # A class that opens the app asks thirty times at once.
        content = _compressed(path, path.stat().st_mtime_ns)
    return Response(content, media_type=media_type, headers=headers)


_compressing = Lock()


@lru_cache(maxsize=4)
def _compressed(path: Path, stamp: int) -> bytes:
    """Compressed once; Streamlit would do it again for every browser."""
    return gzip.compress(path.read_bytes(), compresslevel=6, mtime=0)
