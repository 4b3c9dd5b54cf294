"""docs/nginx.conf with Debian's nginx: TLS, a sub-path, two apps behind it, embedded elsewhere.

And the same nginx as a proxy that takes the beginning off paths, and before an exported site.
"""

import base64
import contextlib
import hashlib
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from browser import CHROMIUM, FLAGS, WAIT, Traffic, open_page, serving
from test_own_pictures import many, zipped

from genmodels import export, folders
from genmodels.own_pictures import MB, ZIP_BYTES
from genmodels.ui import guard, visitor

SHIPPED = (folders.REPOSITORY / "docs" / "nginx.conf").read_text()
MIME_TYPES = Path("/etc/nginx/mime.types")
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None or not MIME_TYPES.exists(),
    reason="needs Debian's nginx and openssl",
)


class Place(NamedTuple):
    """Where the app is, two sites that embed it, of which the friend may, and nginx's log."""

    address: str
    friend: str
    stranger: str
    log: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("nginx")
    port, friend, stranger = free_ports(3)
    shared = {name: str(folder / name) for name in ("runs", "cache", "data")}
    shared |= {"training": "open"}
    certificate = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=HOST -keyout HOST.key "
        "-out HOST.pem"
    )
    subprocess.run(certificate.split(), cwd=folder, check=True, capture_output=True)
    address = f"https://127.0.0.1:{port}/genmodels"
    place = Place(
        address, f"https://localhost:{friend}", f"https://localhost:{stranger}", folder / "log.txt"
    )
    shared |= {"embed": place.friend}
    with contextlib.ExitStack() as stack:
        apps = []
        for number in (1, 2):
            (folder / f"app-{number}").mkdir()
            app = folders.REPOSITORY / "app.py"
            base = "--server.baseUrlPath=/genmodels"
            apps.append(stack.enter_context(serving(folder / f"app-{number}", app, shared, base)))
        ports = [re.findall(r":(\d+)", app)[0] for app in apps]
        stack.enter_context(running(folder, port, whole(place, port, ports)))
        yield place


