"""URLs of places: a path, `file:///path`, `s3://bucket/prefix`, `gs://…`, `az://…`, `memory://name`.

Credentials have no place in a URL, because URLs are written into histories, logs and origins: they come from the
environment. A URL with something like them in it is refused, and not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote

from rhizomedb.errors import RemoteError, nearest_names
from rhizomedb.remote.folder import Folder
from rhizomedb.remote.memory import Memory
from rhizomedb.remote.place import Place

URL_CHARACTERS_MAX: Final = 4096

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@contextmanager
def opened(url: str) -> Iterator[Place]:
    """The place that a URL names; connections are let go of at the end."""
    place = place_of(url)
    try:
        yield place
    finally:
        place.close()


def place_of(url: str) -> Place:
    """The place that a URL names. Nothing is read or written yet."""
    if isinstance(url, str) and _UNPRINTABLE.search(url):
        raise RemoteError(
            "remote.url",
            "the name of a place is UTF-8 without control characters: it is written into the history of what came from there",
            fix="a link to it with another name: ln -s PLACE films",
        )
    if not isinstance(url, str) or not url or len(url) > URL_CHARACTERS_MAX:
        raise RemoteError(
            "remote.url", "a place is named by a path or a URL", fix="/mnt/share/films, s3://BUCKET/films"
        )
    match = _URL.fullmatch(url)
    if match is None:
        return Folder(url)
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        raise RemoteError(
            "remote.url",
            f"there is no kind of place {scheme}://",
            nearest=[f"{near}://" for near in nearest_names(scheme, SCHEMES)],
            fix="s3://BUCKET/PREFIX, with AWS_ENDPOINT_URL=https://… where it is not Amazon's",
        )
    return SCHEMES[scheme](scheme, match[2])


def _folder(_scheme: str, rest: str) -> Place:
    host, slash, path = rest.partition("/")
    path = unquote("/" + path)
    if host.lower() not in ("", "localhost") or not slash or _UNPRINTABLE.search(path):
        raise RemoteError("remote.url", "file:// is followed by an absolute path", fix="file:///mnt/share/films")
    return Folder(path)


def _memory(_scheme: str, rest: str) -> Place:
    _refuse_secrets("memory", rest)
    return Memory(rest)


def _bucket(scheme: str, rest: str) -> Place:
    _refuse_secrets(scheme, rest)
    bucket, _, prefix = rest.partition("/")
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    if not _BUCKET.fullmatch(bucket) or any(part in ("", ".", "..") for part in parts):
        raise RemoteError(
            "remote.url", f"{scheme}:// is followed by a bucket and a plain prefix", fix=f"{scheme}://BUCKET/films"
        )
    from rhizomedb.remote.bucket import Bucket  # it needs the extra

    return Bucket("/".join([f"{scheme}://{bucket}", *parts]))


def _refuse_secrets(scheme: str, rest: str) -> None:
    if "@" in rest.partition("/")[0] or "?" in rest or "#" in rest:
        raise RemoteError(
            "remote.url",
            f"what follows {scheme}:// has no user, password, ? or #: URLs end up in histories and logs",
            fix=f"{scheme}://BUCKET/PREFIX, with the credentials in the environment",
        )


SCHEMES: Final[dict[str, Callable[[str, str], Place]]] = {
    "file": _folder,
    "memory": _memory,
    "s3": _bucket,
    "gs": _bucket,
    "az": _bucket,
}
"""Who makes sense of what follows each scheme."""
