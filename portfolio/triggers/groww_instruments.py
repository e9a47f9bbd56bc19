"""How Groww's instrument file reads: pure, from its bytes to `ledger.entries`. A real one has some 100,000 lines."""

from collections.abc import Sequence

from ledger.entries import CASH, Instrument, Listing, SetAside
from ledger.listings import Name, name_of
from ledger.normalise import name, text

from .base import Reply, Rows
from .decode import UNFIT, csv_rows, isin, short, why

COLUMNS = ("isin", "trading_symbol", "exchange", "segment")
MORE_COLUMNS = ("name", "series")
PLAIN_SERIES = "EQ"
LIMIT = 200  # characters of a full name


def parse_instruments(replies: Sequence[Reply]) -> Rows:
    """Shares and funds with an ISIN; derivatives need no mapping.

    Series of one company, such as bonds, may share a symbol: then it means the series EQ, or nothing.
    """
    plain: dict[Name, Instrument | None] = {}
    others: dict[Name, Instrument | None] = {}
    aside: list[SetAside] = []
    for *row, full_name, series in csv_rows(replies[-1].body, COLUMNS, MORE_COLUMNS):
        if row[3] != CASH or not row[0]:
            continue
        try:
            listing = Listing(isin(row[0]), name(row[1]), name(row[2]), CASH)
            _note(plain if series == PLAIN_SERIES else others, Instrument(listing, text(full_name[:LIMIT], LIMIT)))
        except UNFIT as error:
            aside.append(SetAside("instruments", short(row[1])[:64], why(error)))
    meant = plain | {called: found for called, found in others.items() if called not in plain}
    aside += [SetAside("instruments", each.symbol, "means several instruments") for each in meant if not meant[each]]
    return [each for each in meant.values() if each], aside


def _note(meant: dict[Name, Instrument | None], found: Instrument) -> None:
    """None once the name was given to several instruments."""
    known = meant.setdefault(name_of(found.listing), found)
    if known and known.listing.isin != found.listing.isin:
        meant[name_of(found.listing)] = None
