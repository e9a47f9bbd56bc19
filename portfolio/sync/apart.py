"""What goes wrong for one account of a group stays its own: the others are done without it.

A group is worked on together, which costs the database a fixed number of statements. When that fails, for whatever
reason, each account is worked on alone; one that fails alone goes on as a failed capture, of which nothing is taken.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from .capture import Capture, failed

Made = TypeVar("Made")


def apart(work: Callable[[Sequence[Capture]], list[Made]], captures: Sequence[Capture]) -> list[Made]:
    """What `work` makes of these. Raises only when not even a failed capture can be worked on: the database is gone."""
    try:
        return work(captures)
    except Exception as error:
        if len(captures) == 1 and captures[0].is_broken:
            raise
        if len(captures) == 1:
            return work([failed(captures[0], error)])
    return [one for capture in captures for one in apart(work, [capture])]
