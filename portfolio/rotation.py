"""A new key for everything that is sealed, and the end of old ones.

Only the data keys are wrapped anew: what they seal stays as it is. It may be stopped and run again at any place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Model

from . import keys
from .accounts import context
from .evidence_keys import evidence_context
from .installation import key_ring
from .keys import CannotDecrypt
from .models import AccountKey, BrokerAccountCredential


class _Place(NamedTuple):
    """One column that holds sealed values, and what binds each to its row."""

    model: type[Model]
    column: str
    context: Callable[[Any], str]


_PLACES = (
    _Place(BrokerAccountCredential, "sealed", lambda account: context(account, "credentials")),
    _Place(BrokerAccountCredential, "sealed_token", lambda account: context(account, "token")),
    _Place(AccountKey, "wrapped", lambda account: evidence_context(str(account))),
)


@dataclass(slots=True)
class Rotation:
    """What became of it. `failed`: which rows could not be read, with the reason; the keys they need stay."""

    newest: str
    moved: int = 0
    failed: list[str] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)


def rotate(make_new: bool, destroy_old: bool) -> Rotation:
    """Makes a new key, and moves everything under the newest. Old keys that nothing needs any more are destroyed
    where that is asked for; a backup of the database from before then cannot be read with the keys of now."""
    ring = key_ring()
    done = Rotation(ring.rotate() if make_new else ring.load())
    for place in _PLACES:
        for account, blob in list(_sealed(place)):
            _move(place, account, blob, done)
    if destroy_old and not done.failed:
        in_use = {keys.key_id_of(blob) for place in _PLACES for _, blob in _sealed(place)}
        done.destroyed = [key_id for key_id in ring.ids if key_id not in {*in_use, done.newest}]
        for key_id in done.destroyed:
            ring.destroy(key_id)
    return done


def _sealed(place: _Place) -> Iterator[tuple[Any, bytes]]:
    rows: Any = place.model._default_manager.exclude(**{place.column: None})
    if place.model is AccountKey:
        rows = rows.filter(destroyed_at=None)
    for account, blob in rows.values_list("pk", place.column).iterator():
        yield account, bytes(blob)


def _move(place: _Place, account: Any, blob: bytes, done: Rotation) -> None:
    """One row. If somebody sealed something new there meanwhile, that is under the newest key already."""
    try:
        moved = keys.rewrap(key_ring(), blob, place.context(account))
    except CannotDecrypt as error:
        done.failed.append(str(error))
        return
    if moved != blob:
        rows: Any = place.model._default_manager.filter(pk=account, **{place.column: blob})
        done.moved += rows.update(**{place.column: moved})
