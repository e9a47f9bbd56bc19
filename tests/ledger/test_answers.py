"""What people answer to open questions: understood strictly, and refused when it does not add up."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import answers, wording
from ledger.answers import Answer, AnswerPiece, Parent, Question, pieces
from ledger.errors import BadAnswer

DAY = date(2026, 10, 19)


def question(
    number: int, before: int, after: int, symbol: str = "MARUTI", isin: str = "OLD", **values: Any
) -> Question:
    """From `before` units to `after`, all of it open; averages in rupees."""
    was, now = [None if values.get(name) is None else Decimal(values[name]) for name in ("was", "now")]
    units, moved = Decimal(after), Decimal(after - before)
    return Question(number, DAY, isin, "DELIVERY", isin, symbol, "NSE", units, moved, was, now)


def refusal(answer: Answer, *questions: Question, parent: Parent | None = None) -> str:
    with pytest.raises(BadAnswer) as refused:
        pieces(answer, questions, parent)
    return str(refused.value)


READ = [
    (("split", "1:5"), Answer("SPLIT", 1, 5), "split 1:5"),
    (("split", "10:1"), Answer("SPLIT", 10, 1), "split 10:1"),
    (("bonus", "1:2"), Answer("BONUS", 2, 3), "bonus 1:2"),
    (("merger", "25:42"), Answer("MERGER", 25, 42), "merger 25:42"),
    (("demerger", "1:1", "", "", "12.5"), Answer("DEMERGER", 1, 1, cost_percent=Decimal("12.5")), "demerger 1:1"),
    (("isin-change",), Answer("ISIN_CHANGE", 1, 1), "isin-change"),
    (("transfer-in", "", "", "250.50"), Answer("TRANSFER_IN", cost=Decimal("250.5")), "transfer-in"),
    (("transfer-out", "", "7"), Answer("TRANSFER_OUT", units=Decimal(7)), "transfer-out of 7"),
    (("note",), Answer("NOTED"), "note"),
]


@pytest.mark.parametrize(("words", "answer", "text"), READ)
def test_an_answer_is_read_and_told_in_the_same_words(words: tuple[str, ...], answer: Answer, text: str) -> None:
    assert wording.read(*words) == answer
    assert answer.text() == text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("sold",), "'sold' is no answer; one of: accept, split"),
        (("split", "5"), "split needs a ratio"),
        (("split", "1:1"), "split needs a ratio"),
        (("split", "0:5"), "split needs a ratio"),
        (("split", "1:99999"), "split needs a ratio"),
        (("bonus", "1:½"), "bonus needs a ratio, new shares : shares held"),
        (("isin-change", "1:5"), "takes no ratio"),
        (("transfer-in", "", "", "1,250.50"), "--cost: '1,250.50' is no number"),
        (("transfer-in", "", "", "१२"), "is no number"),
        (("transfer-in", "", "", "nan"), "is no number"),
        (("transfer-in", "", "", "1e3"), "--cost: '1e3' is no number that can be kept; write it as 1234.50"),
        (("transfer-in", "", "", "-5"), "--cost: '-5' is no number"),
        (("transfer-in", "", "", "9" * 15), "is no number that can be kept"),
        (("transfer-in", "", "0"), "--units: 0 must be more than 0"),
        (("transfer-out", "", "", "5"), "--cost is for transfer-in alone"),
        (("split", "1:5", "3"), "--units is for transfers and notes"),
        (("demerger", "1:1", "", "", "101"), "more than the whole"),
        (("bonus", "1:1", "", "", "10"), "--cost-percent is for demerger alone"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_what_they_should_be(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(BadAnswer, match=why.replace(":", r"\:").replace("(", r"\(")):
        wording.read(*words)


def test_what_goes_with_a_question_is_another_share_and_the_one_that_fits() -> None:
    """Split twice, and nobody has said anything yet."""
    first = [question(1, 33, 0), question(2, 0, 165, isin="NEW")]
    second = [question(3, 165, 0, isin="NEW"), question(4, 0, 825, isin="NEWER")]
    for number, answer, partner in (
        (1, Answer("SPLIT", 1, 5), 2), (2, Answer("SPLIT", 1, 5), 1), (3, Answer("SPLIT", 1, 5), 4),
        (4, Answer("SPLIT", 1, 5), 3), (3, Answer("ISIN_CHANGE"), 4), (3, Answer("MERGER", 1, 1), 4),
    ):  # fmt: skip
        asked = next(each for each in [*first, *second] if each.number == number)
        others = [each for each in [*first, *second] if each is not asked]
        assert [each.number for each in answers.partners(answer, asked, others)] == [partner], (number, answer)


def test_nothing_comes_in_its_own_place() -> None:
    came, went = question(1, 0, 165), question(2, 165, 0)
    assert "question 1: MARUTI cannot have come in its own place" in refusal(Answer("ISIN_CHANGE"), went, came)


def test_a_split_with_a_new_isin_explains_what_went_and_what_came() -> None:
    old, new = question(1, 27, 0), question(2, 0, 135, isin="NEW")
    expected = [AnswerPiece(1, "SPLIT", Decimal(-27)), AnswerPiece(2, "SPLIT", Decimal(135))]
    assert pieces(Answer("SPLIT", 1, 5), [new, old]) == expected
    assert answers.partners(Answer("SPLIT", 1, 5), old, [question(3, 4, 5, "TCS"), new]) == [new]
    assert answers.partners(Answer("SPLIT", 1, 5), new, [question(3, 4, 5, "TCS"), old]) == [old]


def test_of_several_newcomers_the_one_whose_units_fit_goes_with_what_went() -> None:
    old, newcomers = question(1, 27, 0), [question(2, 0, 50, isin="NEW"), question(3, 0, 135, isin="NEWER")]
    assert answers.partners(Answer("SPLIT", 1, 5), old, newcomers) == newcomers[1:]
    assert answers.partners(Answer("SPLIT", 1, 3), old, newcomers) == newcomers[:1]


def test_bonus_shares_cost_nothing_and_fractions_are_paid_out() -> None:
    assert pieces(Answer("BONUS", 2, 3), [question(1, 27, 40)]) == [AnswerPiece(1, "BONUS", Decimal(13), Decimal(0))]


def test_transfers_and_notes_may_answer_a_part() -> None:
    came, went = question(1, 10, 30), question(2, 30, 10)
    assert pieces(Answer("TRANSFER_IN", cost=Decimal(5)), [came]) == [
        AnswerPiece(1, "TRANSFER_IN", Decimal(20), Decimal(5))
    ]
    assert pieces(Answer("TRANSFER_OUT", units=Decimal(8)), [went]) == [AnswerPiece(2, "TRANSFER_OUT", Decimal(-8))]
    assert pieces(Answer("NOTED"), [went]) == [AnswerPiece(2, "NOTED", Decimal(-20))]


def test_a_demerger_is_measured_by_what_is_owned_of_the_parent() -> None:
    parent = Parent("P", "ITC", "INE154A01025", Decimal(40))
    assert pieces(Answer("DEMERGER", 10, 1), [question(1, 0, 4, "ITCHOTELS")], parent) == [
        AnswerPiece(1, "DEMERGER", Decimal(4))
    ]


def test_two_questions_that_cancel_each_other_out_are_answered_together() -> None:
    there, back = question(1, 10, 0), question(2, 0, 10)
    assert answers.partners(Answer("MOVED_BACK"), there, [question(3, 0, 9), back]) == [back]
    assert [piece.quantity for piece in pieces(Answer("MOVED_BACK"), [there, back])] == [-10, 10]


REFUSED = [
    (Answer("SPLIT", 1, 5), [question(1, 27, 0), question(2, 0, 130, isin="NEW")], "135 of 27, and there are 130: 5"),
    (Answer("SPLIT", 1, 2), [question(1, 10, 25)], "split 1:2 makes 20 of 10, and there are 25: 5 too many"),
    (Answer("BONUS", 1, 2), [question(1, 27, 0)], "question 1: MARUTI is gone, and a bonus leaves what was there"),
    (Answer("SPLIT", 1, 5), [question(1, 27, 0)], "say its question's number with --with"),
    (Answer("MERGER", 1, 5), [question(1, 27, 28)], "question 1: MARUTI is still there"),
    (Answer("TRANSFER_IN"), [question(1, 27, 0)], "27 MARUTI went; that is no transfer-in but perhaps a transfer-out"),
    (Answer("TRANSFER_OUT", units=Decimal(28)), [question(1, 27, 0)], "28 is more than the 27 that are open"),
    (Answer("MOVED_BACK"), [question(1, 27, 0)], "no other question is of the same units the other way"),
    (Answer("DEMERGER"), [question(1, 0, 5)], "say with --from which share MARUTI was split off"),
]  # fmt: skip


def test_no_share_was_split_off_from_itself() -> None:
    parent = Parent("OLD", "MARUTI", "", Decimal(10))
    assert "cannot have been split off from itself" in refusal(Answer("DEMERGER"), question(1, 10, 20), parent=parent)


@pytest.mark.parametrize(("answer", "questions", "why"), REFUSED)
def test_an_answer_that_does_not_add_up_is_refused_with_the_figures(
    answer: Answer, questions: list[Question], why: str
) -> None:
    assert why in refusal(answer, *questions)


def test_what_somebody_answered_meanwhile_is_not_answered_twice() -> None:
    piece = AnswerPiece(1, "NOTED", Decimal(-20))
    answers.check([piece], {1: question(1, 30, 10)})
    with pytest.raises(BadAnswer, match=r"question 1 has only -5 open by now"):
        answers.check([piece], {1: question(1, 15, 10)})
    with pytest.raises(BadAnswer, match=r"question 1 has only \+0 open by now"):
        answers.check([piece], {})


@given(st.integers(1, 5000), st.integers(1, 10), st.integers(1, 10), st.integers(-3, 3))
def test_a_ratio_is_taken_exactly_when_the_units_are_what_it_makes(
    units: int, before: int, after: int, off: int
) -> None:
    became = units * after // before + off
    if became <= 0 or became == units:
        return  # nobody asks
    asked = question(1, units, became)
    if off:
        with pytest.raises(BadAnswer):
            answers.check(pieces(Answer("SPLIT", before, after), [asked]), {1: asked})
    else:
        assert pieces(Answer("SPLIT", before, after), [asked]) == [AnswerPiece(1, "SPLIT", asked.open)]


def test_with_a_share_that_is_not_gone_no_other_is_answered() -> None:
    grown, other = question(1, 100, 500), question(2, 0, 500, isin="NEW")
    assert pieces(Answer("SPLIT", 1, 5), [grown]) == [AnswerPiece(1, "SPLIT", Decimal(400))]
    assert refusal(Answer("SPLIT", 1, 5), grown, other) == "question 1: MARUTI is not gone: nothing goes with it"


TUESDAY, THURSDAY = date(2026, 10, 13), date(2026, 10, 15)


def traded(before: int, after: int, *fills: tuple[date, int]) -> Question:
    """Seen with fills of days that nobody looked at; `before` is all that they and what was there come to."""
    return question(1, before, after)._replace(fills=tuple((day, Decimal(units)) for day, units in fills))


BETWEEN_LOOKS = [
    # 100, 10 bought, doubled, 5 bought
    (Answer("BONUS", 1, 2), traded(115, 225, (TUESDAY, 10), (THURSDAY, 5)), 110),
    # 100, 10 sold, one into five, 20 sold
    (Answer("SPLIT", 1, 5), traded(70, 430, (TUESDAY, -10), (THURSDAY, -20)), 360),
    # 100, doubled, as many sold: nothing seems to have moved
    (Answer("BONUS", 1, 2), traded(0, 100, (THURSDAY, -100)), 100),
    # 100, doubled, all of them sold
    (Answer("SPLIT", 1, 2), traded(-100, 0, (THURSDAY, -200)), 100),
]


@pytest.mark.parametrize(("answer", "asked", "units"), BETWEEN_LOOKS)
def test_what_was_traded_since_the_day_that_is_said_is_taken_as_it_is(
    answer: Answer, asked: Question, units: int
) -> None:
    (piece,) = pieces(answer._replace(on=THURSDAY), [asked])
    assert (piece.kind, piece.quantity) == (answer.kind, units)
    assert answers.partners(answer, asked, [question(2, 0, units, isin="NEW")]) == []
    assert "; say the day with --on, such as --on 2026-10-15" in refusal(answer, asked)


@given(st.integers(1, 500), st.integers(0, 40), st.integers(-200, 40), st.sampled_from([(1, 2), (1, 5), (2, 3)]))
def test_fills_on_both_sides_of_an_action_add_up_with_it_on_its_day(
    held: int, bought: int, traded_since: int, ratio: tuple[int, int]
) -> None:
    answer = Answer("SPLIT", *ratio, on=THURSDAY)
    became = int(answers.entitled(Decimal(held + bought), answer)) + traded_since
    asked = traded(held + bought + traded_since, became, (TUESDAY, bought), (THURSDAY, traded_since))
    assert [piece.quantity for piece in pieces(answer, [asked])] == [asked.open]


def test_shares_sold_on_the_day_of_an_action_are_no_part_of_it() -> None:
    """Seen on that very evening by a broker that lowers holdings at once."""
    assert [each.quantity for each in pieces(Answer("SPLIT", 1, 5), [traded(70, 470, (DAY, -30))])] == [400]


def test_nothing_is_so_since_a_later_day_than_it_was_seen_on() -> None:
    later = Answer("BONUS", 1, 2, on=date(2026, 10, 20))
    assert refusal(later, question(1, 10, 20)) == "question 1 was seen on 2026-10-19: it is not since 2026-10-20"


def sold(*fills: tuple[date, int]) -> Question:
    """200 of a new share came, and so many of them were traded before anybody looked."""
    units = sum(moved for _, moved in fills)
    return traded(units, 200 + units, *fills)._replace(number=2, instrument="NEW", isin="NEW")


TOO_EARLY = [
    (sold((THURSDAY, -50)), "2026-10-15"),
    (sold((THURSDAY, -200)), "2026-10-15"),
    (sold((TUESDAY, -50), (THURSDAY, -50)), "2026-10-13"),
    (sold((TUESDAY, -50), (THURSDAY, 50)), "2026-10-13"),  # bought back
]
PARENT = Parent("P", "ITC", "", Decimal(100))


@pytest.mark.parametrize(("new", "day"), TOO_EARLY)
def test_what_was_sold_came_before_that(new: Question, day: str) -> None:
    old, merged, split_off = question(1, 100, 0), Answer("SPLIT", 1, 2), Answer("DEMERGER", 1, 2)
    told = (
        f"question 2: MARUTI was sold before 2026-10-19, so it came earlier; say the day with --on, such as --on {day}"
    )
    assert [refusal(merged, old, new), refusal(split_off, new, parent=PARENT)] == [told, told]
    on = date.fromisoformat(day)
    assert [each.quantity for each in pieces(merged._replace(on=on), [old, new])] == [-100, 200]
    assert [each.quantity for each in pieces(split_off._replace(on=on), [new], PARENT)] == [200]
    late = refusal(merged._replace(on=date(2026, 10, 16)), old, new)
    assert late == told.replace("before 2026-10-19", "before 2026-10-16")


IN_TIME = [sold((DAY, -50)), sold((THURSDAY, 50)), sold((date(2024, 10, 8), 90))._replace(after=Decimal(200))]


@pytest.mark.parametrize("new", IN_TIME)
def test_what_was_sold_that_very_day_bought_before_or_gone_for_years_is_no_matter(new: Question) -> None:
    assert [each.quantity for each in pieces(Answer("SPLIT", 1, 2), [question(1, 100, 0), new])] == [-100, 200]
