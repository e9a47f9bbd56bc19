"""What somebody may do who owns the database and knows all of this: each attack strikes at a random place of the book.

An attack returns what a verification must say: words that one of its findings has to hold, and the account, page or row
that it has to name, as far as that can be known.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection

from ledger import merkle, page
from ledger.canonical import BOOK, SYNC_BATCH, Schema
from ledger.checkpoint import Checkpoint as Text
from ledger.page import FIRST_PREVIOUS
from portfolio.models import (
    AccountHead,
    ActWords,
    BrokerAccount,
    Checkpoint,
    DroppedBody,
    LedgerPage,
    LedgerTree,
    RawBody,
    SyncBatch,
)
from portfolio.proof import signing
from tests.proof.tampering import key, run
from tests.sync import recomputed


class Traces(NamedTuple):
    """What has to be found."""

    words: str
    account: str = ""
    page: int = 0
    row: str = ""


def a_row(chance: random.Random) -> tuple[Schema, Any]:
    """A sealed row of the book, any table as likely as the other."""
    tables = [schema for schema in BOOK.values() if recomputed.model_of(schema)._default_manager.exists()]
    schema = chance.choice(tables)
    ids = list(recomputed.model_of(schema)._default_manager.order_by("pk").values_list("pk", flat=True))
    return schema, recomputed.model_of(schema)._default_manager.select_related("batch__page__head").get(
        pk=chance.choice(ids)
    )


def traces(row: Any, words: str, names_row: bool = True) -> Traces:
    head = row.batch.page.head
    return Traces(words, account_of(head), row.batch.page.number, str(row.pk) if names_row else "")


def account_of(head: AccountHead) -> str:
    return str(head.account_id or "of the installation")


def altered(chance: random.Random, schema: Schema, row: Any) -> tuple[str, Any]:
    """A column, and another value for it: the next number, a null, a text that looks the same."""
    columns = [(column, kind) for column, kind in schema.fields[2:-1] if kind not in ("uuid", "date", "boolean")]
    column, kind = chance.choice(columns)
    fields = {field.column: field for field in row._meta.concrete_fields}
    field = fields[column]
    value = getattr(row, field.attname)
    if kind in ("text", "json"):
        longer = chance.choice(["x", "\\N", "\t", '"'])
        fits = len(value or "") + len(longer) <= (field.max_length or 10_000)
        return column, f"{value or ''}{longer}" if fits else f"{'y' if value[0] == 'x' else 'x'}{value[1:]}"
    if kind == "digest":
        return column, sha256(bytes(value or b"")).digest()
    if kind == "instant":
        return column, field.get_db_prep_value((value or row.detected_at) + timedelta(microseconds=1), connection)
    if kind == "integer":
        return column, (value or 0) + 1
    return column, field.get_db_prep_value((value or 0) + 1, connection)


def change(chance: random.Random, schema: Schema, row: Any) -> None:
    """Where the database refuses it, since another row has that key, something else of the row."""
    column, value = altered(chance, schema, row)
    try:
        assert run(f'UPDATE {schema.name} SET "{column}" = %s WHERE id = %s', value, key(row.pk)) == 1
    except IntegrityError:
        change(chance, schema, row)


def update(chance: random.Random) -> Traces:
    schema, row = a_row(chance)
    change(chance, schema, row)
    return traces(row, "the row was changed")


def delete(chance: random.Random) -> Traces:
    schema, row = a_row(chance)
    run(f"DELETE FROM {schema.name} WHERE id = %s", key(row.pk))
    return traces(row, "are gone", names_row=False)


def insert_afterwards(chance: random.Random) -> Traces:
    """A copy under an id of its own, with its right leaf, as if its batch had written it."""
    schema, row = a_row(chance)
    return traces(_copied(chance, schema, row, row.batch), "never sealed", names_row=False)


def _copied(chance: random.Random, schema: Schema, row: Any, batch: SyncBatch) -> Any:
    row.pk, row.batch = UUID(int=chance.getrandbits(128)), batch
    for constraint in row._meta.constraints:
        own = [row._meta.get_field(name) for name in getattr(constraint, "fields", ())]
        if own:
            _make_unlike([field for field in own if not field.is_relation][-1], row)
    row.leaf = recomputed.leaf(schema, row)
    row.save(force_insert=True)
    return row


def insert_under_an_open_batch(chance: random.Random) -> Traces:
    """The same, in a batch of its own that looks as if a broker was just asked: nothing that is there is touched."""
    schema, row = a_row(chance)
    while schema.name == "raw_replies":  # these may stand there
        schema, row = a_row(chance)
    open_batch = SyncBatch.objects.get(pk=row.batch_id)
    open_batch.pk, open_batch.status, open_batch.completed_at = UUID(int=chance.getrandbits(128)), "STARTED", None
    open_batch.sync_type = chance.choice(SyncBatch.ASKED)
    open_batch.save(force_insert=True)
    return Traces("under a batch that is open", row=str(_copied(chance, schema, row, open_batch).pk))


def _make_unlike(field: Any, row: Any) -> None:
    value = getattr(row, field.attname)
    other = (
        value + 1000
        if isinstance(value, int)
        else sha256(bytes(value)).digest()
        if not isinstance(value, str)
        else value[:9] + "x"
    )
    setattr(row, field.attname, other)


def swap(chance: random.Random) -> Traces:
    """Two rows of a table take each other's place: all but their ids."""
    schema, row = a_row(chance)
    others = list(recomputed.model_of(schema)._default_manager.exclude(pk=row.pk).order_by("pk"))
    differing = [o for o in others if recomputed.values(schema, o)[1:-2] != recomputed.values(schema, row)[1:-2]]
    if not differing:
        return update(chance)
    other = chance.choice(differing)
    columns = schema.columns[2:-2]
    fields = {field.column: field for field in row._meta.concrete_fields}
    unique = {name for c in row._meta.constraints for name in getattr(c, "fields", ())}
    moved = [
        c
        for c in columns
        if fields[c].name not in unique and getattr(row, fields[c].attname) != getattr(other, fields[c].attname)
    ]
    if not moved:
        return update(chance)
    for one, two in ((row, other), (other, row)):
        sets = ", ".join(f'"{column}" = %s' for column in moved)
        values = [fields[c].get_db_prep_value(getattr(two, fields[c].attname), connection) for c in moved]
        run(f"UPDATE {schema.name} SET {sets} WHERE id = %s", *values, key(one.pk))
    return traces(row, "the row was changed")


