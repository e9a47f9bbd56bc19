"""Turns what was fetched into sections: accepted, unchanged, absent or failed, rows that cannot be right set aside.

Whether a readable answer is believed is decided later, against the book (`decide`).
"""

from collections.abc import Iterable

from . import standing
from .capture import ABSENT, ACCEPTED, FAILED, SECTIONS, TRADES, TRAILS, UNCHANGED, Capture, Section
from .fetch import blame


def normalise(captures: Iterable[Capture]) -> list[Capture]:
    """These with `sections`, one for each that this kind of sync wants. What was handed in stays as it was."""
    read = [capture.copied(_as_they_are(capture)) for capture in captures]
    earlier = standing.earlier_bodies(read)
    for capture in read:
        for name in () if capture.is_broken else SECTIONS[capture.sync_type]:
            if name not in capture.sections:
                bodies = earlier[capture.account_id]
                capture.sections[name] = standing.what_differs(capture, name, bodies) or _whole(capture, name)
    return read


def read_whole(capture: Capture) -> Capture:
    """Reads again, row by row, what was read in part."""
    for name, section in capture.sections.items():
        if section.gone is not None:
            capture.sections[name] = _whole(capture, name)
    return capture


def _as_they_are(capture: Capture) -> dict[str, Section]:
    """The sections that need no reading: they did not come, or came as they were accepted last."""
    if capture.is_broken:
        return {**capture.sections}
    found: dict[str, Section] = {}
    for name in SECTIONS[capture.sync_type]:
        if name not in capture.answers:
            found[name] = Section(ABSENT if name in capture.absent else FAILED)
        elif name in capture.memory.seen and capture.seen(name) == capture.memory.seen[name]:
            found[name] = Section(UNCHANGED)
    return found


def _whole(capture: Capture, name: str) -> Section:
    answer = capture.answers[name]
    try:
        entries, set_aside = (tuple(rows) for rows in answer.rows)
        reasons = [f"{row.subject}: {row.reason}" if row.subject else row.reason for row in set_aside]
    except Exception as error:
        blame(capture, name, error)
        return Section(FAILED)
    if answer.doubt:
        capture.metadata[f"{name}_doubt"] = capture.scrub(answer.doubt)
    for reason in reasons:
        capture.blame(name, "set_aside", reason, "the row is kept in the raw reply; report it")
    if name in (TRADES, TRAILS) and not (answer.replies or entries):
        return Section(UNCHANGED, set_aside=set_aside)
    return Section(ACCEPTED, entries, set_aside, capture.seen(name))
