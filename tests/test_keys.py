"""Keys: what is sealed stays sealed, moves nowhere else, and says what to do when it cannot be opened."""

import json
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from portfolio.evidence_keys import EvidenceKey, evidence_key, new_evidence_key
from portfolio.keys import CannotDecrypt, KeyRing, KeyTrouble, key_directory, key_id_of, rewrap, seal, unseal

CANARY = "canary-7f3a-totp-seed"


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_key_is_made_on_first_use_and_readable_by_its_owner_alone(ring: KeyRing) -> None:
    assert not ring.directory.exists()

    key_id = ring.primary

    assert list(ring.directory.iterdir()) == [ring.directory / f"{key_id}.key"]
    assert mode_of(ring.directory) == 0o700
    assert mode_of(ring.directory / f"{key_id}.key") == 0o400


def test_looking_for_keys_makes_none(ring: KeyRing) -> None:
    assert ring.ids == []
    assert not ring.directory.exists()


def test_many_at_once_agree_on_the_first_key(ring: KeyRing) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: KeyRing(ring.directory).primary, range(64)))

    assert set(ids) == set(ring.ids)
    assert len(ring.ids) == 1


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o404, 0o644])
def test_a_key_file_that_others_might_touch_is_refused(ring: KeyRing, mode: int) -> None:
    path = ring.directory / f"{ring.primary}.key"
    path.chmod(mode)

    with pytest.raises(KeyTrouble, match=f"chmod 0400 {path}"):
        KeyRing(ring.directory).load()


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_key_directory_that_others_might_enter_is_refused(ring: KeyRing, mode: int) -> None:
    assert ring.primary
    ring.directory.chmod(mode)

    with pytest.raises(KeyTrouble, match=f"chmod 0700 {ring.directory}"):
        KeyRing(ring.directory).load()


def test_a_key_directory_that_cannot_be_made_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(
        KeyTrouble, match=r"file/keys cannot be made or written \(Not a directory\)\. Set KHATA_KEYS to one"
    ):
        KeyRing(tmp_path / "file" / "keys").load()


@pytest.mark.parametrize("content", [b"", b"short", b"!" * 44, b"QUJD\n", b"A" * 60])
def test_a_key_file_that_holds_no_key_is_named(ring: KeyRing, content: bytes) -> None:
    path = ring.directory / f"{ring.primary}.key"
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(0o400)

    with pytest.raises(KeyTrouble, match=f"{path.name} does not hold 32 bytes"):
        KeyRing(ring.directory).load()


def test_other_files_beside_the_keys_are_left_alone(ring: KeyRing) -> None:
    key_id = ring.primary
    (ring.directory / "signing.key").write_text("another matter")

    assert KeyRing(ring.directory).primary == key_id


def test_a_ring_does_not_show_its_keys(ring: KeyRing) -> None:
    key = (ring.directory / f"{ring.primary}.key").read_text().strip()

    assert key not in repr(ring)
    assert repr(ring) == f"KeyRing('{ring.directory}')"


@given(st.binary(max_size=300), st.text(max_size=60))
def test_what_is_sealed_comes_back(tmp_path_factory: pytest.TempPathFactory, plain: bytes, context: str) -> None:
    ring = KeyRing(tmp_path_factory.getbasetemp() / "sealed-keys")

    assert unseal(ring, seal(ring, plain, context), context) == plain


def test_the_same_text_never_seals_to_the_same_bytes(ring: KeyRing) -> None:
    assert seal(ring, b"same", "row 1") != seal(ring, b"same", "row 1")


def test_a_value_moved_to_another_row_cannot_be_read(ring: KeyRing) -> None:
    blob = seal(ring, CANARY.encode(), "account 1|credentials")

    with pytest.raises(CannotDecrypt, match=r"account 2\|credentials.*belongs to another row"):
        unseal(ring, blob, "account 2|credentials")


def test_a_data_key_moved_to_another_value_opens_nothing(ring: KeyRing) -> None:
    """The same row and column, sealed twice: halves of two values never fit."""
    first, second = seal(ring, b"a" * 40, "row"), seal(ring, b"b" * 40, "row")
    cut = len(first) - 40 - 12 - 16

    with pytest.raises(CannotDecrypt, match="was changed"):
        unseal(ring, first[:cut] + second[cut:], "row")


