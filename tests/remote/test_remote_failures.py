"""What a place can do wrong: typed errors without secrets, and a copy that stays whole."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from remote_helpers import Back, deltas, fill, ids
from remote_server import ACCESS, SECRET, Server

from rhizomedb.cli import main
from rhizomedb.db.connection import Connection, connect
from rhizomedb.errors import CODES, Error, RemoteError
from rhizomedb.remote import pull, push
from rhizomedb.remote.kind import DELTAS, Kind
from rhizomedb.remote.url import opened, place_of

Another = Callable[[], Connection]

URLS = [
    ("", "remote.url"),
    ("\0", "remote.url"),
    ("x" * 5000, "remote.url"),
    ("/tmp/x\ny", "remote.url"),
    ("s4://bucket", "remote.url"),
    ("https://bucket.example/x", "remote.url"),
    ("s3://", "remote.url"),
    ("s3:///films", "remote.url"),
    ("s3://../films", "remote.url"),
    ("s3://bucket/../films", "remote.url"),
    ("s3://bucket/a//b", "remote.url"),
    (f"s3://{ACCESS}:{SECRET}@bucket/films", "remote.url"),
    (f"s3://bucket/films?secret={SECRET}", "remote.url"),
    (f"memory://user:{SECRET}@x", "remote.url"),
    (f"file://{SECRET}@host/films", "remote.url"),
    ("file://elsewhere/films", "remote.url"),
    ("file:///a%00b", "remote.url"),
    ("nowhere/films", "remote.not-found"),
]


@pytest.mark.parametrize(("url", "code"), URLS)
def test_urls_refused(url: str, code: str, another: Another, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in (push, pull):
        with pytest.raises(RemoteError) as caught:
            verb(fill(another(), deltas(1)), url)
        assert caught.value.code == code
        assert_no_secret(caught.value)


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("share/films", "share/films"),
        ("file:///mnt/a%20b", "/mnt/a b"),
        ("file://localhost/mnt", "/mnt"),
        ("memory://x", "memory://x"),
        ("s3://bucket", "s3://bucket"),
        ("S3://bucket/films/", "s3://bucket/films"),
        ("gs://bucket/films", "gs://bucket/films"),
        ("az://bucket/films/x", "az://bucket/films/x"),
    ],
)
def test_urls(url: str, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "://bucket" in url:
        pytest.importorskip("obstore")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert place_of(url).label == label


def test_an_account_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(RemoteError) as caught:
        place_of("az://container/films")
    assert (caught.value.code, "AZURE_STORAGE_ACCOUNT_NAME" in str(caught.value.fix)) == ("remote.denied", True)


def assert_no_secret(error: Error) -> None:
    said = str(error) + json.dumps(error.as_dict()) + repr(error.__cause__)
    assert SECRET not in said
    assert ACCESS not in said
    assert error.code in CODES


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch, another: Another) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(RemoteError) as caught:
        push(another(), "s3://bucket/films")
    assert (caught.value.code, caught.value.fix) == ("remote.extra", "pip install 'rhizomedb[remote]'")


# The real server


def failure(verb: Callable[[Connection, str], object], db: Connection, url: str) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        verb(db, url)
    assert_no_secret(caught.value)
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("verb", [push, pull])
def test_wrong_credentials(
    verb: Callable[[Connection, str], object], s3: Back, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = fill(another(), deltas(1))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET + "x")
    assert failure(verb, db, s3.url).code == "remote.denied"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS + "x")
    assert failure(verb, db, s3.url).code == "remote.denied"
    assert [epoch.origin for epoch in db.arrivals()] == ["test"]


@pytest.mark.parametrize("verb", [push, pull])
def test_missing_bucket(verb: Callable[[Connection, str], object], s3: Back, another: Another) -> None:
    error = failure(verb, another(), "s3://no-such-bucket/films")
    assert (error.code, "aws s3 mb s3://no-such-bucket," in str(error.fix)) == ("remote.not-found", True)


@pytest.mark.parametrize("verb", [push, pull])
def test_nobody_answers(
    verb: Callable[[Connection, str], object], s3: Back, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert failure(verb, another(), s3.url).code == "remote.unreachable"


def test_an_upload_that_breaks_off_leaves_nothing(s3: Back, another: Another) -> None:
    import obstore
    from obstore.store import from_url

    a = fill(another(), deltas(3))
    push(a, s3.url)
    (name,) = s3.names()
    data = s3.get(name)
    s3.delete(name)
    store = from_url(s3.url, client_options={"allow_http": True})
    signed = urllib.parse.urlsplit(obstore.sign(store, "PUT", f"bundles/{name}", timedelta(minutes=1)))
    connection = http.client.HTTPConnection(signed.netloc)
    connection.putrequest("PUT", f"{signed.path}?{signed.query}")
    connection.putheader("content-length", str(len(data)))
    connection.endheaders()
    connection.send(data[: len(data) // 2])
    connection.close()
    time.sleep(0.2)
    assert s3.names() == []
    assert pull(another(), s3.url).new == 0
    assert push(a, s3.url).new == 3
    assert pull(another(), s3.url).new == 3


@pytest.fixture
def own_server(tmp_path: Path, s3: Back, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that may be stopped."""
    server = Server(tmp_path)
    server.start()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