def truncate(chance: random.Random) -> Traces:
    schema, row = a_row(chance)
    run(f"TRUNCATE {schema.name} CASCADE" if connection.vendor == "postgresql" else f"DELETE FROM {schema.name}")
    return traces(row, "are gone", names_row=False)


def change_a_batch(chance: random.Random) -> Traces:
    sealed = a_page(chance)
    run("UPDATE sync_batches SET errors_count = errors_count + 1 WHERE id = %s", key(sealed.batch_id))
    says = "the record of the batch was changed"
    return Traces(says, account_of(sealed.head), sealed.number, str(sealed.batch_id))


def change_a_leaf(chance: random.Random) -> Traces:
    schema, row = a_row(chance)
    run(f"UPDATE {schema.name} SET leaf = %s WHERE id = %s", sha256(bytes(row.leaf)).digest(), key(row.pk))
    return traces(row, "the leaf beside the row was changed")


def change_a_body(chance: random.Random) -> Traces:
    body = chance.choice(list(RawBody.objects.order_by("pk")))
    ciphertext = bytearray(body.ciphertext)
    ciphertext[chance.randrange(len(ciphertext))] ^= 1
    run("UPDATE raw_bodies SET ciphertext = %s WHERE reply_id = %s", bytes(ciphertext), key(body.pk))
    return Traces("the body of this reply was changed", row=str(body.pk))


def delete_a_body(chance: random.Random) -> Traces:
    body = chance.choice(list(RawBody.objects.order_by("pk")))
    run("DELETE FROM raw_bodies WHERE reply_id = %s", key(body.pk))
    return Traces("the body of this reply is gone", row=str(body.pk))


def a_body_of_nothing(chance: random.Random) -> Traces:
    """Of a reply that never was: what foreign keys refuse where they are asked."""
    body = RawBody(reply_id=UUID(int=chance.getrandbits(128)), ciphertext=chance.randbytes(20))
    body.save(force_insert=True)
    return Traces("the reply that this is the body of is gone", row=str(body.pk))


def change_words(chance: random.Random) -> Traces:
    """Who did it and why: one bit of what is encrypted."""
    words = chance.choice(list(ActWords.objects.order_by("pk")))
    ciphertext = bytearray(words.ciphertext)
    ciphertext[chance.randrange(len(ciphertext))] ^= 1
    run("UPDATE act_words SET ciphertext = %s WHERE act_id = %s", bytes(ciphertext), key(words.pk))
    return Traces("the words of this act, who did it and why, were changed", row=str(words.pk))


def delete_words(chance: random.Random) -> Traces:
    words = chance.choice(list(ActWords.objects.order_by("pk")))
    run("DELETE FROM act_words WHERE act_id = %s", key(words.pk))
    return Traces("the words of this act, who did it and why, are gone", row=str(words.pk))


