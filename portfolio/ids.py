"""Keys of rows: UUID version 7 (RFC 9562), as text. Time first, so that indexes grow at one end; 74 random bits."""

import os
import time
from uuid import UUID

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # two fixed bits, two random


def new_ids(count: int) -> list[str]:
    """`count` new ids. They share the millisecond; their random bits differ."""
    prefix = f"{time.time_ns() // 1_000_000:012x}"
    prefix = f"{prefix[:8]}-{prefix[8:]}-7"
    noise = os.urandom(10 * count).hex()
    return [
        f"{prefix}{noise[i : i + 3]}-{_VARIANT[noise[i + 3]]}{noise[i + 4 : i + 7]}-{noise[i + 7 : i + 19]}"
        for i in range(0, 20 * count, 20)
    ]


def new_id() -> str:
    return new_ids(1)[0]


def new_uuid() -> UUID:
    """The same as a UUID: the default of the models' primary keys."""
    return UUID(new_id())
