"""Holds what is stored encrypted, bodies of replies and words of acts, against the digests that rows of the book have.

It stands in tables of its own, without leaves: a body can be dropped. Decrypts nothing.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, Func, Model, OuterRef, QuerySet, TextField

from ledger.findings import Finding

from ..models import Act, ActWords, DroppedBody, RawBody, RawReply
from . import acts
from .scope import Scope

ROWS_AT_ONCE = 500


def as_stored(name: str) -> Func:
    """An id as the driver hands it out: to make a UUID of each takes as long as to judge its page."""
    return Func(F(name), template="%(expressions)s", output_field=TextField())


_NAMES = tuple(map(as_stored, ("id", "broker_account_id")))


def judge(scope: Scope) -> Iterator[Finding]:
    """What is stored is what the leaves have the digests of, and it is there, unless the book says that it was
    dropped. Words of acts stay: who is erased takes the key along, and nobody reads them."""
    replies, done = _rows(RawReply, scope), _rows(Act, scope)
    for names in _changed(replies.filter(body__isnull=False), "body__ciphertext"):
        yield _finding(RawBody, "the body of this reply was changed", *names)
    for names in replies.filter(body__isnull=True, dropped__isnull=True).values_list(*_NAMES):
        yield _finding(RawBody, "the body of this reply is gone, and nothing says that it was dropped", *names)
    yield from _that_stayed(replies.filter(body__isnull=False, dropped__isnull=False))
    for names in _changed(done.filter(words__isnull=False), "words__ciphertext"):
        yield _finding(ActWords, "the words of this act, who did it and why, were changed", *names)
    for names in done.filter(words__isnull=True).values_list(*_NAMES):
        yield _finding(ActWords, "the words of this act, who did it and why, are gone", *names)
    if scope.is_whole:
        yield from _of_nothing(RawBody, RawReply, "the reply that this is the body of")
        yield from _of_nothing(ActWords, Act, "the act that these are the words of")


def _rows(model: type[Model], scope: Scope) -> QuerySet[Any]:
    rows = model._default_manager.all()
    if scope.account:
        rows = rows.filter(broker_account=scope.account.account_id)
    if scope.since:
        rows = rows.filter(batch__page__in=scope.pages())
    return rows


def _changed(rows: QuerySet[Any], ciphertext: str) -> Iterator[tuple[Any, ...]]:
    columns = rows.values_list(ciphertext, "ciphertext_digest", *_NAMES)
    for stored, expected, *names in columns.iterator(chunk_size=ROWS_AT_ONCE):
        if sha256(stored).digest() != expected:
            yield tuple(names)


def _that_stayed(replies: QuerySet[RawReply]) -> Iterator[Finding]:
    sealing = acts.sealing(DroppedBody.objects.filter(reply__in=replies))
    for act, *names in replies.values_list("dropped__batch", *_NAMES):
        says = "the body of this reply is recorded as dropped and is there; manage.py drop_replies drops it"
        if act not in sealing:
            says = "the record that the body of this reply was dropped is forged: no act sealed it"
        yield _finding(RawBody, says, *names)


def _of_nothing(model: type[Model], owner: type[Model], what: str) -> Iterator[Finding]:
    """On SQLite foreign keys stand in nobody's way who does not ask for them."""
    owners = owner._default_manager.filter(pk=OuterRef("pk"))
    for row in model._default_manager.exclude(Exists(owners)).values_list(as_stored(model._meta.pk.attname), flat=True):
        yield _finding(model, f"{what} is gone", row, "")


def _finding(model: type[Model], says: str, row: Any, account: Any) -> Finding:
    return Finding(says, id_text(account), 0, model._meta.db_table, id_text(row))


def id_text(stored: Any) -> str:
    try:
        return str(UUID(str(stored)))
    except ValueError:
        return str(stored or "")
