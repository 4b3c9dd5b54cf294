"""What stands between the app and its visitors: headers, and limits of sessions and uploads."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import anyio
import pytest
from browser import apart, serving
from starlette.responses import PlainTextResponse
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from genmodels import paths
from genmodels.data import own_pictures, single_picture
from genmodels.data.own_pictures import MB
from genmodels.ui import guard, visitor

HEALTH = "_stcore/health"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """The app with room for two."""
    folder = tmp_path_factory.mktemp("guard")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    places |= {"max_sessions": "2", "embed": "https://a.example https://b.example"}
    with serving(folder, paths.REPOSITORY / "app.py", places) as address:
        yield address


def get(address: str, method: str = "GET", **headers: str):
    headers = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(address, headers=headers, method=method)
    try:
        return urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        return error


def session(server: str) -> ClientConnection:
    return connect(f"{server.replace('http', 'ws')}/_stcore/stream", max_size=None)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "sample",
        HEALTH,
        "_stcore/host-config",
        "favicon.png",
        "media/nothing.png",
        "genmodels/plotly.min.js",
        "genmodels/runs/gan-mnist/samples/0.webp",
        "genmodels/runs/nobody/decoder.onnx",
    ],
)
def test_every_answer_has_the_headers(server, path):
    answer = get(f"{server}/{path}", accept="text/html")
    for name, value in guard.HEADERS.items():
        assert answer.headers[name] == value
    assert str(answer.headers).lower().count(guard.POLICY_HEADER.lower()) == 1
    rules = dict(rule.split(" ", 1) for rule in answer.headers[guard.POLICY_HEADER].split("; "))
    assert rules.pop("frame-ancestors") == "'self' https://a.example https://b.example"
    assert rules["default-src"] == "'none'"
    # No other host, no other script than the app's.
    assert not re.search(r"[.*]|https?:|'unsafe-eval'", " ".join(rules.values()))
    assert "'unsafe-inline'" not in rules["script-src"]
    page = answer.read().decode(errors="replace")
    inline = page.count("<script>") if "<html" in page else 0
    assert rules["script-src"].count("'sha256-") == inline
    assert (inline > 0) == (path in ("", "sample"))


def test_by_default_no_other_site_embeds_it(monkeypatch):
    monkeypatch.delenv("GENMODELS_EMBED", raising=False)
    assert guard.policy().endswith("frame-ancestors 'self'")


@pytest.mark.parametrize("https", [False, True])
def test_cookies_hold_where_the_app_is_embedded_over_https(server, https):
    forwarded = {"x_forwarded_proto": "https"} if https else {}
    answers = [get(f"{server}/{path}", accept="text/html", **forwarded) for path in ("", HEALTH)]
    cookies = [answer.headers["set-cookie"] for answer in answers]
    assert [cookie.split("=")[0] for cookie in cookies] == [visitor.COOKIE, "_streamlit_xsrf"]
    for cookie in cookies:
        assert cookie.endswith(visitor.EMBEDDED) == https
        assert "Path=/;" in cookie


def test_more_sessions_than_there_is_room_for_are_refused_until_one_ends(server):
    with session(server):
        with session(server):
            with pytest.raises(InvalidStatus, match="403"), session(server):
                pass
            full = get(server, accept="text/html")
            assert (full.status, full.headers["Retry-After"]) == (503, "60")
            assert b"try again" in full.read()
            assert get(f"{server}/{HEALTH}").status == 200
        for _ in range(100):  # The server hears of it in its own time.
            if get(server, accept="text/html").status == 200:
                break
        with session(server):
            pass


def test_a_message_is_limited(server):
    # It hangs up before it has read all, and what it said may be lost with that.
    hung_up = pytest.raises(ConnectionClosedError, match=r"too big|no close frame")
    with hung_up, session(server) as opened:
        opened.send(bytes(26 * MB))
        opened.recv(timeout=60)


def test_an_address_is_limited(server):
    assert get(f"{server}/sample?task={'x' * 7000}", accept="text/html").status == 200
    for address in (f"{server}/sample?task={'x' * 8000}", f"{server}/{'x' * 8000}"):
        assert get(address, accept="text/html").status == 414


def test_large_files_are_refused_unread_where_nobody_may_train(server):
    upload = f"{server}/_stcore/upload_file/nobody/file"
    too_large = str(single_picture.BYTES + guard.AROUND + 1)
    refusal = get(upload, "PUT", content_length=too_large)
    assert refusal.status == 413
    assert "20 MB are allowed" in refusal.read().decode()
    assert get(upload, "PUT", transfer_encoding="chunked").status == 411
    assert get(upload, "PUT", content_length="1").status == 403  # Streamlit's, without its token.


def upload(app: guard.Guard, size: int) -> int:
    """The status of an upload of so many bytes."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    path = "/base/_stcore/upload_file/session/file"
    headers = [(b"content-length", str(size).encode())]
    scope = {"type": "http", "method": "PUT", "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "headers": headers, "scheme": "http"}
    apart(anyio.run, app, scope, receive, send)
    return sent[0]["status"]


def test_uploads_have_so_much_room_in_all(monkeypatch):
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    seen = []

    async def inner(scope, receive, send):
        # While this one is on its way, another of the same size finds no room.
        seen.append(app.uploading)
        await PlainTextResponse("taken")(scope, receive, send)

    app = guard.Guard(inner)
    most = own_pictures.ZIP_BYTES
    monkeypatch.setattr(guard, "_uploaded", lambda: guard.UPLOADS - most)
    assert upload(app, most) == 200
    assert (seen, app.uploading) == ([most], 0)
    app.uploading = 1
    assert upload(app, most) == 503
    assert upload(app, most + guard.AROUND + 1) == 413
    monkeypatch.setenv("GENMODELS_TRAINING", "off")
    assert upload(app, most) == 413


def test_what_all_sessions_share_is_bounded():
    sources = [
        path.read_text()
        for name in ("genmodels", "pages")
        for path in (paths.REPOSITORY / name).rglob("*.py")
    ]
    kept = re.compile(r"^@(?:st\.cache_\w+|lru_cache|cache)\b(.*?)^def ", re.DOTALL | re.MULTILINE)
    caches = [options for source in sources for options in kept.findall(source)]
    assert len(caches) > 10
    assert [c for c in caches if not re.search("max_entries=|maxsize=|ttl=", c)] == []


def test_the_tests_that_the_threats_name_are_there():
    named = re.findall(r"`(test_\w+)`", (paths.REPOSITORY / "docs" / "threats.md").read_text())
    tests = "".join(path.read_text() for path in (paths.REPOSITORY / "tests").glob("*.py"))
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in tests] == []
