"""Checkpoints in the form of C2SP: the examples of the specification and of its reference, and what is none."""

from base64 import b64decode

import pytest

from ledger.checkpoint import Checkpoint, read_key, read_notes
from ledger.ed25519 import is_valid
from ledger.errors import BadCheckpoint

# The example of tlog-checkpoint, and the key of the reference implementation's own tests with its note.
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_the_example_of_the_specification_is_read_and_written_as_it_stands() -> None:
    (note,) = read_notes(EXAMPLE)

    root = bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
    assert note.checkpoint == Checkpoint("example.com/behind-the-sofa", 20852163, root)
    assert str(note) == EXAMPLE
    assert str(note.checkpoint) == note.text


def test_the_key_of_the_reference_is_read_and_its_note_is_signed_by_it() -> None:
    key, blob = read_key(KEY), b64decode(SIGNATURE)

    assert (str(key), key.id.hex(), blob[:4]) == (KEY, "c74f20a3", key.id)
    assert is_valid(key.public, TEXT.encode(), blob[4:])


def test_several_in_one_file_keep_their_order_and_lines() -> None:
    notes = read_notes(f"{EXAMPLE}\n{EXAMPLE}")

    assert [(note.line, str(note)) for note in notes] == [(1, EXAMPLE), (7, EXAMPLE)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("20852163", "020852163"), "line 2: '020852163' is no size"),
        (("20852163", "-1"), "line 2: '-1' is no size"),
        (("20852163", "many"), "line 2: 'many' is no size"),
        (("CsUY", "Cs"), "line 3: .* is no root"),
        (("\n— example", "\nexample"), "without its signature"),
        (("— example.com/behind-the-sofa ", "—  "), "line 5: a signature that cannot be read"),
        (("Az3grlgtzPIC", "!"), "line 5: a signature that cannot be read"),
        (("20852163\n", ""), "three lines"),
    ],
)
def test_what_is_no_checkpoint_is_told_with_its_line(change: tuple[str, str], says: str) -> None:
    with pytest.raises(BadCheckpoint, match=says):
        read_notes(EXAMPLE.replace(*change))


@pytest.mark.parametrize("text", ["", "a+b", KEY[:-4], KEY.replace("c74f", "c75f"), KEY.replace("Peter", "P+ter")])
def test_what_is_no_key_is_told(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        read_key(text)
