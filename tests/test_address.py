"""What a link asks for and cannot have: said in a quiet line, on every page."""

import re

import pytest
from conftest import write_mnist
from streamlit.testing.v1 import AppTest

from genmodels import folders
from genmodels.ui import navigation, shell

NUMBERS = ("nonsense", "1e999", "nan", "-1", "99999999999", "")
"""Where a small whole number is asked for; nothing at all asks for nothing."""
WORDS = ("nonsense", "<b>x</b>")


@pytest.fixture
def app(monkeypatch, tmp_path) -> AppTest:
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    return AppTest.from_file(navigation.__file__, default_timeout=120)


def open_page(app: AppTest, page: str, **query: str | list[str]) -> AppTest:
    """By a link; whoever opens the first page of all comes from nowhere."""
    if page != "home":
        app.run()
    for name, value in query.items():
        app.query_params[name] = value
    (app if page == "home" else app.switch_page(str(shell.page(page)))).run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    """What is said of the link, and every other complaint."""
    lines = [line.value for line in app.caption if "Part of this link" in line.value]
    assert len(lines) <= 1
    other = [*app.warning, *app.error, *app.info]
    return "\n".join([*lines, *(element.value for element in other)]).replace("\\", "")


ALL = {
    "home": ["tour"],
    "sample": ["model", "class", "count", "spread", "seed", "picture", "hide"],
    "interpolate": ["model", "path", "hide"]
    + [f"{end}_{part}" for end in "ab" for part in ("from", "class", "latent")],
    "reconstruct": ["model"],
    "map": ["model", "A", "B", "C", "as", "at"],
    "dimensions": ["model", "rows", "z", "a_from", "a_latent"],
    "picture": ["model", "source"],
    "arithmetic": ["model", *(f"{end}_{part}" for end in "abc" for part in ("from", "latent"))],
    "together": ["models", "view", "seed", "spread"],
    "curves": ["runs", "quantity", "log"],
    "evaluate": ["model", "view"],
    "train": ["recipe", "run", "pictures", "vae-mnist-epochs", "vae-mnist-learning_rate"],
    "vae": ["step"],
    "gan": ["step"],
    "points": ["networks", "points", "seed", "loss", "rate_d", "rate_g"],
}
"""The parameters that pages have when they open."""


@pytest.mark.parametrize(("page", "name"), [(page, name) for page in ALL for name in ALL[page]])
def test_nonsense_in_a_link_is_said(app, page, name):
    model = {"map": "gan-mnist", "sample": "vae-mnist-plus"}.get(page, "vae-mnist")
    if name == "as":
        model = "vae-mnist"
    open_page(app, page, **({} if name == "model" else {"model": model}), **{name: "nonsense"})
    assert "nonsense" in said(app) or "names no place" in said(app) or "no latent" in said(app)


def test_every_parameter_of_a_widget_is_tried():
    """Those that stand for others are tried in their place: B's for A's."""
    sources = [*(folders.REPOSITORY / "pages").glob("*.py")]
    sources += (folders.REPOSITORY / "genmodels" / "ui").glob("*.py")
    keys = {
        key
        for path in sources
        for key in re.findall(
            r'key=f?"([^"]+)",\s*bind=|bind="query-params",\s*key="', path.read_text()
        )
        if key
    }
    tried = {name for names in ALL.values() for name in names} | {n for _, n, *_ in MORE}
    tried |= {re.sub(r"^[abc]_", "{end}_", name) for name in tried}
    assert len(keys) > 20
    assert keys <= tried


