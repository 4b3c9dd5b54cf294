"""onnxruntime-web, with which browsers decode: installed by npm (`make app` does it), or missing.

Where it is missing the server decodes.
"""

import json

from genmodels import paths

PACKAGE = paths.REPOSITORY / "node_modules" / "onnxruntime-web"
FOLDER = PACKAGE / "dist"
WASM = "ort-wasm-simd-threaded.wasm"
FILES = {
    "ort.wasm.min.js": ("ort.wasm.min.mjs", "text/javascript"),
    "ort-wasm-simd-threaded.js": ("ort-wasm-simd-threaded.mjs", "text/javascript"),
    WASM: (WASM, "application/wasm"),
}
"""What a browser loads of it: the name it asks for, the installed file, and its media type. Many
file servers, nginx as Debian ships it for one, know no type for .mjs, and browsers refuse modules
without one."""


def available() -> bool:
    """Whether browsers can decode."""
    return bool(version()) and all((FOLDER / file).exists() for file, _ in FILES.values())


def version() -> str:
    """The installed version; "" where none is, or npm was stopped half-way."""
    try:
        return str(json.loads((PACKAGE / "package.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
