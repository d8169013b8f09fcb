"""How large attachments may be: one, and all of a database together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.errors import AttachmentError, RequestError

FILE_BYTES_MAX: Final = 16 << 30

VARIABLES: Final = {"file_bytes": "RHIZOME_ATTACHMENT_BYTES_MAX", "total_bytes": "RHIZOME_ATTACHMENTS_TOTAL_BYTES_MAX"}
"""Where the limits stand in the environment."""

_UNITS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest attachment, and the most that the blocks of all together may have, in bytes. `None` means no limit."""

    file_bytes: int | None = FILE_BYTES_MAX
    total_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in VARIABLES:
            limit = getattr(self, name)
            if limit is not None and (type(limit) is not int or limit < 0):
                raise RequestError("db.usage", f"a limit is a number of bytes, not {limit!r}", fix="512 << 20, or None")

    @classmethod
    def of_environment(cls, environment: Iterable[tuple[str, str]]) -> Limits:
        """The limits that the environment sets, as "104857600", "100M", "2G" or "none"."""
        texts = dict(environment)
        given = {name: bytes_of(texts[variable], variable) for name, variable in VARIABLES.items() if variable in texts}
        return cls(**given)


def bytes_of(text: str, where: str, what: str = "bytes") -> int | None:
    """A number of bytes, or of what else is counted, with K, M, G or T for powers of 1,024; "none" is no limit."""
    word = text.strip().lower()
    if word == "none":
        return None
    digits, unit = (word[:-1], word[-1]) if word[-1:].isalpha() else (word, "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19 and unit in _UNITS):
        example = "100M" if what == "bytes" else "10000"
        raise RequestError("db.usage", f"{text!r} is not a number of {what}", where=where, fix=f"{where}={example}")
    return int(digits) << _UNITS[unit]


def check_size(limits: Limits, size: int) -> None:
    """Refuse an attachment that is larger than the limit."""
    if limits.file_bytes is not None and size > limits.file_bytes:
        raise AttachmentError(
            "attachment.too-big",
            f"the attachment has more than {limits.file_bytes:,} bytes, the limit",
            fix=f"a greater limit: {VARIABLES['file_bytes']}=64G (in Python: open(…, attachment_bytes_max=64 << 30))",
        )
