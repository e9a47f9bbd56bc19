"""What open questions look like: read from units and averages, likeliest first, and never one that does not add up."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.answers import Answer, Parent, Question, pieces
from ledger.entries import ZERO
from ledger.links import Link
from ledger.proposals import Fallen, Proposal, propose
from tests.ledger.test_answers import DAY, THURSDAY, TUESDAY, question, traded


def looks_like(*questions: Question, **known: object) -> list[list[str]]:
    """For each question the proposals as a person writes them."""
    made = propose(questions, **known)  # type: ignore[arg-type]
    return [[each.answer.text() if each.answer else "missed" for each in made[q.number]] for q in questions]


def first(*questions: Question) -> Proposal:
    return propose(questions)[questions[0].number][0]


def test_a_split_with_a_new_isin_is_proposed_for_both_sides_and_says_why() -> None:
    old = question(1, 27, 0, was="15800")
    new = question(2, 0, 135, isin="NEW", now="3160")
    assert [each[0] for each in looks_like(old, new)] == ["split 1:5", "split 1:5"]
    assert first(old, new).questions == first(new, old).questions == (1, 2)
    told = "27 of OLD went, 135 of NEW came; the average went from 15,800.00 to 3,160.00"
    assert first(old, new).because == told


CASES = [
    (question(1, 30, 60, was="300", now="150"), "bonus 1:1"),
    (question(1, 30, 45, was="300", now="200"), "bonus 1:2"),
    (question(1, 27, 40, was="300", now="200"), "bonus 1:2"),  # the half is paid out
    (question(1, 30, 300, was="300", now="30"), "split 1:10"),
    (question(1, 30, 150, was="300", now="60"), "split 1:5"),
    (question(1, 100, 10, was="3", now="30"), "split 10:1"),
    (question(1, 30, 60), "bonus 1:1"),  # no averages
    (question(1, 30, 60, was="300", now="300"), "transfer-in"),  # the cost says otherwise
    (question(1, 30, 60, was="200", now="100.5"), "bonus 1:1"),  # half a percent off
    (question(1, 30, 60, was="200", now="100.51"), "transfer-in"),
    (question(1, 30, 61, was="300", now="298"), "transfer-in"),
    (question(1, 0, 40, now="300"), "transfer-in"),
    (question(1, 40, 0, was="300"), "transfer-out"),
    (question(1, 40, 33, was="300", now="300"), "transfer-out"),
]


@pytest.mark.parametrize(("asked", "expected"), CASES)
def test_one_question_looks_like_what_units_and_average_say(asked: Question, expected: str) -> None:
    assert looks_like(asked)[0][0] == expected


def test_what_came_in_had_the_cost_that_the_averages_say() -> None:
    assert first(question(1, 10, 30, was="100", now="200")).answer == Answer("TRANSFER_IN", cost=Decimal(250))
    assert first(question(1, 0, 30)).answer == Answer("TRANSFER_IN")


def test_a_new_isin_with_the_same_units_is_a_change_of_isin() -> None:
    assert looks_like(question(1, 27, 0), question(2, 0, 27, isin="NEW"))[0][0] == "isin-change"


def test_of_several_ratios_that_make_these_units_the_exact_one_comes_first() -> None:
    assert looks_like(question(1, 3, 0), question(2, 0, 4, isin="NEW"))[0][:2] == ["split 3:4", "split 2:3"]


def test_a_merger_is_seen_by_its_cost() -> None:
    old, new = question(1, 50, 0, "HDFC", was="2520"), question(2, 10, 94, "HDFCBANK", "NEW", was="1400", now="1489.36")
    assert [each[0] for each in looks_like(old, new)] == ["merger 25:42", "merger 25:42"]
    other = question(2, 10, 94, "HDFCBANK", "NEW", was="1400", now="1400")
    assert looks_like(old, other) == [["transfer-out"], ["transfer-in"]]


def test_a_demerger_is_seen_by_the_cost_that_its_parent_lost() -> None:
    new = question(1, 0, 4, "ITCHOTELS", "NEW", now="200")
    fallen = Fallen(Parent("P", "ITC", "", Decimal(40)), DAY, Decimal(16_000), Decimal(15_200))
    assert looks_like(new, fallen=[fallen])[0][0] == "demerger 10:1"
    proposal = propose([new], fallen=[fallen])[1][0]
    assert proposal.answer and proposal.answer.cost_percent == 5


@pytest.mark.parametrize(("owned", "lost"), [(40, 790), (40, 810), (44, 800), (41, 800)])
def test_what_another_cost_is_no_demerger_where_it_or_the_ratio_does_not_fit(owned: int, lost: int) -> None:
    """4 at 200 rupees: the parent lost another cost, or its units are no small multiple of theirs."""
    new = question(1, 0, 4, "ITCHOTELS", "NEW", now="200")
    fallen = Fallen(Parent("P", "ITC", "", Decimal(owned)), DAY, Decimal(16_000), Decimal(16_000 - lost))
    assert looks_like(new, fallen=[fallen])[0][0] == "transfer-in"


def test_a_demerger_that_another_account_told_of_is_measured_by_what_this_one_owned() -> None:
    link = Link("DEMERGER", "P", "NEW", DAY, 10, 1, Decimal(5))
    new = question(1, 0, 4, "ITCHOTELS", "NEW")
    for owned, expected in ((40, "demerger 10:1"), (30, "transfer-in")):
        parent = Parent("P", "ITC", "", Decimal(owned))
        assert looks_like(new, links=[link], parents={link: parent})[0][0] == expected
    assert looks_like(new, links=[link])[0][0] == "transfer-in"
    (first_one, *_) = propose([new], [link], parents={link: Parent("P", "ITC", "", Decimal(40))})[1]
    assert first_one.answer and (first_one.answer.cost_percent, first_one.parent) == (
        5,
        Parent("P", "ITC", "", Decimal(40)),
    )


def test_a_demerger_says_nothing_of_more_or_fewer_of_its_parent() -> None:
    link = Link("DEMERGER", "P", "NEW", DAY, 10, 1)
    parent = Parent("P", "ITC", "", Decimal(40))
    assert looks_like(question(1, 36, 40, "ITC", "P"), links=[link], parents={link: parent})[0][0] != "demerger 10:1"


def test_what_moved_and_moved_back_is_proposed_as_that() -> None:
    assert looks_like(question(1, 10, 0), question(2, 0, 10)) == [
        ["moved-back", "transfer-out"], ["moved-back", "transfer-in"],
    ]  # fmt: skip


def test_a_missed_day_is_to_be_filled_in_before_anything_is_guessed() -> None:
    asked = question(1, 10, 13)
    made = propose([asked], missed={1: [date(2026, 10, 15), date(2026, 10, 16)]})[1]
    assert [each.answer is None for each in made] == [True, False]
    assert made[0].because == "nobody looked on 2026-10-15, 2026-10-16: import the broker's statement of then"


def test_what_was_answered_for_another_account_comes_first_where_it_adds_up() -> None:
    link = Link("BONUS", "OLD", "OLD", DAY, 2, 4)
    asked = question(1, 10, 20, was="300", now="299")
    assert looks_like(asked, links=[link])[0][0] == "bonus 2:2"
    assert looks_like(question(1, 10, 21), links=[link])[0][0] == "transfer-in"


@given(st.integers(1, 400), st.sampled_from([(1, 5), (1, 10), (2, 5), (5, 1)]), st.integers(100, 90_000))
def test_every_split_with_a_new_isin_is_recognised(units: int, ratio: tuple[int, int], average: int) -> None:
    before, after = ratio
    became = units * after // before
    if not became:
        return
    was = Decimal(average) / 10
    old = question(1, units, 0)._replace(average_before=was)
    new = question(2, 0, became, isin="NEW")._replace(average_after=(was * before / after).quantize(Decimal("0.01")))
    answer = first(old, new).answer
    assert answer and answer.kind in ("SPLIT", "ISIN_CHANGE")
    if units % before == 0:
        assert answer == Answer("SPLIT", before, after)


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from("AB"), st.sampled_from("XYZ")), max_size=5
    )
)
def test_every_proposal_adds_up(moves: list[tuple[int, int, str, str]]) -> None:
    asked = [
        question(number, before, after, symbol, isin)
        for number, (before, after, symbol, isin) in enumerate(moves, 1)
        if before != after
    ]
    known = {each.number: each for each in asked}
    for number, made in propose(asked).items():
        for proposal in made:
            rest = [known[other] for other in proposal.questions if other != number]
            assert proposal.answer
            for piece in pieces(proposal.answer, [known[number], *rest], proposal.parent):
                assert piece.quantity - known[piece.question].open == ZERO


def test_the_only_day_that_fits_what_was_traded_is_proposed_with_the_answer() -> None:
    proposed = first(traded(115, 225, (TUESDAY, 10), (THURSDAY, 5)))
    assert proposed.answer == Answer("BONUS", 1, 2, on=THURSDAY)
    told = "110 became 220 by 2026-10-15, and what was traded since is 5; no average cost tells more"
    assert proposed.because == told


def test_where_several_days_fit_none_is_proposed() -> None:
    """Doubled before or after 60 were bought and sold again."""
    asked = traded(115, 225, (TUESDAY, 60), (date(2026, 10, 14), -60), (THURSDAY, 5))
    assert first(asked).answer == Answer("TRANSFER_IN")
    assert first(traded(110, 220, (TUESDAY, 60), (THURSDAY, -60))).answer == Answer("BONUS", 1, 2)


def test_an_average_speaks_of_all_that_was_there_when_shares_came_days_after_the_action() -> None:
    """100 doubled on Thursday, 20 more bought since and seen; the new hundred came on Monday."""
    asked = traded(120, 220, (THURSDAY, 20))._replace(average_before=Decimal(300), average_after=Decimal("163.64"))
    assert first(asked).answer == Answer("BONUS", 1, 2, on=THURSDAY)
    assert first(asked._replace(average_after=Decimal(300))).answer != Answer("BONUS", 1, 2, on=THURSDAY)


def test_what_another_account_saw_later_is_proposed_as_of_the_day_it_was_seen_here() -> None:
    link = Link("BONUS", "OLD", "OLD", date(2026, 10, 21), 1, 2)
    (found,) = [each for each in propose([question(1, 30, 60)], [link])[1] if each.answer and each.answer.on]
    assert (found.answer, found.because[:33]) == (Answer("BONUS", 1, 2, on=DAY), "answered so for another account, ")


def test_what_another_account_answered_of_another_day_is_proposed_once() -> None:
    link = Link("BONUS", "OLD", "OLD", date(2026, 10, 16), 1, 2)
    assert looks_like(question(1, 30, 60), links=[link]) == [["bonus 1:1", "split 1:2", "transfer-in"]]


def test_the_same_action_of_years_before_says_nothing_of_the_day_of_this_one() -> None:
    asked = question(1, 200, 400)
    years_ago, near = [Link("BONUS", "OLD", "OLD", day, 1, 2) for day in (date(2023, 10, 6), date(2026, 10, 16))]
    assert [propose([asked], links)[1][0].answer for links in ([years_ago], [years_ago, near])] == [
        Answer("BONUS", 1, 2), Answer("BONUS", 1, 2, on=date(2026, 10, 16)),
    ]  # fmt: skip


@pytest.mark.parametrize(("looked", "on"), [(date(2026, 9, 1), date(2026, 9, 2)), (date(2026, 9, 2), None)])
def test_an_action_of_weeks_ago_is_of_its_day_where_nobody_looked_since(looked: date, on: date | None) -> None:
    link = Link("BONUS", "OLD", "OLD", date(2026, 9, 2), 1, 2)
    proposed = propose([question(1, 200, 400)._replace(looked=looked)], [link])[1][0]
    assert proposed.answer == Answer("BONUS", 1, 2, on=on)


def test_shares_of_a_demerger_that_come_months_later_are_of_the_day_on_which_its_parent_was_measured() -> None:
    link = Link("DEMERGER", "P", "NEW", date(2026, 8, 3), 10, 1, Decimal(5))
    new = question(1, 0, 4, "ITCHOTELS", "NEW")._replace(looked=date(2026, 10, 16))
    proposed = propose([new], [link], parents={link: Parent("P", "ITC", "", Decimal(40))})[1][0]
    assert proposed.answer and proposed.answer.on == date(2026, 8, 3)


def test_what_another_account_calls_it_comes_before_what_the_figures_alone_call_it() -> None:
    link = Link("SPLIT", "OLD", "OLD", DAY, 1, 2)
    assert looks_like(question(1, 30, 60, was="300", now="150")) == [["bonus 1:1", "split 1:2", "transfer-in"]]
    assert looks_like(question(1, 30, 60, was="300", now="150"), links=[link])[0][0] == "split 1:2"


def test_without_an_average_no_day_that_somebody_looked_at_is_likelier_than_a_transfer() -> None:
    """10, and 90 bought that were seen: 10 more are as many as the first, which may be chance."""
    asked = traded(100, 110, (TUESDAY, 90))
    assert looks_like(asked._replace(looked=date(2026, 10, 12)))[0][0] == "bonus 1:1"
    assert looks_like(asked._replace(looked=TUESDAY)) == [["transfer-in", "bonus 1:1", "split 1:2"]]
    agreeing = asked._replace(looked=TUESDAY, average_before=Decimal(300), average_after=Decimal("272.73"))
    assert first(agreeing).answer == Answer("BONUS", 1, 2, on=TUESDAY)


def test_a_day_that_nobody_looked_at_is_likelier_than_one_that_somebody_did() -> None:
    """100 doubled before 50 were sold, or 50 tripled after that."""
    asked = traded(55, 155, (TUESDAY, -50), (THURSDAY, 5))
    assert first(asked._replace(looked=date(2026, 10, 14))).answer == Answer("BONUS", 1, 3, on=THURSDAY)
    assert first(asked).answer == Answer("TRANSFER_IN")
