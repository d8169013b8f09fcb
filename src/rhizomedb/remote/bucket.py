"""A bucket as a place: S3 and what speaks like it, Google Cloud Storage, Azure, by way of `obstore`.

Each request runs on a thread of its own, which is left behind when its time is up: neither a server that never comes to
an end nor a key that is pressed meanwhile has to wait for the other. What the library says of a failure holds
addresses, keys and signatures, so it is never repeated: the HTTP status and the service's own code are read from it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rhizomedb.errors import BundleRefused, RemoteError
from rhizomedb.remote.kind import Kind
from rhizomedb.remote.place import Listed

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SECONDS_MAX: Final = 60.0
"""How long one request, its repetitions among it, may take: a bundle of 4 MiB at 70 KB/s."""

RETRIES_MAX: Final = 3
RETRY_SECONDS_MAX: Final = 20
CONNECT_SECONDS_MAX: Final = 10

LIST_ENTRIES: Final = 1000

Got = TypeVar("Got")


class Bucket:
    """A bucket, or what begins with a prefix in it. `url` holds no secrets; the environment does."""

    is_made = False

    def __init__(self, url: str) -> None:
        self.label = url
        self._store = _store(url)
        self._waiting: set[Future[Any]] = set()

    def list(self, kind: Kind) -> Iterator[Listed]:
        """Every object of a kind, a page at a time."""
        import obstore

        # Names that are no paths (../x) end the listing with an error; those that sort before any bundle are not asked for.
        pages = obstore.list(self._store, kind.folder, offset=kind.path("0"), chunk_size=LIST_ENTRIES)
        while found := self._run(lambda: next(pages, None)):
            for each in found:
                yield Listed(each["path"].removeprefix(kind.path("")), each["size"])

    def read(self, kind: Kind, name: str, start: int, stop: int) -> bytes:
        """A part of an object; as soon as more comes than was asked for, no more is taken."""
        import obstore

        where = kind.where(name)

        def parts() -> bytes:
            got = obstore.get(self._store, kind.path(name), options={"range": (start, stop)})
            taken = bytearray()
            for part in got.stream(min_chunk_size=1):
                taken += part
                if len(taken) > stop - start:
                    raise BundleRefused("remote.too-big", "more of it comes than was asked for", where=where)
            return bytes(taken)

        return self._run(parts, where)

    def write(self, kind: Kind, name: str, data: bytes) -> None:
        """Put an object: buckets show none before the whole of it is there."""
        import obstore

        self._run(lambda: obstore.put(self._store, kind.path(name), data, use_multipart=False))

    def close(self) -> None:
        """Wait for nothing any more."""
        for future in list(self._waiting):
            with suppress(InvalidStateError):
                future.set_exception(_unreachable(self.label, "it was let go of"))

    def _run(self, work: Callable[[], Got], where: str | None = None) -> Got:
        future: Future[Got] = Future()

        def settle() -> None:
            with suppress(InvalidStateError):  # nobody waits for it any more
                try:
                    future.set_result(work())
                except BaseException as error:  # a panic of the library's is no `Exception`
                    future.set_exception(error)

        self._waiting.add(future)
        threading.Thread(target=settle, name="rhizome-remote", daemon=True).start()
        try:
            with _ours(self.label, where):
                return future.result(SECONDS_MAX)
        finally:
            future.cancel()
            self._waiting.discard(future)


def _store(url: str) -> ObjectStore:
    """The library's way to a bucket, with credentials and endpoint from the environment."""
    try:
        from obstore.store import from_url
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise RemoteError(
            "remote.extra", f"{url} needs the package obstore", fix="pip install 'rhizomedb[remote]'"
        ) from None
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    with _ours(url, None):
        return from_url(
            url,
            client_options={
                # Only where the endpoint says so: requests are signed, yet everybody on the way reads what is in them.
                "allow_http": endpoint.lower().startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS_MAX),
                "timeout": timedelta(seconds=SECONDS_MAX),
            },
            retry_config={"max_retries": RETRIES_MAX, "retry_timeout": timedelta(seconds=RETRY_SECONDS_MAX)},
        )


