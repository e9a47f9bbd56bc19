"""Signatures against RFC 8032's vectors, the collected edge cases of the literature, and `cryptography`."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import ed25519

# RFC 8032, 7.1: public key, message, signature.
RFC_8032 = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip
SMALL = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"  # a key of small order
MIXED = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"
# Edge cases of "Taming the many EdDSAs": what makes each one dubious, key, message, signature.
DUBIOUS = [
    ("small order, both", SMALL, "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a" + "00" * 32),
    ("small order of the key", SMALL, "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
     "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03"
     "984d8068dcf1bb7dfc6637b45450ac04"),
    ("small order of the commitment", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
     "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8"
     "751a7dfe1baff8b953ec9f5833ca260e"),
    ("fits only times eight", MIXED, "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
     "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a"
     "6a58921d6925e434ab10aa7940551a09"),
    ("number beyond the order", "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
     "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
     "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19"
     "b3b3052f7ff0538cb68afb369ba3a514"),
    ("commitment not canonical", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
     "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
     "ed" + "ff" * 30 + "7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_vectors_of_the_rfc_are_valid_and_valid_for_nothing_else(key: str, message: str, signature: str) -> None:
    given = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)

    assert ed25519.is_valid(*given)
    assert not ed25519.is_valid(given[0], given[1] + b"x", given[2])
    for at in (0, 31, 32, 63):
        spoilt = given[2][:at] + bytes([given[2][at] ^ 1]) + given[2][at + 1 :]
        assert not ed25519.is_valid(given[0], given[1], spoilt)


@pytest.mark.parametrize(("why", "key", "message", "signature"), DUBIOUS, ids=[why for why, *_ in DUBIOUS])
def test_what_one_verifier_takes_and_another_does_not_is_refused(
    why: str, key: str, message: str, signature: str
) -> None:
    assert not ed25519.is_valid(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))


@pytest.mark.parametrize("seed", range(10))
def test_signatures_of_another_implementation_are_valid(seed: int) -> None:
    chance = random.Random(seed)
    private, message = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)), chance.randbytes(seed * 37)

    assert ed25519.is_valid(private.public_key().public_bytes_raw(), message, private.sign(message))


@pytest.mark.parametrize(("key", "signature"), [(b"", b""), (b"x" * 31, b"x" * 64), (b"\xff" * 32, b"x" * 64)])
def test_what_is_no_key_or_no_signature_is_invalid(key: bytes, signature: bytes) -> None:
    assert not ed25519.is_valid(key, b"", signature)