def test_every_flipped_bit_is_noticed(ring: KeyRing) -> None:
    blob = seal(ring, b"x", "row")
    opened = []
    for position in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[position // 8] ^= 1 << (position % 8)
        try:
            opened.append(unseal(ring, bytes(changed), "row"))
        except CannotDecrypt:
            continue

    assert opened == []


@pytest.mark.parametrize("length", [0, 1, 2, 20, 90])
def test_bytes_cut_short_are_not_taken_for_a_value(ring: KeyRing, length: int) -> None:
    with pytest.raises(CannotDecrypt):
        unseal(ring, seal(ring, b"x", "row")[:length], "row")


def test_a_missing_key_is_named_with_what_to_do(ring: KeyRing) -> None:
    blob = seal(ring, CANARY.encode(), "row")
    lost = ring.primary
    (ring.directory / f"{lost}.key").unlink()

    with pytest.raises(CannotDecrypt, match=rf"The key {lost} is not in .*Put {lost}.key back") as caught:
        unseal(KeyRing(ring.directory), blob, "row")

    assert CANARY not in str(caught.value)
    assert KeyRing(ring.directory).ids == []


def test_another_installations_key_is_never_taken_for_ours(ring: KeyRing, tmp_path: Path) -> None:
    blob = seal(ring, b"x", "row")
    other = KeyRing(tmp_path / "other")
    other.load()

    with pytest.raises(CannotDecrypt, match="is not in"):
        unseal(other, blob, "row")


def test_a_wrong_key_under_the_right_name_is_told_apart(ring: KeyRing) -> None:
    blob = seal(ring, b"x", "row")
    path = ring.directory / f"{ring.primary}.key"
    path.chmod(0o600)
    path.write_text("A" * 43 + "=")
    path.chmod(0o400)

    with pytest.raises(CannotDecrypt, match="another key"):
        unseal(KeyRing(ring.directory), blob, "row")


def test_after_rotation_the_newest_key_seals_and_the_old_one_still_opens(ring: KeyRing) -> None:
    old_blob = seal(ring, b"old", "row")
    old = ring.primary

    new = ring.rotate()

    assert (ring.ids, ring.primary) == ([old, new], new)
    assert unseal(ring, old_blob, "row") == b"old"
    assert key_id_of(seal(ring, b"new", "row")) == new


def test_a_process_that_has_not_heard_of_a_rotation_still_reads_what_came_after(ring: KeyRing) -> None:
    assert ring.primary
    other = KeyRing(ring.directory)
    other.rotate()

    assert unseal(ring, seal(other, b"later", "row"), "row") == b"later"


def test_rewrapping_changes_the_wrapped_key_and_nothing_else(ring: KeyRing) -> None:
    blob = seal(ring, b"x" * 100, "row")
    new = ring.rotate()

    rewrapped = rewrap(ring, blob, "row")

    assert key_id_of(rewrapped) == new
    assert rewrapped[-128:] == blob[-128:]
    assert unseal(ring, rewrapped, "row") == b"x" * 100
    assert rewrap(ring, rewrapped, "row") == rewrapped


def test_rewrapping_refuses_a_value_of_another_row(ring: KeyRing) -> None:
    blob = seal(ring, b"x", "row 1")
    ring.rotate()

    with pytest.raises(CannotDecrypt):
        rewrap(ring, blob, "row 2")


def test_after_rewrapping_the_old_key_may_go(ring: KeyRing) -> None:
    blob = seal(ring, b"x", "row")
    old = ring.primary
    ring.rotate()
    rewrapped = rewrap(ring, blob, "row")

    (ring.directory / f"{old}.key").unlink()

    assert unseal(KeyRing(ring.directory), rewrapped, "row") == b"x"


@pytest.fixture
def key(ring: KeyRing) -> EvidenceKey:
    return evidence_key(ring, new_evidence_key(ring, "account 1"), "account 1")


def test_equal_bodies_have_equal_digests_within_an_account_only(ring: KeyRing, key: EvidenceKey) -> None:
    wrapped = new_evidence_key(ring, "account 1")
    other = evidence_key(ring, wrapped, "account 1")

    assert len(key.digest(b"body")) == 32
    assert key.digest(b"body") == key.digest(b"body")
    assert key.digest(b"body") != key.digest(b"Body")
    assert key.digest(b"body") != other.digest(b"body")
    assert other.digest(b"body") == evidence_key(ring, wrapped, "account 1").digest(b"body")


@given(st.binary(max_size=2000))
def test_a_body_comes_back_as_it_was(body: bytes) -> None:
    key = EvidenceKey(b"k" * 32, "account 1")

    assert key.decrypt(key.encrypt(body), key.digest(body)) == body


def test_a_body_is_compressed_and_unreadable(key: EvidenceKey) -> None:
    body = json.dumps([{"symbol": "RELIANCE", "quantity": 10}] * 400).encode()

    blob = key.encrypt(body, key.digest(body))

    assert b"RELIANCE" not in blob
    assert len(blob) < len(body) // 10


def test_a_body_under_another_digest_or_account_cannot_be_read(ring: KeyRing) -> None:
    wrapped = new_evidence_key(ring, "account 1")
    key = evidence_key(ring, wrapped, "account 1")
    blob = key.encrypt(b"body")

    with pytest.raises(CannotDecrypt):
        key.decrypt(blob, key.digest(b"other"))
    with pytest.raises(CannotDecrypt):
        evidence_key(ring, wrapped, "account 2")
    with pytest.raises(CannotDecrypt):
        EvidenceKey(b"k" * 32, "account 2").decrypt(EvidenceKey(b"k" * 32, "account 1").encrypt(b"b"), bytes(32))


def test_a_body_encrypted_under_a_digest_that_is_not_its_own_is_refused(key: EvidenceKey) -> None:
    wrong = key.digest(b"other")

    with pytest.raises(CannotDecrypt, match="changed"):
        key.decrypt(key.encrypt(b"body", wrong), wrong)


def test_every_flipped_bit_of_a_body_is_noticed(key: EvidenceKey) -> None:
    blob, digest = key.encrypt(b"body"), key.digest(b"body")
    opened = []
    for position in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[position // 8] ^= 1 << (position % 8)
        try:
            opened.append(key.decrypt(bytes(changed), digest))
        except CannotDecrypt:
            continue

    assert opened == []


def test_what_the_database_hands_back_as_memory_views_is_read(ring: KeyRing, key: EvidenceKey) -> None:
    assert unseal(ring, memoryview(seal(ring, b"x", "row")), "row") == b"x"  # type: ignore[arg-type]
    blob, digest = memoryview(key.encrypt(b"body")), memoryview(key.digest(b"body"))
    assert key.decrypt(blob, digest) == b"body"  # type: ignore[arg-type]


def test_an_evidence_key_cannot_leave_by_accident(key: EvidenceKey) -> None:
    assert repr(key) == "EvidenceKey(***)"
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_digests_and_ciphertexts_of_the_first_version_stay_readable() -> None:
    """Fixed bytes: a change of derivation would make every stored reply unreadable."""
    key = EvidenceKey(bytes(range(32)), "account 1")

    assert key.digest(b"body").hex() == "438a659285dafa70731a4b4f868c0d490598babf4c73a3ad8657a13e4869ed40"
    assert (
        key.decrypt(
            bytes.fromhex("01ce092fe21fa91ad8821a66d8b3dd106e29bb1d7093f7321c36bdb4fe83d4504dcf185dde0985434344"),
            key.digest(b"body"),
        )
        == b"body"
    )


@pytest.mark.parametrize(
    ("configured", "xdg", "expected"),
    [
        ("/srv/keys", "/xdg", Path("/srv/keys")),
        ("", "/xdg", Path("/xdg/khata/install-1")),
        ("", "", Path("/of/user/.config/khata/install-1")),
    ],
)
def test_the_directory_is_the_setting_or_the_users_own(
    monkeypatch: pytest.MonkeyPatch, configured: str, xdg: str, expected: Path
) -> None:
    monkeypatch.setattr(settings, "KHATA_KEYS", configured, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", xdg)
    monkeypatch.setenv("HOME", "/of/user")

    assert key_directory("install-1") == expected
