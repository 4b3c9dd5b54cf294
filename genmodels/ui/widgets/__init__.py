"""What Streamlit's own widgets cannot do: pictures that change while a handle is dragged, a grid
of pictures to choose from, a canvas to draw on, the numbers of a latent as sliders, a map of
pictures under the pointer, learning curves with the samples of each moment below them, lessons,
and a GAN and a VAE that learn points in the browser.

Each is a component of `st.components.v2` in a file of its own, with its JavaScript and its CSS
beside it. The JavaScript is ES modules, which a browser loads from the app by their address.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

FOLDER = Path(__file__).parent
MODULES = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.js"))}
"""What is served, as it was when the app began: a version is of one content."""
VERSION = hashlib.sha256(repr(MODULES).encode()).hexdigest()[:16]


def widget(name: str, *, style: str | None = None, isolate_styles: bool = True) -> Any:
    """A component of Streamlit: the module of this name, and its style sheet or another one ("":
    none)."""
    css = None if style == "" else _style("widget", style or name)
    return component(f"genmodels_{name}", js=_script(name), css=css, isolate_styles=isolate_styles)


def _script(name: str) -> str:
    """What Streamlit itself loads: from blob:, to which no path is relative."""
    # All at once: a browser that hears of one module from another waits for each.
    return f"""const load = (part) =>
  import(new URL("genmodels/widgets/{VERSION}/" + part, document.baseURI).href);

export default async (component) => {{
  const [{{ default: show }}] = await Promise.all({parts(f"{name}.js")}.map(load));
  return show(component);
}};"""


def parts(name: str) -> list[str]:
    """A module, and after it those that it imports, and that these import."""
    found = [name]
    for part in found:  # It grows meanwhile.
        imported = re.findall(r'from "\./(\S+)"', MODULES[part].decode())
        found += [module for module in imported if module not in found]
    return found


def _style(*names: str) -> str:
    # Streamlit takes one style sheet.
    return "\n".join((FOLDER / f"{name}.css").read_text("utf-8") for name in names)


def nothing() -> None:
    """Streamlit hands on a state only where somebody listens to it."""
