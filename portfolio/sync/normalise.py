"""Turns what was fetched into sections: accepted, unchanged, absent or failed, rows that cannot be right set aside.

Whether a readable answer is believed is decided later, against the book (`decide`).
"""

from .capture import ABSENT, ACCEPTED, FAILED, ORDERS, SECTIONS, TRADES, UNCHANGED, Capture, Section
from .fetch import blame


def normalise(capture: Capture) -> Capture:
    """Fills `capture.sections`, one for each that this kind of sync wants."""
    for name in SECTIONS[capture.sync_type]:
        capture.sections[name] = _section(capture, name)
        for row in capture.sections[name].set_aside:
            capture.blame(
                name, "set_aside", f"{row.subject}: {row.reason}", "the row is kept in the raw reply; report it"
            )
    return capture


def _section(capture: Capture, name: str) -> Section:
    answer = capture.answers.get(name)
    if answer is None:
        return Section(ABSENT if name in capture.absent else FAILED)
    digest = capture.digest_of(name)
    if digest and digest == capture.memory.digests.get(name) and not _reads_otherwise(capture, name):
        return Section(UNCHANGED, digest=digest)
    try:
        entries, set_aside = answer.rows
    except Exception as error:
        blame(capture, name, error)
        return Section(FAILED)
    if name == TRADES and not (answer.replies or entries):
        return Section(UNCHANGED, set_aside=tuple(set_aside))
    return Section(ACCEPTED, tuple(entries), tuple(set_aside), digest)


def _reads_otherwise(capture: Capture, name: str) -> bool:
    """Where fills are not listed, the same answer means more fills once their orders have filled more."""
    return name == TRADES and capture.sections[ORDERS].state == ACCEPTED