def test_the_server_stops_in_the_middle(
    own_server: Server, tmp_path: Path, small_bundles: None, another: Another
) -> None:
    url = own_server.bucket("films") + "/x"

    def stop(_done: int, total: int) -> None:
        if total:  # past the heads
            own_server.stop()

    with connect(tmp_path / "a.db") as a, connect(tmp_path / "b.db") as b:
        fill(a, deltas(60))
        with pytest.raises(RemoteError) as caught:
            push(a, url, progress=stop)
        assert caught.value.code == "remote.unreachable"
        own_server.start()
        assert push(a, url).new == 57
        with pytest.raises(RemoteError) as caught:
            pull(b, url, progress=stop)
        assert caught.value.code == "remote.unreachable"
        taken = len(ids(b))
        assert 3 <= taken < 60
        assert (list(a.verify()), list(b.verify())) == ([], [])
        own_server.start()
        assert pull(b, url).new == 60 - taken
        assert ids(a) == ids(b)


# Folders


def test_nothing_outside_of_a_folder_is_read(folder: Back, another: Another, tmp_path: Path) -> None:
    push(fill(another(), deltas(2)), folder.url)
    bundles = Path(folder.url) / "bundles"
    (name,) = folder.names()
    names = [str(number) * 64 + "-1" for number in range(4)]
    (tmp_path / "elsewhere").write_bytes(folder.get(name))
    (bundles / names[0]).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(bundles / names[1])
    (bundles / names[2]).mkdir()
    with (bundles / names[3]).open("wb") as file:
        file.truncate(1 << 40)
    assert folder.names() == sorted([name, names[3]])
    pulled = pull(another(), folder.url)
    assert (pulled.new, [error.code for error in pulled.refused]) == (2, ["remote.too-big"])
    with opened(folder.url) as place:
        for each, code in zip(names[:3], ("malformed", "malformed", "failed"), strict=True):
            with pytest.raises(RemoteError) as caught:
                place.read(DELTAS, each, 0, 10)
            assert caught.value.code == f"remote.{code}"


