"""Ed25519 signatures: the only module that touches cryptography beyond hashing (RFC 8032, through libsodium).

Three things that the bare primitive leaves open are closed here, so that every copy accepts the same deltas: public
keys of small order are refused, under which a forger can sign anything; so are points and scalars that are not in
their one canonical form. Chance comes in from outside: a key is made of a seed that somebody else drew.
"""

from __future__ import annotations

from functools import cache, lru_cache
from types import ModuleType
from typing import Final, NoReturn

from rhizomedb.errors import DeltaRefused, RequestError

SEED_BYTES: Final = 32
PUBLIC_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

FIELD: Final = 2**255 - 19
"""The prime of the field: a canonical coordinate is less."""

GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""The order of the base point: a canonical scalar is less."""

_Y_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER: Final = frozenset({0, 1, FIELD - 1, _Y_8, FIELD - _Y_8})
"""The y coordinates of the eight points whose order divides eight. Either sign of x is such a point, or none at all."""

_SIGN: Final = 1 << 255


class Key:
    """An author's private key, from a seed of 32 bytes. It is never printed."""

    __slots__ = ("_secret", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        if not isinstance(seed, bytes) or len(seed) != SEED_BYTES:
            raise RequestError("keys.malformed", f"the seed of a key is {SEED_BYTES} bytes")
        self.seed = seed
        self.public: bytes
        self.public, self._secret = _nacl().bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes that show that the holder of this key has said the message."""
        signed: bytes = _nacl().bindings.crypto_sign(message, self._secret)
        return signed[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"<Key of {self.public.hex()}>"

    def __reduce__(self) -> NoReturn:
        raise RequestError("keys.malformed", "a private key is not pickled", fix="keep its seed in a key file")


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of a public key signed exactly this message; an unsafe key is refused by an error."""
    check_public(public)
    if len(signature) != SIGNATURE_BYTES or int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        return False
    if not _is_canonical_point(signature[:32]):
        return False
    try:
        _nacl().bindings.crypto_sign_open(signature + message, public)
    except _nacl().exceptions.BadSignatureError:
        return False
    return True


def check_public(public: bytes) -> None:
    """Refuse a public key that is not a canonical point of the group that honest keys are in."""
    if type(public) is not bytes or len(public) != PUBLIC_BYTES:
        raise DeltaRefused("delta.author-key", f"a public key is {PUBLIC_BYTES} bytes")
    if not _is_public(public):
        raise DeltaRefused("delta.author-key", f"{public.hex()} is not the public key of an honest author")


@lru_cache(maxsize=1024)
def _is_public(public: bytes) -> bool:
    # libsodium also sees to it that the point is on the curve, and in the subgroup of prime order.
    return _is_canonical_point(public) and bool(_nacl().bindings.crypto_core_ed25519_is_valid_point(public))


def _is_canonical_point(point: bytes) -> bool:
    """Whether 32 bytes can be a point in its one form, and not one of small order."""
    y = int.from_bytes(point, "little") & (_SIGN - 1)
    return y < FIELD and y not in SMALL_ORDER


@cache
def _nacl() -> ModuleType:
    # Importing it takes longer than importing all of facts; it is needed late or never.
    import nacl.bindings
    import nacl.exceptions

    return nacl
