"""The words in which a person answers an open question, understood strictly. Pure.

What they cannot mean, or would say in vain, is refused with what they should be.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

from .answers import (
    BONUS,
    CORPORATE,
    DEMERGER,
    IN_PARTS,
    MERGER,
    MOVED_BACK,
    OLD_TO_NEW,
    SPLIT,
    TRANSFER_IN,
    WORDS,
    Answer,
)
from .errors import BadAnswer, BadValue
from .normalise import at_scale, price, quantity

_LARGEST_RATIO = 10_000
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,10})?", re.ASCII)
# What may be said beside an answer, and of which kinds of answer it says anything.
_USED_BY = {
    "--with": OLD_TO_NEW | {MOVED_BACK}, "--from": frozenset({DEMERGER}), "--on": CORPORATE, "--everywhere": CORPORATE,
}  # fmt: skip


def read(word: str, ratio: str = "", units: str = "", cost: str = "", cost_percent: str = "") -> Answer:
    """The answer that these words mean. BadAnswer says what they should be."""
    kind = WORDS.get(word)
    if kind is None:
        raise BadAnswer(f"{word!r} is no answer; one of: accept, {', '.join(WORDS)}")
    if cost and kind != TRANSFER_IN:
        raise BadAnswer("--cost is for transfer-in alone: what a unit cost, in INR")
    if cost_percent and kind != DEMERGER:
        raise BadAnswer("--cost-percent is for demerger alone: how much of the old cost goes to the new shares")
    if units and kind not in IN_PARTS:
        raise BadAnswer(f"--units is for transfers and notes; {word} answers the whole question")
    if kind in (SPLIT, BONUS, MERGER, DEMERGER):
        first, second = _ratio(word, ratio)
        before, after = (second, first + second) if kind == BONUS else (first, second)
        return Answer(kind, before, after, cost_percent=_percent(cost_percent))
    if ratio:
        raise BadAnswer(f"{word} takes no ratio; what to make of {ratio!r}?")
    return Answer(
        kind, units=_number(units, "--units") if units else None, cost=price(_number(cost, "--cost")) if cost else None
    )


def refuse_unused(answer: Answer, options: Iterable[str]) -> None:
    """BadAnswer where one of these options says nothing about such an answer: it would be passed over in silence."""
    for option in options:
        if answer.kind not in _USED_BY[option]:
            words = ", ".join(word for word, kind in WORDS.items() if kind in _USED_BY[option])
            raise BadAnswer(f"{option} is for {words} alone, not for {answer.text()}")


def _ratio(word: str, text: str) -> tuple[int, int]:
    parts = text.split(":")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        first, second = int(parts[0]), int(parts[1])
        if 0 < first <= _LARGEST_RATIO and 0 < second <= _LARGEST_RATIO and (first != second or word != "split"):
            return first, second
    meaning = "new shares : shares held" if word == "bonus" else "old shares : new shares"
    raise BadAnswer(f"{word} needs a ratio, {meaning}, such as {word} 1:{1 if word == 'bonus' else 5}; not {text!r}")


def _number(text: str, what: str) -> Decimal:
    try:
        if not _NUMBER.fullmatch(text):
            raise BadValue(text)
        value = quantity(Decimal(text))
    except BadValue:
        raise BadAnswer(f"{what}: {text[:40]!r} is no number that can be kept; write it as 1234.50") from None
    if what == "--units" and not value:
        raise BadAnswer(f"{what}: {text} must be more than 0")
    return value


def _percent(text: str) -> Decimal | None:
    if not text:
        return None
    value = _number(text, "--cost-percent")
    if value > 100:
        raise BadAnswer(f"--cost-percent: {text} is more than the whole")
    return at_scale(value, 4)