def drop_a_body_without_an_act(chance: random.Random) -> Traces:
    """With the record that the guard asks for, and a batch of the account for it."""
    body = chance.choice(list(RawBody.objects.select_related("reply__batch__page__head").order_by("pk")))
    reply = body.reply
    row = DroppedBody(
        reply=reply, broker_account=reply.broker_account, batch=reply.batch, detected_at=reply.detected_at
    )
    row.leaf = recomputed.leaf(BOOK["dropped_bodies"], row)
    row.save(force_insert=True)
    run("DELETE FROM raw_bodies WHERE reply_id = %s", key(body.pk))
    return traces(row, "never sealed", names_row=False)


def move_a_time(chance: random.Random) -> Traces:
    """Known earlier or later than it was: of a place, or of a checkpoint before another."""
    by = timedelta(hours=chance.choice([-1, 1]) * chance.randrange(8, 10_000))
    if chance.random() < 0.3:
        row = chance.choice(list(Checkpoint.objects.order_by("size"))[:-1])
        run("UPDATE checkpoints SET signed_at = %s WHERE id = %s", _instant(row, "signed_at", by), key(row.pk))
        return Traces("signed_at was changed", row=str(row.pk))
    place = chance.choice(list(LedgerTree.objects.select_related("page__head").order_by("position")))
    run("UPDATE ledger_tree SET placed_at = %s WHERE position = %s", _instant(place, "placed_at", by), place.position)
    page = place.page
    return Traces("placed_at was changed", account_of(page.head), page.number, str(place.position))


def _instant(row: Any, name: str, by: timedelta) -> Any:
    return row._meta.get_field(name).get_db_prep_value(getattr(row, name) + by, connection)


# With what stands above made to fit


def a_page(chance: random.Random) -> LedgerPage:
    return chance.choice(list(LedgerPage.objects.select_related("head").order_by("head", "number")))


def with_its_leaf(chance: random.Random) -> Traces:
    row = _with_its_leaf(chance)
    return traces(row, "rows were put in place of others", names_row=False)


def _with_its_leaf(chance: random.Random) -> Any:
    schema, row = a_row(chance)
    change(chance, schema, row)
    fresh = type(row)._default_manager.select_related("batch__page__head").get(pk=row.pk)
    run(f"UPDATE {schema.name} SET leaf = %s WHERE id = %s", recomputed.leaf(schema, fresh), key(row.pk))
    return fresh


def with_its_page(chance: random.Random) -> Traces:
    row = _with_its_leaf(chance)
    reseal(row.batch.page.head, row.batch.page.number, only=True)
    return traces(row, "the page is not the one that was placed at this position", names_row=False)


def rechained(chance: random.Random) -> Traces:
    row = _with_its_leaf(chance)
    reseal(row.batch.page.head, row.batch.page.number)
    return traces(row, "the page is not the one that was placed at this position", names_row=False)


def replanted(chance: random.Random) -> Traces:
    row = _with_its_leaf(chance)
    reseal(row.batch.page.head, row.batch.page.number)
    replant()
    return Traces("were rewritten")


def with_another_key(chance: random.Random) -> Traces:
    """Everything made anew, and signed with a key of the attacker's, in the table and in the file."""
    replanted(chance)
    where = signing.files()
    where.secret.unlink()
    signing._make_key(where)
    signer, node, notes = signing.signer(), _node, []
    for row in Checkpoint.objects.order_by("size"):
        note = signer.sign(Text(signing.origin(), row.size, merkle.root_at(row.size, node)))
        run("UPDATE checkpoints SET note = %s, root = %s WHERE id = %s", str(note), note.checkpoint.root, key(row.pk))
        notes.append(note)
    where.checkpoints.write_text("".join(f"{note}\n" for note in notes), "utf-8")
    return Traces("the signing key was replaced")


def relabel_a_checkpoint(chance: random.Random) -> Traces:
    """What is read of it without reading the note."""
    row = chance.choice(list(Checkpoint.objects.order_by("size")))
    column, value = chance.choice([("size", row.size + 1), ("root", sha256(bytes(row.root)).digest())])
    run(f"UPDATE checkpoints SET {column} = %s WHERE id = %s", value, key(row.pk))
    return Traces("are not those it has", row=str(row.pk))


def edit_the_file(chance: random.Random) -> Traces:
    file = signing.files().checkpoints
    text = file.read_text("utf-8")
    blocks = text.split("\n\n\n")[0:]
    notes = text.count("\u2014 ")
    if chance.random() < 0.5 and notes > 1:
        lines = text.split("\n")
        size = 6  # lines of one checkpoint, and the empty one after it
        at = size * chance.randrange(notes)
        file.write_text("\n".join([*lines[:at], *lines[at + size :]]), "utf-8")
    else:
        at = chance.randrange(len(blocks[0]) - 2)
        other = "B" if text[at] != "B" else "C"
        file.write_text(text[:at] + other + text[at + 1 :], "utf-8")
    return Traces("checkpoint")


