"""Damage for files: what hypothesis draws. `GENMODELS_EXAMPLES=3000 pytest tests/test_faults.py`
looks long, and each time elsewhere; without it a few examples, always the same."""

import copy
import json
import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("GENMODELS_EXAMPLES") or 0)
DEEP = "here it is nested deep"
LONELY = st.text(st.characters(categories=("Cs", "L")), min_size=1, max_size=3)
"""Text with surrogates that have no partner: JSON can say them, UTF-8 cannot."""
ODD = (
    DEEP,
    "",
    "x" * 100_000,
    "\0",
    "<b>**x**</b>",
    "../../etc",
    "1e999",
    10**400,
    -1,
    2**63,
    1e308,
)
SCALARS = st.one_of(
    st.sampled_from(ODD), LONELY, st.none(), st.booleans(), st.integers(), st.floats(), st.text()
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


def few(examples: int) -> settings:
    """So many examples where nobody asks for more."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        phases=set(Phase) - {Phase.explain},
    )


def dumped(plain: Any) -> bytes:
    """As JSON, and where it says so nested deeper than any reader follows."""
    return json.dumps(plain).replace(json.dumps(DEEP), "[" * 9000 + "]" * 9000).encode()


@st.composite
def damaged_json(draw: st.DrawFn, content: bytes) -> bytes:
    """A JSON file with parts of it removed, renamed or replaced by something else."""
    plain = json.loads(content)
    for _ in range(draw(st.integers(1, 2))):
        plain = draw(_changed(plain))
    return dumped(plain)


@st.composite
def _changed(draw: st.DrawFn, plain: Any) -> Any:
    if not isinstance(plain, dict | list) or not plain or draw(st.integers(0, 6)) == 0:
        return draw(JUNK)
    plain = copy.copy(plain)
    keys = sorted(plain) if isinstance(plain, dict) else range(len(plain))
    key = draw(st.sampled_from(keys))
    match draw(st.sampled_from(("inside", "inside", "inside", "remove", "double", "rename"))):
        case "inside":
            plain[key] = draw(_changed(plain[key]))
        case "remove":
            del plain[key]
        case _ if isinstance(plain, list):
            plain.insert(key, plain[key])
        case "double":
            plain[draw(st.text(max_size=8))] = plain[key]
        case "rename":
            plain[draw(st.text(max_size=8))] = plain.pop(key)
    return plain


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A file cut off, or with something else in it, or something else altogether."""
    kind = draw(st.sampled_from(("cut", "overwritten", "repeated", "other")))
    if kind == "other":
        return draw(st.binary(max_size=200))
    at = draw(st.integers(0, len(content)))
    if kind == "cut":
        return content[:at]
    if kind == "repeated":
        return content[:at] + content[: draw(st.integers(0, len(content)))]
    junk = draw(st.binary(min_size=1, max_size=20))
    return content[:at] + junk + content[at + len(junk) :]


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """A file of JSON, or of a line of it after another, damaged in any of these ways."""
    lines = content.splitlines(keepends=True)
    try:
        json.loads(content)
    except ValueError:
        if not content.startswith(b"{"):
            return damaged_bytes(content)

        def with_line(place: int) -> st.SearchStrategy[bytes]:
            before, after = b"".join(lines[:place]), b"".join(lines[place + 1 :])
            return damaged_json(lines[place]).map(lambda line: before + line + b"\n" + after)

        structured = st.integers(0, len(lines) - 1).flatmap(with_line)
    else:
        structured = damaged_json(content)
    return st.one_of(structured, structured, structured, damaged_bytes(content))
