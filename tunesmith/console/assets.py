"""Static files: ours, and the libraries that `assets/fetch.sh` puts into `static/vendor`.

Addresses hold a digest of the file, so that browsers keep it for good and never show an old one.
"""

import hashlib
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_DIGITS = 12


@cache
def static_url(name: str) -> str:
    """The address of a static file; where it is missing, one that answers 404."""
    path = STATIC / name
    # A module imports its neighbours from beside itself, so the digest is of all of them.
    files = sorted(path.parent.glob("*.js")) if path.suffix == ".js" else [path]
    content = b"".join(file.read_bytes() for file in files if file.is_file())
    return f"/static/{hashlib.sha256(content).hexdigest()[:_DIGITS]}/{name}"


def libraries_are_here() -> bool:
    """Whether the libraries were fetched: a released package has them, a fresh clone does not."""
    return (STATIC / "vendor" / "htmx.min.js").is_file()
