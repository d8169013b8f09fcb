"""A server that speaks S3 and means ill: whatever it answers, an error of ours or the rest of what it has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
from remote_helpers import bundle, deltas

from rhizomedb.db.connection import Connection
from rhizomedb.errors import RemoteError
from rhizomedb.remote import pull

pytest.importorskip("obstore", reason="buckets need the extra: pip install 'rhizomedb[remote]'")

Another = Callable[[], Connection]

GOOD = bundle(each.encode() for each in deltas(3))

Answer = tuple[int, bytes]


class Hostile(ThreadingHTTPServer):
    """Answers as the test says; one who listens in vain is let go of when the test ends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.over = threading.Event()
        self.listing: Callable[[int], Answer] = lambda page: (200, listing([(str(GOOD.name), len(GOOD.data))]))
        self.object: Callable[[str, int, int], Answer] = lambda _name, start, stop: (206, GOOD.data[start:stop])
        self.pages = 0
        self.asked: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what is wanted."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hostile

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        if "list-type" in split.query:
            self.server.pages += 1
            status, body = self.server.listing(self.server.pages)
        else:
            self.server.asked.append(unquote(split.path))
            first, last = self.headers["range"].removeprefix("bytes=").split("-")
            status, body = self.server.object(split.path.rsplit("/", 1)[1], int(first), int(last) + 1)
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("last-modified", "Fri, 20 Nov 2026 16:31:05 GMT")
        self.send_header("etag", '"x"')
        if status == 206:
            self.send_header("content-range", f"bytes {first}-{last}/{len(GOOD.data)}")
        self.end_headers()
        self.wfile.write(body)


def listing(objects: list[tuple[str, int]], more: bool = False) -> bytes:
    contents = "".join(
        f"<Contents><Key>p/bundles/{name}</Key><LastModified>2026-11-20T16:31:05.000Z</LastModified>"
        f'<ETag>"x"</ETag><Size>{size}</Size></Contents>'
        for name, size in objects
    )
    token = "<NextContinuationToken>t</NextContinuationToken>" if more else ""
    truncated = str(more).lower()
    return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{contents}</ListBucketResult>".encode()


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    server = Hostile()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}"),
    ):
        monkeypatch.setenv(name, value)
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def outcome(db: Connection) -> tuple[int, list[str]] | str:
    """What a pull comes to: how many are new and what is refused, or the error's code."""
    try:
        pulled = pull(db, "s3://b/p")
    except RemoteError as error:
        return error.code
    return pulled.new, [refused.code for refused in pulled.refused]


def test_it_can_be_good(hostile: Hostile, another: Another) -> None:
    assert outcome(another()) == (3, [])


TRICKS = ["%2e%2e/%2e%2e/etc/passwd", "0%00", "0/../../x", f"{'0' * 64}-1%0a", "..%2fx", "C:\\x", "-1"]


def test_names_with_tricks(hostile: Hostile, another: Another) -> None:
    names = [(name, 5) for name in TRICKS if "../" not in name]
    hostile.listing = lambda _page: (200, listing([*names, (str(GOOD.name), len(GOOD.data))]))
    assert outcome(another()) == (3, [])
    assert set(hostile.asked) == {f"/b/p/bundles/{GOOD.name}"}, "nothing else is ever asked for"


def test_a_name_that_ends_the_listing(hostile: Hostile, another: Another) -> None:
    hostile.listing = lambda _page: (200, listing([("0/../../x", 5)]))
    assert outcome(another()) == "remote.failed"


LISTINGS: dict[str, tuple[bytes, object]] = {
    "not XML": (b"hello", "remote.failed"),
    "a bomb of entities": (
        b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><ListBucketResult>&b;</ListBucketResult>',
        "remote.failed",
    ),
    "a size below zero": (listing([(str(GOOD.name), -5)]), "remote.failed"),
    "a size too great": (listing([(str(GOOD.name), 1 << 60)]), (0, ["remote.too-big"])),
    "a size too small": (listing([(str(GOOD.name), 3)]), (0, ["remote.altered"])),
    "another size": (listing([(str(GOOD.name), len(GOOD.data) + 9)]), (0, ["remote.failed"])),
}


@pytest.mark.parametrize("case", LISTINGS)
def test_listings(hostile: Hostile, another: Another, case: str) -> None:
    body, expected = LISTINGS[case]
    hostile.listing = lambda _page: (200, body)
    assert outcome(another()) == expected


def test_a_listing_without_end(hostile: Hostile, another: Another, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhizomedb.remote.catalog.OBJECTS_MAX", 5_000)
    objects = [(str(number), 5) for number in range(1_000)]
    hostile.listing = lambda _page: (200, listing(objects, more=True))
    assert outcome(another()) == "remote.too-big"


@pytest.mark.parametrize("empty", [True, False])
def test_a_listing_without_end_or_entries(
    hostile: Hostile, another: Another, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    """Nothing ever comes, in many answers or in none."""
    monkeypatch.setattr("rhizomedb.remote.bucket.SECONDS_MAX", 0.5)

    def answer(_page: int) -> Answer:
        if not empty:
            hostile.over.wait(20)
        return (500, b"") if hostile.over.is_set() else (200, listing([], more=True))

    hostile.listing = answer
    assert outcome(another()) == "remote.unreachable"


def test_an_object_that_never_comes(hostile: Hostile, another: Another, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhizomedb.remote.bucket.SECONDS_MAX", 0.5)

    def answer(*_: object) -> Answer:
        hostile.over.wait(20)
        return 404, b""

    hostile.object = answer
    assert outcome(another()) == "remote.unreachable"


OBJECTS: dict[str, tuple[Callable[[str, int, int], Answer], object]] = {
    "more than was asked for": (
        lambda _n, start, stop: (206, GOOD.data[start:stop] + b"x" * 9),
        (0, ["remote.too-big"]),
    ),
    "less than was asked for": (lambda _n, start, stop: (206, GOOD.data[start : stop - 1]), (0, ["remote.altered"])),
    "another object": (lambda _n, start, stop: (206, b"x" * (stop - start)), (0, ["remote.altered"])),
    "it is gone": (lambda *_: (404, b"<Error><Code>NoSuchKey</Code></Error>"), (0, ["remote.gone"])),
    "it is gone, in no words": (lambda *_: (404, b""), (0, ["remote.gone"])),
    "no range": (lambda *_: (416, b""), (0, ["remote.altered"])),
    "it is not for us": (lambda *_: (403, b"<Error><Code>AccessDenied</Code></Error>"), "remote.denied"),
    "the whole, though a part was asked for": (lambda *_: (200, GOOD.data), (0, ["remote.failed"])),
    "a joke": (lambda *_: (418, b"<Code>\x1b[2J</Code>"), (0, ["remote.failed"])),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_objects(hostile: Hostile, another: Another, case: str) -> None:
    hostile.object, expected = OBJECTS[case]
    assert outcome(another()) == expected
