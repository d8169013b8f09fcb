"""Author keys on this machine: one Ed25519 seed a file, made on first use, readable by its owner only.

The folder is `$RHIZOME_HOME/keys`, else `$XDG_CONFIG_HOME/rhizomedb/keys`, else `~/.config/rhizomedb/keys`. A file
`imdb.key` holds 64 hexadecimal digits. A key file that others can read is refused rather than used.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path

from rhizomedb.errors import RequestError
from rhizomedb.facts.signature import Key

NAME = re.compile(r"[^\W_][\w .@+-]{0,63}\Z")


def config_folder() -> Path:
    """Where this user's settings and keys live."""
    if home := os.environ.get("RHIZOME_HOME"):
        return Path(home)
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "rhizomedb"


def check_name(name: str) -> None:
    """Refuse a name that no author has here."""
    if not NAME.match(name) or name != name.strip():
        raise RequestError("keys.name", f"{name!r} cannot name an author", fix="imdb, alice, agent-7, alice@laptop")


class Keyring:
    """The author keys of one user: by name, made on first use."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else config_folder() / "keys"
        self._keys: dict[str, Key] = {}

    def key(self, name: str) -> Key:
        """The key of an author name; a new one the first time."""
        check_name(name)
        if name not in self._keys:
            path = self.folder / f"{name}.key"
            try:
                self._keys[name] = self._read(path) if path.exists() else self._create(path)
            except OSError as error:
                raise RequestError(
                    "keys.unwritable",
                    f"{self.folder}: {error.strerror}",
                    fix="set RHIZOME_HOME to a folder that you can write",
                ) from None
        return self._keys[name]

    def find(self, name: str) -> Key | None:
        """The key of an author name, if there is one."""
        return self.key(name) if NAME.match(name) and (self.folder / f"{name}.key").exists() else None

    def names(self) -> dict[bytes, str]:
        """Every author this user can sign for: public key to name. Files that hold no key are passed over."""
        found: dict[bytes, str] = {}
        if self.folder.is_dir():
            for path in sorted(self.folder.glob("*.key")):
                with contextlib.suppress(RequestError, OSError):
                    found[self._read(path).public] = path.stem
        return found

    def keep(self, name: str, key: Key) -> bool:
        """Keep a key that was made elsewhere under a name; False, and nothing is kept, where that has another one."""
        check_name(name)
        path = self.folder / f"{name}.key"
        try:
            kept = self._read(path) if path.exists() else self._create(path, key.seed)
        except OSError as error:
            raise RequestError("keys.unwritable", f"{self.folder}: {error.strerror}") from None
        return kept.public == key.public

    def _create(self, path: Path, seed: bytes | None = None) -> Key:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        seed = secrets.token_bytes(32) if seed is None else seed
        draft = self.folder / f".{path.stem}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(seed.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            # A link never replaces what is there: of two processes that make the same name, one wins and both read it.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)
        return self._read(path)

    def _read(self, path: Path) -> Key:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise RequestError("keys.unsafe", f"{path} can be read by other users", fix=f"chmod 600 '{path}'")
            text = file.read(256).strip()
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise RequestError(
                "keys.malformed",
                f"{path} does not hold a key",
                fix="restore it from a backup, or move it away for a new one",
            )
        return Key(bytes.fromhex(text))
