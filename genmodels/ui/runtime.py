"""onnxruntime-web, with which browsers decode: installed by npm (`make app` does it), or missing.

Where it is missing the server decodes.
"""

import json

from .. import folders

PACKAGE = folders.REPOSITORY / "node_modules" / "onnxruntime-web"
FOLDER = PACKAGE / "dist"
WASM = "ort-wasm-simd-threaded.wasm"
FILES = {
    "ort.wasm.min.mjs": "text/javascript",
    "ort-wasm-simd-threaded.mjs": "text/javascript",
    WASM: "application/wasm",
}
"""What a browser loads of it, and as what."""


def available() -> bool:
    """Whether browsers can decode."""
    return (PACKAGE / "package.json").exists() and all((FOLDER / name).exists() for name in FILES)


def version() -> str:
    """The installed version; ask only where it is available."""
    return json.loads((PACKAGE / "package.json").read_text("utf-8"))["version"]
