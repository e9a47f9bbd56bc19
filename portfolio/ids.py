"""Keys of rows: UUID version 7 (RFC 9562), as text. Time first, so that indexes grow at one end; 74 random bits."""

import os
import time
from uuid import UUID

AT_ONCE = 256  # the system is asked for the random bits of so many: asking costs more than the bits

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # two fixed bits, two random
_unused: list[str] = []  # random bits, drawn and given to no id yet
os.register_at_fork(after_in_child=_unused.clear)  # no two processes give the same ones


def new_ids(count: int) -> list[str]:
    """`count` new ids. They share the millisecond; their random bits differ."""
    prefix = f"{time.time_ns() // 1_000_000:012x}"
    prefix = f"{prefix[:8]}-{prefix[8:]}-7"
    return [f"{prefix}{noise[:3]}-{_VARIANT[noise[3]]}{noise[4:7]}-{noise[7:19]}" for noise in _random(count)]


def new_id() -> str:
    return new_ids(1)[0]


def new_uuid() -> UUID:
    """The same as a UUID: the default of the models' primary keys."""
    return UUID(new_id())


def _random(count: int) -> list[str]:
    """80 bits for each, as hex digits, that nobody else is given."""
    if count > AT_ONCE:
        return _drawn(count)
    try:
        return [_unused.pop() for _ in range(count)]
    except IndexError:  # used up, perhaps by another thread just now
        _unused.extend(_drawn(AT_ONCE))
        return _drawn(count)


def _drawn(count: int) -> list[str]:
    noise = os.urandom(10 * count).hex()
    return [noise[i : i + 20] for i in range(0, 20 * count, 20)]
