"""What pages load beside themselves: our own styles and scripts, and the libraries that npm installed."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

_HERE = Path(__file__).parent
OWN = _HERE / "static"
_LIBRARIES = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "htmx-sse.js": "htmx-ext-sse/dist/sse.min.js",
    "idiomorph.js": "idiomorph/dist/idiomorph-ext.min.js",
}
"""The name a page loads a library by, and the file in `node_modules`."""
_COMMENT = re.compile(rb"^[ \t]*(?://.*|/\*\*.*\*/)\n", re.MULTILINE)
"""A line of a script that is for its reader alone."""


class NotInstalled(Exception):
    """The libraries of the pages are missing; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it goes over the wire. `packed` is it gzipped, None where that makes it no smaller."""

    body: bytes
    packed: bytes | None
    media_type: str


class Assets:
    """All files, read once. Their addresses hold a hash of them all, so browsers keep them for good."""

    def __init__(self) -> None:
        """Raises NotInstalled."""
        self.files = {name: _asset(path) for name, path in sorted(_paths())}
        content = sha256()
        for name, asset in self.files.items():
            content.update(name.encode() + b"\0" + asset.body)
        self.version = content.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError for one there is not, so a template can't name it."""
        self.files[name]
        return f"/static/{self.version}/{name}"


@cache
def assets() -> Assets:
    """The files of this installation."""
    return Assets()


def _paths() -> Iterator[tuple[str, Path]]:
    for path in OWN.rglob("*"):
        if path.is_file():
            yield path.relative_to(OWN).as_posix(), path
    for name, where in _LIBRARIES.items():
        path = _HERE / "node_modules" / where
        if not path.is_file():
            raise NotInstalled(f"The pages need {where}, which is not installed. Run `make run`, or npm ci in app/web.")
        yield name, path


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    if path.is_relative_to(OWN) and path.suffix == ".js":
        body = _COMMENT.sub(b"", body)
    packed = gzip.compress(body, 9, mtime=0)
    media_type = guess_type(path.name)[0] or "application/octet-stream"
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return Asset(body, packed if len(packed) < len(body) else None, media_type)