@contextlib.contextmanager
def running(folder: Path, port: int, rules: str) -> Iterator[None]:
    """nginx by these rules of its `http` block, of which a server listens on the port."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(f"""
        daemon off; user root; pid {folder}/pid; error_log stderr;
        events {{}}
        http {{
            {temporary}
            {rules}
        }}
    """)
    with (folder / "errors.txt").open("w") as errors:
        command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        nginx = subprocess.Popen(command, stderr=errors)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert nginx.poll() is None, (folder / "errors.txt").read_text()
            time.sleep(0.1)
        yield
    finally:
        nginx.terminate()
        nginx.wait(20)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def whole(place: Place, port: int, apps: list[str]) -> str:
    """The shipped file on other ports, in what Debian has around it, and the sites that embed."""
    folder = place.log.parent
    friend, stranger = (site.rpartition(":")[2] for site in (place.friend, place.stranger))
    used = SHIPPED.replace("listen 443", f"listen 127.0.0.1:{port}")
    used = used.replace("127.0.0.1:8501;", f"127.0.0.1:{apps[0]};")
    used = used.replace("# server 127.0.0.1:8502;", f"server 127.0.0.1:{apps[1]}; #")
    used = re.sub(r"/etc/ssl/\w+/", f"{folder}/", used)
    return f"""
        log_format apps '$cookie_genmodels_key $upstream_addr $request_method $uri $status';
        access_log {place.log} apps;
        {used}
        server {{
            listen 127.0.0.1:{friend} ssl;
            listen 127.0.0.1:{stranger} ssl;
            ssl_certificate {folder}/HOST.pem;
            ssl_certificate_key {folder}/HOST.key;
            default_type text/html;
            return 200 '<iframe src="{place.address}/train" width="900" height="900"></iframe>';
        }}
    """


@pytest.fixture(scope="module")
def trusting(browser, place):
    """A browser to which the certificate's key is good.

    One that ignores errors of certificates begins each request of a new connection again, and
    gives up after some.
    """
    command = ["openssl", "pkey", "-pubout", "-outform", "DER"]
    command += ["-in", str(place.log.with_name("HOST.key"))]
    key = subprocess.run(command, check=True, capture_output=True).stdout
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
    arguments = [*FLAGS, f"--ignore-certificate-errors-spki-list={pin}"]
    chromium = browser.browser_type.launch(executable_path=str(CHROMIUM), args=arguments)
    yield chromium
    chromium.close()


@pytest.fixture
def secure_page(trusting):
    context = trusting.new_context()
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.traffic = Traffic(page)
    yield page
    context.close()


def test_a_page_works_below_its_path_over_tls(secure_page, place):
    page, sockets = secure_page, []
    page.on("websocket", lambda opened: sockets.append(opened.url))
    open_page(page, f"{place.address}/sample?model=gan-mnist", "[role=option]")
    page.get_by_role("option").nth(4).click()
    open_page(page, f"{place.address}/interpolate?model=gan-mnist", "canvas")
    page.wait_for_timeout(500)
    assert page.traffic.trouble == []
    local = (place.address, "data:", "blob:")
    assert [url for url in page.traffic.requests if not url.startswith(local)] == []
    assert sockets
    assert all(url.startswith(place.address.replace("https", "wss")) for url in sockets)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert {visitor.COOKIE, "_streamlit_xsrf"} <= cookies.keys()
    assert all(cookie["secure"] for cookie in cookies.values())


def test_uploads_work_where_it_is_embedded_and_reach_both_apps(secure_page, place, tmp_path):
    from playwright.sync_api import expect

    page = secure_page
    (tmp_path / "cats.zip").write_bytes(zipped(many(20)).getvalue())
    page.goto(place.friend)
    app = page.frame_locator("iframe")
    app.get_by_text("Add own pictures").click()
    app.locator("input[type=file]").set_input_files(tmp_path / "cats.zip")
    app.get_by_role("button", name="Make this set").click()
    expect(app.get_by_text("is ready.")).to_be_visible()
    assert page.traffic.trouble == []

    keys = {app_of(place, f"{number:032x}"): f"{number:032x}" for number in range(20)}
    assert len(keys) == 2
    for key in keys.values():
        cookie = {"name": visitor.COOKIE, "value": key, "url": place.address}
        page.context.clear_cookies()
        page.context.add_cookies([cookie])
        open_page(page, f"{place.address}/train", "h2")
        page.get_by_role("combobox", name="Learn from").click()
        expect(page.get_by_role("option", name=re.compile("cats-"))).to_be_visible()
    # All of a visitor went to the same app.
    lines = [line.split() for line in place.log.read_text().splitlines()]
    apps = {key: {line[1] for line in lines if line[0] == key} for key in keys.values()}
    assert apps == {key: {app} for app, key in keys.items()}
    assert any(line[2:] == ["GET", "/genmodels/_stcore/stream", "101"] for line in lines)


def app_of(place: Place, key: str) -> str:
    """Which app answers a visitor."""
    get(f"{place.address}/_stcore/health", Cookie=f"{visitor.COOKIE}={key}")
    while not (found := re.search(f"^{key} (.*?) GET", place.log.read_text(), re.MULTILINE)):
        time.sleep(0.05)
    return found[1]


def test_another_site_cannot_embed_it(secure_page, place):
    secure_page.goto(place.stranger)
    secure_page.wait_for_timeout(1000)
    assert any("frame-ancestors" in text for text in secure_page.traffic.trouble)
    assert secure_page.frame_locator("iframe").locator("h2").count() == 0


def test_uploads_are_limited_before_they_reach_the_app(place):
    most = re.search(r"client_max_body_size (\d+)m", SHIPPED)
    assert most and int(most[1]) * MB == ZIP_BYTES + guard.AROUND
    too_much = {"Content-Length": str(int(most[1]) * MB + 1)}
    upload = f"{place.address}/_stcore/upload_file/nobody/file"
    assert get(upload, "PUT", **too_much).status == 413
    assert "Strict-Transport-Security" in get(upload, "PUT", **too_much).headers


def get(address: str, method: str = "GET", **headers: str):
    request = urllib.request.Request(address, headers=headers, method=method)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        return urllib.request.urlopen(request, timeout=20, context=trusting)
    except urllib.error.HTTPError as error:
        return error


PREFIX = "/user/ada/proxy/8501"


@pytest.fixture(params=["", "/genmodels"], ids=["as it is", "with a base path"])
def stripped(request, tmp_path) -> Iterator[str]:
    """The app behind a proxy that takes PREFIX off, as JupyterHub and Coder do; its address."""
    (port,) = free_ports(1)
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    app = folders.REPOSITORY / "app.py"
    base = [f"--server.baseUrlPath={request.param}"] if request.param else []
    with serving(tmp_path, app, places, *base) as address:
        upstream = address.removesuffix(request.param)
        assert urllib.request.urlopen(f"{upstream}/_stcore/health").read() == b"ok"
        rules = f"""
            access_log off;
            map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
            server {{
                listen 127.0.0.1:{port};
                location {PREFIX}/ {{
                    proxy_pass {upstream}/;
                    proxy_http_version 1.1;
                    proxy_set_header Host $http_host;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $connection_upgrade;
                }}
            }}
        """
        with running(tmp_path, port, rules):
            yield f"http://127.0.0.1:{port}{PREFIX}{request.param}"


def test_a_proxy_may_take_the_beginning_off_paths(page, stripped):
    """Pages, decoder, chart and samples are found from where the page is."""
    open_page(page, f"{stripped}/interpolate?model=gan-mnist", "canvas[data-place='0']")
    page.locator(".genmodels-trouble").filter(has_not_text=re.compile(".")).wait_for(
        state="attached"
    )
    with page.expect_response("**/*.webp?*") as sample:
        open_page(page, f"{stripped}/curves?runs=gan-mnist", ".main-svg")
    assert sample.value.ok
    open_page(page, f"{stripped}/", "h2")
    page.get_by_role("button", name="Explore").click()
    page.get_by_role("link", name="Sample").first.click()
    page.get_by_role("option").first.wait_for()
    assert page.url.startswith(f"{stripped}/sample")
    needed = {".onnx", ".wasm", ".webp", "plotly.min.js"}
    asked = [url.split("?")[0] for url in page.traffic.requests]
    assert [end for end in needed if not any(url.endswith(end) for url in asked)] == []
    assert page.traffic.trouble == []


def test_a_page_says_that_a_proxy_refuses_large_files(page, tmp_path):
    from playwright.sync_api import expect

    (port,) = free_ports(1)
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    content = zipped(many(20)).getvalue()
    assert len(content) > 2000
    with serving(tmp_path, folders.REPOSITORY / "app.py", {**places, "training": "open"}) as app:
        rules = f"""
            access_log off;
            client_max_body_size 1k;
            map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass {app};
                    proxy_http_version 1.1;
                    proxy_set_header Host $http_host;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $connection_upgrade;
                }}
            }}
        """
        with running(tmp_path, port, rules):
            open_page(page, f"http://127.0.0.1:{port}/train", "h2")
            page.get_by_text("Add own pictures").click()
            zip_file = {"name": "cats.zip", "mimeType": "application/zip", "buffer": content}
            page.locator("input[type=file]").set_input_files(zip_file)
            expect(page.locator(".genmodels-refused")).to_contain_text(
                "cats.zip: The server refuses files of this size."
            )
            expect(page.get_by_text("AxiosError")).to_have_count(0)


def test_an_exported_site_works_as_debian_serves_it(page, tmp_path, monkeypatch):
    """It names no type for .mjs, nor for what else is not in its list, and the folder lies deep."""
    monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "cache"))
    site = tmp_path / "served" / "some where" / "site"
    assert export.main(["vae-mnist-2d", "--out", str(site)]) == 0
    (port,) = free_ports(1)
    (tmp_path / "mime.types").write_bytes(MIME_TYPES.read_bytes())
    rules = f"""
        include mime.types;
        default_type application/octet-stream;
        add_header X-Content-Type-Options nosniff;
        access_log off;
        server {{ listen 127.0.0.1:{port}; root {tmp_path}/served; }}
    """
    with running(tmp_path, port, rules):
        page.goto(f"http://127.0.0.1:{port}/some%20where/site/")
        page.wait_for_selector("#map .genmodels-large[data-place]")
        page.wait_for_selector("#curves .main-svg")
        page.wait_for_selector("#player .genmodels-frame[data-place='0']")
    assert page.traffic.trouble == []
