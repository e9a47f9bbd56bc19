"""The key of one account's evidence: recognises its raw replies, and keeps them unreadable to whoever lacks the key.

Each account has its own, sealed by the installation's keys: destroying it erases the person. AES-256-GCM, bound to the
account and to the digest. Knows no models, writes no log, and puts no secret into an error.
"""

import hmac
import secrets
import threading
from functools import lru_cache
from typing import NoReturn, cast

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .keys import KEY_BYTES, VERSION, CannotDecrypt, KeyRing, decrypt, encrypt, seal, unseal

_threads = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    """One a thread: setting one up costs more than a small reply takes, and two threads may not share it."""
    if not hasattr(_threads, "compressor"):
        _threads.compressor = zstandard.ZstdCompressor(level=1)
    return cast(zstandard.ZstdCompressor, _threads.compressor)


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_threads, "decompressor"):
        _threads.decompressor = zstandard.ZstdDecompressor()
    return cast(zstandard.ZstdDecompressor, _threads.decompressor)


class EvidenceKey:
    """Recognises and keeps the raw replies of one account. Two keys are derived: one to digest, one to encrypt."""

    __slots__ = ("_account_id", "_cipher", "_digest")

    def __init__(self, master: bytes, account_id: str) -> None:
        self._account_id = account_id.encode()
        self._digest = hmac.new(hmac.digest(master, b"khata evidence digest 1", "sha256"), digestmod="sha256")
        self._cipher = AESGCM(hmac.digest(master, b"khata evidence encrypt 1", "sha256"))

    def __repr__(self) -> str:
        return "EvidenceKey(***)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an evidence key cannot be pickled; unwrap it where it is needed")

    def digest(self, body: bytes) -> bytes:
        """32 bytes that tell equal bodies of this account, and nothing to whoever lacks the key."""
        digest = self._digest.copy()  # to set the key up anew would cost more than a small body does
        digest.update(body)
        return digest.digest()

    def encrypt(self, body: bytes, digest: bytes | None = None) -> bytes:
        """The body compressed and encrypted, bound to the account and to its digest (computed when not given)."""
        bound_to = self._account_id + (digest or self.digest(body))
        return VERSION + encrypt(self._cipher, _compressor().compress(body), bound_to)

    def decrypt(self, blob: bytes, digest: bytes) -> bytes:
        """The body again, checked against its digest."""
        blob = bytes(blob)
        if blob[:1] != VERSION:
            raise CannotDecrypt("A raw reply is stored in a form this version does not read. Run verify_ledger.")
        try:
            body = _decompressor().decompress(decrypt(self._cipher, blob[1:], self._account_id + bytes(digest)))
        except (InvalidTag, zstandard.ZstdError):
            body = None
        if body is None or not hmac.compare_digest(self.digest(body), bytes(digest)):
            raise CannotDecrypt("A raw reply was changed, or belongs to another account. Run verify_ledger.")
        return body


def new_evidence_key(ring: KeyRing, account_id: str) -> bytes:
    """A fresh key for an account's evidence, wrapped: what `account_keys` keeps. Destroying it erases the person."""
    return seal(ring, secrets.token_bytes(KEY_BYTES), evidence_context(account_id))


@lru_cache(maxsize=16_384)
def evidence_key(ring: KeyRing, wrapped: bytes, account_id: str) -> EvidenceKey:
    """The evidence key of an account. Remembered while the process lives: an account is synced several times a day.
    CannotDecrypt also where there is none any more: that is how a person is erased."""
    if not wrapped:
        raise CannotDecrypt("The account was erased: nobody reads its replies, and nothing more is written of it.")
    return EvidenceKey(unseal(ring, wrapped, evidence_context(account_id)), account_id)


def evidence_context(account_id: str) -> str:
    return f"evidence|{account_id}"
