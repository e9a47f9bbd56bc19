"""What goes wrong on each day of a simulated year, and what each day must have become of it: said twice.

From the plan (when the scheduler and the brokers were up, and who had logged in), and from the simulators' log of what
they served. Neither asks the product.
"""

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time

from ledger.normalise import IST
from simulators.stage import Served

COMPLETE, PARTIAL, MISSED = "complete", "partial", "missed"
# Further apart than the longest pause between two attempts, so that each is a chance for whoever is not done.
TICKS = [time(8, 30), time(8, 50), time(16), time(16, 31), time(17, 2), time(17, 45), time(18, 20), time(19),
         time(19, 31), time(20, 2), time(20, 45), time(21, 30), time(22, 15), time(23)]  # fmt: skip
MORNING, LOOKS = time(8, 30), (time(16), time(19))  # the first is of holdings alone, and none where a person logs in
PRE_OPEN = time(9)
WHOLE_EVENING = (time(15, 50), time(23, 59))
WINDOWS = (WHOLE_EVENING, WHOLE_EVENING, (time(15, 50), time(16, 40)), (time(18, 50), time(19, 40)),
           (time(15, 50), time(21)), (time(18), time(23, 59)), (time(8), time(8, 40)),
           (time(8), time(16, 40)))  # fmt: skip
HOLDINGS_PATHS = {"GROWW": "/holdings/user", "ZERODHA": "/portfolio/holdings"}
# Not of the statement, or, as quotes are to a free app at Zerodha, normally refused.
BESIDE = ("/user", "/token", "/session", "/instruments", "/connect", "/quote")
Window = tuple[time, time]


@dataclass
class Day:
    """One trading day's troubles. `logged_in` by ucc: when its owner did; None: not at all that day."""

    day: date
    no_scheduler: Window | None = None
    broker_down: dict[str, Window] = field(default_factory=dict)  # by broker
    holdings_down: dict[str, Window] = field(default_factory=dict)  # by ucc
    logged_in: dict[str, time | None] = field(default_factory=dict)
    killed_at: time | None = None

    @property
    def ticks(self) -> list[time]:
        return [at for at in TICKS if not is_within(at, self.no_scheduler)]

    def condition(self, ucc: str, broker: str, at: time) -> str:
        """What a run at this time can make of this account; in the morning all depends on its holdings."""
        logged_in = self.logged_in.get(ucc, time(0))
        if is_within(at, self.broker_down.get(broker)) or logged_in is None or logged_in > at:
            return MISSED
        if is_within(at, self.holdings_down.get(ucc)):
            return MISSED if at < PRE_OPEN else PARTIAL
        return COMPLETE

    def must_be(self, ucc: str, broker: str, look: time) -> str:
        """The best that any run from this look on could make."""
        return best(self.condition(ucc, broker, at) for at in self.ticks if is_of(look, at))


def is_of(look: time, at: time) -> bool:
    """Whether a run at this time makes that look. What the morning's finds is no more than the morning's."""
    return look <= at < PRE_OPEN if look == MORNING else at >= look


def is_within(at: time, window: Window | None) -> bool:
    return window is not None and window[0] <= at <= window[1]


def best(conditions: Iterable[str]) -> str:
    found = set(conditions)
    return next((each for each in (COMPLETE, PARTIAL) if each in found), MISSED)


def a_day(chance: random.Random, day: date, brokers: dict[str, str], is_bad: bool = False) -> Day:
    """`brokers` by ucc. Three days in ten have a trouble, or this one surely when `is_bad`."""
    planned = Day(day)
    troubles = ["scheduler", "broker", "holdings", "login", "kill"]
    for trouble in troubles:
        if chance.random() < 0.07 or (is_bad and trouble == troubles[day.toordinal() % len(troubles)]):
            _befall(planned, trouble, chance, brokers)
    for ucc in (ucc for ucc, broker in brokers.items() if broker == "ZERODHA"):
        wanted = planned.logged_in.get(ucc, time(9))
        planned.logged_in[ucc] = _once_it_answers(wanted, planned.broker_down.get("ZERODHA"))
    return planned


def _once_it_answers(wanted: time | None, down: Window | None) -> time | None:
    """Nobody logs in at a broker that is down: they do so afterwards, or not at all that day."""
    if wanted is None or down is None or not is_within(wanted, down):
        return wanted
    return next((at for at in TICKS if at > down[1]), None)


def _befall(planned: Day, trouble: str, chance: random.Random, brokers: dict[str, str]) -> None:
    window, ucc = chance.choice(WINDOWS), chance.choice(sorted(brokers))
    if trouble == "scheduler":
        planned.no_scheduler = window
    elif trouble == "broker":
        planned.broker_down[brokers[ucc]] = window
    elif trouble == "holdings":
        planned.holdings_down[ucc] = window
    elif trouble == "login":
        late = [ucc for ucc, broker in brokers.items() if broker == "ZERODHA" and chance.random() < 0.5]
        planned.logged_in.update({ucc: chance.choice([None, time(17, 30)]) for ucc in late})
    else:
        planned.killed_at = chance.choice((MORNING, *LOOKS))


def as_served(log: Collection[Served], ucc: str, look: time) -> str:
    """What the simulators' log of a day says was possible: the best that was served in one run from this look on."""
    runs: dict[datetime, dict[str, int]] = {}
    for one in log:
        if one.ucc == ucc and is_of(look, one.at.time()) and not one.path.startswith(BESIDE):
            runs.setdefault(one.at.astimezone(IST), {})[one.path] = one.status  # asked again, the last one counts
    return best(_of_run(answers) for answers in runs.values())


def _of_run(answers: dict[str, int]) -> str:
    good = [status == 200 for status in answers.values()]
    return COMPLETE if all(good) else PARTIAL if any(good) else MISSED