MORE = [
    ("interpolate", "a_seed", {"a_from": "Random"}, NUMBERS),
    ("interpolate", "a_picture", {"a_from": "Random"}, ("0", "2.5", "nonsense")),
    ("interpolate", "a_spread", {"a_from": "Random"}, ("9", "nan", "nonsense")),
    ("interpolate", "a_image", {"a_from": "Test image"}, NUMBERS),
    ("interpolate", "a_label", {"a_from": "Random", "model": "gan-mnist-plus"}, WORDS),
    ("reconstruct", "first", {}, NUMBERS),
    ("picture", "image", {"source": "Test image"}, NUMBERS),
    ("picture", "steps", {"source": "Test image", "model": "gan-mnist"}, NUMBERS),
    ("together", "seed_b", {"view": "Walk"}, NUMBERS),
    ("together", "path", {"view": "Walk"}, WORDS),
    ("evaluate", "by", {"view": "Nearest training images"}, WORDS),
    ("evaluate", "seed", {"view": "Nearest training images"}, NUMBERS),
    ("evaluate", "features", {}, WORDS),
    ("evaluate", "samples", {}, NUMBERS),
    ("points", "latents", {"networks": "VAE"}, ("3", "nonsense")),
    ("points", "rate", {"networks": "VAE"}, ("3", "nonsense")),
    ("points", "variance", {"networks": "VAE"}, ("3", "nonsense")),
    ("points", "kl_weight", {"networks": "VAE"}, ("4", "nonsense")),
    ("sample", "seed", {}, NUMBERS),
    ("sample", "count", {}, ("0", "257", "2.5", "nonsense")),
    ("sample", "spread", {}, ("-1", "2.5", "nan", "1e999")),
    ("sample", "picture", {"count": "4"}, ("0", "5", "-1", "1e2")),
    ("dimensions", "rows", {}, ("0", "17", "1e999")),
]


@pytest.mark.parametrize(
    ("page", "name", "query", "value"),
    [(*most, value) for *most, values in MORE for value in values],
)
def test_each_kind_of_nonsense_is_said_with_what_is_shown(app, page, name, query, value):
    if page in ("reconstruct", "picture") or name == "a_image":
        write_mnist(folders.data(), train=20, val=20)
    open_page(app, page, **{"model": "vae-mnist", **query, name: value})
    for _ in range(2):
        if not value:
            assert "Part of this link" not in said(app)
        elif name == "a_label":  # The page says it in its own words.
            assert f"no class {value}" in said(app)
        else:
            instead = "" if name == "picture" else ", [^;]+ is shown instead"
            assert re.search(f"{name} = “{re.escape(value)}”{instead}", said(app))
        app.run()


@pytest.mark.parametrize("name", ["a_latent", "b_latent", "z"])
@pytest.mark.parametrize("page", ["sample", "interpolate"])
@pytest.mark.parametrize("text", ["garbage", "gone~12345678~AAAA"])
def test_a_latent_that_nothing_shows_yet_is_said(app, page, name, text):
    open_page(app, page, **{name: text})
    assert f"{name} = “{text}”" in said(app)


@pytest.mark.parametrize("page", [name for _, name, *_ in navigation.PAGES])
def test_nothing_is_said_of_a_sound_link(app, page):
    query = {
        "model": "vae-mnist",
        "models": ["vae-mnist", "gan-mnist"],
        "runs": ["gan-mnist", "vae-mnist"],
        "a_latent": "AAA8AAAA",
        "a_from": "Random",
        "a_seed": "3",
        "a_spread": "1.0",
        "seed": "7.0",
        "count": "12",
        "spread": "0.80",
        "log": "TRUE",
        "picture": "12",
        "path": "Great circle",
        "tour": "1",
        "utm_source": "mail",
        "vae-mnist-train_limit": "500",
    }
    open_page(app, page, **query)
    assert "Part of this link" not in said(app)
    app.run()
    assert "Part of this link" not in said(app)


def test_it_is_over_when_something_else_is_chosen_and_on_another_page(app):
    open_page(app, "sample", seed="1e999", count="257")
    assert "count = “257”, 64 is shown instead; seed = “1e999”, 0 is shown instead" in said(app)
    app.number_input(key="seed").set_value(5).run()
    assert "seed" not in said(app) and "count = “257”" in said(app)
    open_page(app, "interpolate")
    assert "Part of this link" not in said(app)