def cut_the_tail(chance: random.Random) -> Traces:
    """The last pages of everything, with all that they sealed, and heads and tree set back."""
    size = LedgerTree.objects.count()
    back_to(chance.randrange(size))
    return Traces("rolled back to an older state")


def delete_a_page(chance: random.Random) -> Traces:
    gone = a_page(chance)
    for table in BOOK:
        run(f"DELETE FROM {table} WHERE sync_batch_id = %s", key(gone.batch_id))
    run("DELETE FROM ledger_pages WHERE id = %s", key(gone.pk))
    run("DELETE FROM sync_batches WHERE id = %s", key(gone.batch_id))
    return Traces("the page that was placed here is gone")


def back_to(size: int) -> None:
    """As an older copy of the database would be: tree, pages, rows, heads and checkpoints of that size."""
    gone = list(LedgerTree.objects.filter(position__gt=size).values_list("page", "page__batch", "page__head"))
    run("DELETE FROM ledger_tree WHERE position > %s", size)
    run("DELETE FROM checkpoints WHERE size > %s", size)
    for sealed, batch, _ in gone:
        for table in BOOK:
            run(f"DELETE FROM {table} WHERE sync_batch_id = %s", key(batch))
        run("DELETE FROM ledger_pages WHERE id = %s", key(sealed))
        run("DELETE FROM sync_batches WHERE id = %s", key(batch))
    run("DELETE FROM raw_bodies WHERE reply_id NOT IN (SELECT id FROM raw_replies)")
    run("DELETE FROM act_words WHERE act_id NOT IN (SELECT id FROM acts)")
    for head in {head for *_, head in gone}:
        last = LedgerPage.objects.filter(head=head).order_by("number").last()
        number, hash_ = (last.number, bytes(last.hash)) if last else (0, FIRST_PREVIOUS)
        set_ = "UPDATE account_heads SET page_number = %s, placed_number = %s, page_hash = %s WHERE id = %s"
        run(set_, number, number, hash_, key(head))


def reseal(head: AccountHead, first: int, only: bool = False) -> None:
    """Pages made again from the rows as they are, each on the one before."""
    pages = list(LedgerPage.objects.filter(head=head).order_by("number"))
    for before, sealed in zip([None, *pages], pages, strict=False):
        if sealed.number < first:
            continue
        header = recomputed.values(SYNC_BATCH, SyncBatch.objects.get(pk=sealed.batch_id))
        entries = [
            page.Entry(name, str(pk), bytes(leaf))
            for name, schema in BOOK.items()
            for pk, leaf in recomputed.model_of(schema)
            ._default_manager.filter(batch=sealed.batch_id)
            .values_list("pk", "leaf")
        ]
        previous = bytes(before.hash) if before else FIRST_PREVIOUS
        again = page.seal(str(head.pk), sealed.number, entries, page.header_digest(header), previous)
        sealed.hash = again.hash
        sets = "UPDATE ledger_pages SET root = %s, previous_hash = %s, hash = %s, entries_count = %s WHERE id = %s"
        run(sets, again.root, again.previous_hash, again.hash, again.entries_count, key(sealed.pk))
        if only:
            return
    run("UPDATE account_heads SET page_hash = %s WHERE id = %s", bytes(pages[-1].hash), key(head.pk))


def replant() -> None:
    tree = merkle.Growing()
    for position, hash_ in LedgerTree.objects.order_by("position").values_list("position", "page__hash"):
        nodes = b"".join(tree.append(merkle.leaf_hash(bytes(hash_))))
        run("UPDATE ledger_tree SET page_hash = %s, nodes = %s WHERE position = %s", bytes(hash_), nodes, position)


def _node(level: int, index: int) -> bytes:
    hashes = LedgerTree.objects.filter(position__gt=index << level, position__lte=(index + 1) << level)
    return merkle.root(
        [merkle.leaf_hash(bytes(h)) for h in hashes.order_by("position").values_list("page_hash", flat=True)]
    )


def accounts() -> list[str]:
    return [str(pk) for pk in BrokerAccount.objects.values_list("pk", flat=True)]


ATTACKS: tuple[Callable[[random.Random], Traces], ...] = (
    update, delete, insert_afterwards, insert_under_an_open_batch, swap, truncate, change_a_batch, change_a_leaf,
    change_a_body, delete_a_body, drop_a_body_without_an_act, a_body_of_nothing, change_words, delete_words,
    move_a_time, with_its_leaf, with_its_page, rechained, replanted, with_another_key, relabel_a_checkpoint,
    edit_the_file, cut_the_tail, delete_a_page,
)  # fmt: skip
