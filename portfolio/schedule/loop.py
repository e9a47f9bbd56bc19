"""The built-in loop: a tick every so many seconds, for ever. What goes wrong in one is told, and the next one comes.

It needs no queue and no other process; several of them do no harm. Asked to end, it finishes what it has begun.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable

from django.db import connections

from ..clock import ClockError
from ..keys import KeyTrouble
from ..outage import in_words
from ..startup import NotReady
from ..sync.record import Result
from .tick import tick

logger = logging.getLogger(__name__)


class Loop:
    """`ticked` hears after each tick that ran something how many runs that were."""

    def __init__(self, every: float, report: Callable[[Result], None], ticked: Callable[[int], None]) -> None:
        self._every, self._report, self._ticked = every, report, ticked
        self._end = threading.Event()

    def run(self) -> None:
        """Until SIGTERM or SIGINT, or `stop`. Ticks do not pile up: the next one is counted from a tick's begin."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self.stop)
        while not self._end.is_set():
            began = time.monotonic()
            self._tick()
            self._end.wait(max(0, began + self._every - time.monotonic()))

    def stop(self, *_: object) -> None:
        self._end.set()

    def _tick(self) -> None:
        try:
            if count := tick(self._report, self._end.is_set):
                self._ticked(count)
        except (NotReady, KeyTrouble, ClockError) as error:
            logger.error("%s", error)
        except Exception as error:
            if words := in_words(error):
                logger.error("%s", words)
            else:
                logger.exception("a tick failed; the next one comes in %s s", self._every)
            connections.close_all()
