"""Rate limits per client and family of endpoints, counted in real time, because the simulated clock stands still."""

import time
from collections import deque
from collections.abc import Callable


class Limits:
    """`families`: name to the number of calls allowed in a second and in a minute."""

    def __init__(self, families: dict[str, tuple[int, int]], clock: Callable[[], float] = time.monotonic) -> None:
        self.families = families
        self.clock = clock
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def allow(self, ucc: str, family: str) -> bool:
        """Counts the call. A refused one does not count."""
        if family not in self.families:
            return True
        per_second, per_minute = self.families[family]
        calls = self._calls.setdefault((ucc, family), deque())
        now = self.clock()
        while calls and calls[0] <= now - 60:
            calls.popleft()
        in_last_second = sum(1 for at in calls if at > now - 1)
        if in_last_second >= per_second or len(calls) >= per_minute:
            return False
        calls.append(now)
        return True