_SERVICE_CODES: Final = {
    "NoSuchBucket": "remote.not-found",
    "InvalidBucketName": "remote.not-found",
    "NoSuchKey": "remote.gone",
    "AccessDenied": "remote.denied",
    "InvalidAccessKeyId": "remote.denied",
    "SignatureDoesNotMatch": "remote.denied",
    "ExpiredToken": "remote.denied",
    "RequestTimeTooSkewed": "remote.denied",
    "XAdminUserNotFound": "remote.denied",
    "QuotaExceeded": "remote.full",
    "InvalidObjectState": "remote.failed",  # one object, moved to an archive
}
"""What services say, and what it is with us."""

_STATUSES: Final = {401: "remote.denied", 403: "remote.denied", 404: "remote.not-found", 507: "remote.full"}

_MAKING: Final = {
    "s3": "aws s3 mb s3://",
    "gs": "gcloud storage buckets create gs://",
    "az": "az storage container create --name ",
}
"""How a bucket is made, before its name."""

_CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""What each kind of place takes from the environment."""


def _fix(code: str, label: str) -> str:
    scheme, _, rest = label.partition("://")
    match code:
        case "remote.not-found":
            return f"{_MAKING[scheme]}{rest.partition('/')[0]}, or mend the name"
        case "remote.denied":
            return f"set {_CREDENTIALS[scheme]} of somebody who may list, read and write there"
        case "remote.full":
            return "make room, and push again"
        case "remote.unreachable":
            return "mend the network or AWS_ENDPOINT_URL, and do it again: what was done stays"
        case _:
            return "do it again: what was done stays"


_STATUS: Final = re.compile(r"status code: ([1-5][0-9]{2})\b")
_CODE: Final = re.compile(r"<Code>([A-Za-z][A-Za-z0-9]{0,63})</Code>")
_ENVIRONMENT: Final = ("latest/api/token", "169.254.169.254", "169.254.170.2", "metadata.google.internal")
"""Where the library looks when the environment has no credentials."""


@contextmanager
def _ours(label: str, where: str | None) -> Iterator[None]:
    """What the library says, as one of our errors, without its words."""
    try:
        yield
    except (RemoteError, AssertionError, MemoryError):
        raise
    except TimeoutError:
        raise _unreachable(label, f"no answer in {SECONDS_MAX:.0f} s") from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises its own kinds, some built-in ones, and panics of Rust
        raise _named(label, where, error) from None


def _named(label: str, where: str | None, error: BaseException) -> RemoteError:
    said = str(error).partition("\nDebug source")[0]
    status = int(match[1]) if (match := _STATUS.search(said)) else None
    service = match[1] if (match := _CODE.search(said)) else None
    if any(place in said for place in _ENVIRONMENT):
        return RemoteError("remote.denied", f"{label}: no credentials were found", fix=_fix("remote.denied", label))
    if "Account must be specified" in said:
        return RemoteError("remote.denied", f"{label}: no account was found", fix=_fix("remote.denied", label))
    code = _SERVICE_CODES.get(service or "") or _STATUSES.get(status or 0)
    kind = type(error).__name__
    if code is None:
        code = {"PermissionDeniedError": "remote.denied", "UnauthenticatedError": "remote.denied"}.get(kind)
    if where is not None and (code == "remote.gone" or (isinstance(error, FileNotFoundError) and service is None)):
        return BundleRefused("remote.gone", "it was listed and is not there any more", where=where)
    if where is not None and status == 416:
        return BundleRefused("remote.altered", "it is shorter than its name says", where=where)
    if kind == "InvalidPathError":
        return RemoteError(
            "remote.failed",
            f"{label}: an object there has a name that is no path",
            fix=f"take it away, or push to {label}/2",
        )
    if code is None and status is None and "HTTP error" in said:
        return _unreachable(label, "no connection, or it broke off")
    code = code if code in _WORDS else "remote.failed"
    answer = " ".join(str(part) for part in (status, service) if part is not None) or kind
    if where is not None and code == "remote.failed":
        return BundleRefused(code, f"the place does not give it ({answer})", where=where)
    return RemoteError(code, f"{label}: {_WORDS[code]} ({answer})", fix=_fix(code, label))


_WORDS: Final = {
    "remote.not-found": "there is no such bucket",
    "remote.denied": "it does not let in these credentials",
    "remote.full": "there is no room left",
    "remote.failed": "it answered with an error",
}


def _unreachable(label: str, message: str) -> RemoteError:
    return RemoteError("remote.unreachable", f"{label}: {message}", fix=_fix("remote.unreachable", label))
