"""What is stored encrypted beside the book is held against the digests in it, also when nobody can read it any more."""

from uuid import UUID

import pytest

from portfolio import retention
from portfolio.models import Act, ActWords, BrokerAccount, RawBody
from portfolio.proof.verification import verify
from tests import build
from tests.proof import tampering

NOBODY = UUID(int=7)
pytestmark = pytest.mark.database


def a_held_account() -> BrokerAccount:
    account = build.an_account()
    build.synced(account)
    retention.hold(account, "Asha Rao", "an inquiry")
    return account


def told(account: BrokerAccount) -> list[tuple[str, str, str, str]]:
    """Of the whole book; of the account alone it must be the same."""
    whole, alone = verify().findings, verify(account=account.head).findings
    assert whole == alone
    return [(finding.account, finding.table, finding.row, finding.says) for finding in whole]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM act_words", "the words of this act, who did it and why, are gone"),
        ("UPDATE act_words SET ciphertext = leaf FROM acts", "the words of this act, who did it and why, were changed"),
    ],
)
def test_who_did_something_and_why_cannot_be_changed_or_taken_away_unseen(statement: str, says: str) -> None:
    account, act = a_held_account(), Act.objects.get()
    with tampering.unguarded():
        assert tampering.run(statement) == 1

    assert told(account) == [(str(account.pk), "act_words", str(act.pk), says)]


def test_the_words_of_one_act_are_not_those_of_another() -> None:
    account = a_held_account()
    retention.release(account, "Asha Rao", "it is over")
    one, other = Act.objects.order_by("pk")
    with tampering.unguarded():
        for act, words in ((one, other.words), (other, one.words)):
            statement = "UPDATE act_words SET ciphertext = %s WHERE act_id = %s"
            tampering.run(statement, bytes(words.ciphertext), tampering.key(act.pk))

    assert {row for _, _, row, _ in told(account)} == {str(one.pk), str(other.pk)}


def test_what_belongs_to_nothing_in_the_book_is_named() -> None:
    account = a_held_account()
    with tampering.unguarded():
        RawBody(reply_id=NOBODY, ciphertext=b"x").save(force_insert=True)
        ActWords(act_id=NOBODY, ciphertext=b"x").save(force_insert=True)
        alone, whole = verify(account=account.head).findings, verify().findings
        tampering.run("DELETE FROM raw_bodies WHERE reply_id = %s", tampering.key(NOBODY))
        tampering.run("DELETE FROM act_words WHERE act_id = %s", tampering.key(NOBODY))

    assert [finding for finding in alone if finding.table] == []  # whose it is cannot be said
    assert [(finding.table, finding.row, finding.says) for finding in whole if finding.table] == [
        ("raw_bodies", str(NOBODY), "the reply that this is the body of is gone"),
        ("act_words", str(NOBODY), "the act that these are the words of is gone"),
    ]


def test_the_words_of_a_person_who_was_erased_are_there_and_no_alarm() -> None:
    account = build.an_account()
    build.synced(account)
    retention.shred(account, "Asha Rao", "she asked for it", override="a court said so")

    assert Act.objects.get().words
    assert told(account) == []