def test_a_bundle_that_goes_while_it_is_read(
    folder: Back, another: Another, small_bundles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(fill(another(), deltas(6)), folder.url)
    names = folder.names()
    from rhizomedb.remote.folder import Folder

    real = Folder.read

    def read(self: Folder, kind: Kind, name: str, start: int, stop: int) -> bytes:
        if start and os.path.exists(f"{folder.url}/bundles/{names[0]}"):
            folder.delete(names[0])
        return real(self, kind, name, start, stop)

    monkeypatch.setattr(Folder, "read", read)
    pulled = pull(another(), folder.url)
    assert (pulled.new, [error.code for error in pulled.refused]) == (3, ["remote.gone"])


@pytest.mark.parametrize(
    ("number", "code"), [("ENOSPC", "remote.full"), ("EROFS", "remote.denied"), ("EIO", "remote.failed")]
)
def test_a_write_that_fails_leaves_nothing(
    folder: Back, another: Another, monkeypatch: pytest.MonkeyPatch, number: str, code: str
) -> None:
    import errno

    def fail(*_: object) -> None:
        raise OSError(getattr(errno, number), "no")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(RemoteError) as caught:
            push(fill(another(), deltas(1)), folder.url)
    assert caught.value.code == code
    assert not os.path.exists(folder.url) or folder.names() == []


def test_a_folder_is_made_but_none_above_it(another: Another, tmp_path: Path) -> None:
    db = fill(another(), deltas(1))
    push(db, str(tmp_path / "new"))
    with pytest.raises(RemoteError) as caught:
        push(db, str(tmp_path / "not" / "there"))
    assert caught.value.code == "remote.not-found"
    (tmp_path / "file").write_text("")
    for verb in (push, pull):
        with pytest.raises(RemoteError) as caught:
            verb(db, str(tmp_path / "file"))
        assert caught.value.code == "remote.not-found"


# A place that means ill


def test_a_list_that_does_not_end(another: Another, monkeypatch: pytest.MonkeyPatch, dictionary: Back) -> None:
    monkeypatch.setattr("rhizomedb.remote.catalog.OBJECTS_MAX", 10)
    for number in range(11):
        dictionary.put(str(number), b"")
    with pytest.raises(RemoteError) as caught:
        pull(another(), dictionary.url)
    assert caught.value.code == "remote.too-big"


def test_what_is_broken_hides_nothing(another: Another, monkeypatch: pytest.MonkeyPatch, dictionary: Back) -> None:
    monkeypatch.setattr("rhizomedb.remote.catalog.REFUSED_MAX", 10)
    for number in range(30):
        dictionary.put(f"{number:064}-1", b"x" * 100)
    push(fill(another(), deltas(3)), dictionary.url)
    pulled = pull(another(), dictionary.url)
    assert (pulled.new, pulled.refused_count, len(pulled.refused)) == (3, 30, 10)


# The command line


def shell(command: str) -> int:
    return main(shlex.split(command))


def test_verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with connect("a.db") as a:
        fill(a, deltas(3))
    assert shell("push a.db share") == 0
    assert capsys.readouterr().out == "3 deltas pushed in 1 bundle, 0 there already\n"
    assert shell("pull b.db share") == 0
    assert capsys.readouterr().out == "3 deltas taken in, 0 known already\n"
    assert shell("push b.db share --check --json") == 0
    counts = {
        "new": 0,
        "known": 3,
        "bundles": 0,
        "bytes": 0,
        "blocks": 0,
        "block_bytes": 0,
        "packs": 0,
        "strangers": 0,
        "refused_count": 0,
        "refused": [],
        "lost": [],
    }
    assert json.loads(capsys.readouterr().out) == counts
    assert shell("pull b.db share --json") == 0
    counts = {
        "new": 0,
        "held": 0,
        "known": 3,
        "bundles": 0,
        "unsent": 0,
        "strangers": 0,
        "refused_count": 0,
        "refused": [],
        "not_kept_count": 0,
        "not_kept": [],
        "blocks": 0,
        "block_bytes": 0,
        "packs": 0,
        "unfilled": 0,
        "left_out_count": 0,
        "left_out": [],
    }
    assert json.loads(capsys.readouterr().out) == counts


def test_verbs_that_meet_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with connect("a.db") as a:
        fill(a, deltas(3))
    shell("push a.db share")
    (bundle,) = Path("share/bundles").iterdir()
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"x")
    Path("share/bundles/note").write_text("hello")
    capsys.readouterr()
    assert shell("pull a.db share") == 0, "nothing is wanted of it"
    assert shell("pull b.db share") == 3
    said = capsys.readouterr().err
    assert f"refused: bundle {bundle.name}: its body does not have the hash that its head says [remote.altered]" in said
    assert "1 object there is no bundle or pack" in said
    assert shell("push a.db share --check") == 3
    assert shell("pull b.db share") == 0


def test_a_pull_that_fails_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell("pull b.db shaer") == 1
    assert "rhizome push b.db shaer" in capsys.readouterr().err
    assert os.listdir() == []
    assert shell("push b.db share --json") == 1
    assert json.loads(capsys.readouterr().err)["code"] == "store.not-found"


@pytest.mark.parametrize("command", ["push a.db share", "pull a.db share"])
def test_a_key_is_pressed(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with connect("a.db") as a:
        fill(a, deltas(1))
    os.mkdir("share")

    def press(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rhizomedb.remote.folder.Folder.list", press)
    assert shell(command) == 130
    assert "what was done stays" in capsys.readouterr().err
