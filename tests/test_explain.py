"""manage.py explain: open questions are listed with what they look like, and answered by a person, or refused."""

import json
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portfolio import retention, startup
from portfolio.models import AccountKey, Act, BrokerAccount, InstrumentLink, LedgerPage
from portfolio.sync.amend import words_of
from portfolio.sync.questions import open_questions
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_bridge import explained, left_open
from tests.test_checks import prices_unguarded
from tests.test_commands import run

pytestmark = pytest.mark.database

At = Callable[[str], None]
NEW_TCS = "INE467B01037"


def explain(*words: object, code: int = 0) -> str:
    """What it prints; `code` is how it must end."""
    out = StringIO()
    try:
        call_command("explain", *map(str, words), stdout=out)
    except SystemExit as ended:
        assert ended.code == code
    except CommandError as error:
        assert error.returncode == code, error
        return str(error)
    else:
        assert code == 0
    return out.getvalue()


def moved(
    broker: Broker, at: At, *after: Any, before: Any = (), clients: tuple[str, ...] = ("S1",)
) -> list[BrokerAccount]:
    """Accounts whose holdings were `before` on Monday (100 TCS) and are `after` on Tuesday."""
    broker.says["holdings"] = [*before] or [build.a_holding(quantity=100, average=3000)]
    accounts = [build.an_account("SCRIPTED", client) for client in clients]
    build.synced(*accounts)
    at("2026-10-06 16:05")
    broker.says["holdings"] = [*after]
    build.synced(*accounts)
    return accounts


def kinds(account: BrokerAccount) -> list[tuple[str, int, Decimal | None]]:
    rows = account.explanations.exclude(kind="OPENING").order_by("quantity")
    return [(row.kind, int(row.quantity), row.cost_price) for row in rows]


def split(broker: Broker, at: At, clients: tuple[str, ...] = ("S1",)) -> list[BrokerAccount]:
    return moved(broker, at, build.a_holding(quantity=500, average=600, isin=NEW_TCS), clients=clients)


def test_the_open_questions_are_listed_with_an_age_and_what_they_look_like(broker: Broker, at: At) -> None:
    (account,) = split(broker, at)
    at("2026-10-09 10:00")
    told = explain(code=1).splitlines()
    assert told[:4] == [
        f"{account}, account {account.pk}",
        "    1  2026-10-06    3 days  TCS           INE467B01029        -100",
        "       looks like split 1:5, with question 2: 100 of INE467B01029 went, 500 of INE467B01037 came; the average "
        "went from 3,000.00 to 600.00",
        "       or transfer-out: units went, and nothing else suggests itself",
    ]
    (listed,) = json.loads(explain("--json", code=1))["accounts"]
    told_to_programs = [(q["unexplained"], q["age_days"], q["proposals"][0]["answer"]) for q in listed["questions"]]
    assert told_to_programs == [("-100", 3, "split 1:5"), ("500", 3, "split 1:5")]


def test_where_every_share_is_accounted_for_it_says_so() -> None:
    build.synced(build.an_account())
    assert explain() == "No open questions: every share is accounted for.\n"


def test_accepting_a_split_explains_both_sides_and_links_the_instruments(broker: Broker, at: At) -> None:
    (account,) = split(broker, at)
    told = explain(1, "accept", "--by", "Asha Rao", "--note", "the company's letter")
    assert told == f"{account}: split 1:5 recorded; closed: 1, 2\n"
    assert kinds(account) == [("SPLIT", -100, None), ("SPLIT", 500, None)]
    link = InstrumentLink.objects.get()
    assert (link.kind, link.isin, link.successor_isin, link.units_before, link.units_after, str(link.effective_on)) == (
        "SPLIT", "INE467B01029", NEW_TCS, 1, 5, "2026-10-06",
    )  # fmt: skip
    act = Act.objects.get()
    assert (act.subject, words_of(act)["who"], words_of(act)["why"]) == (
        "question 1: split 1:5", "Asha Rao", "the company's letter",
    )  # fmt: skip
    assert (left_open(account), explained(account)) == ({}, 500)
    assert [event.kind for event in account.events.order_by("number")][-2:] == ["answer.completed", "question.closed"]
    assert explain() == "No open questions: every share is accounted for.\n"
    recomputed.check_all_pages()


ANSWERS: list[tuple[Any, tuple[Any, ...], list[tuple[str, int, Any]]]] = [
    (build.a_holding(quantity=200, average=1500), ("bonus", "1:1"), [("BONUS", 100, 0)]),
    (build.a_holding(quantity=130), ("transfer-in", "--cost", "2500.50"), [("TRANSFER_IN", 30, Decimal("2500.5"))]),
    (build.a_holding(quantity=90), ("transfer-out",), [("TRANSFER_OUT", -10, None)]),
    (build.a_holding(quantity=90), ("note", "given to a school"), [("NOTED", -10, None)]),
]


@pytest.mark.parametrize(("after", "words", "expected"), ANSWERS)
def test_what_a_person_says_is_recorded_with_what_it_cost(
    broker: Broker, at: At, after: Any, words: tuple[Any, ...], expected: list[Any]
) -> None:
    (account,) = moved(broker, at, after)
    explain(1, *words)
    assert kinds(account) == expected
    assert (left_open(account), explained(account)) == ({}, int(after.owned))


def test_a_part_may_be_answered_and_the_rest_stays_open(broker: Broker, at: At) -> None:
    (account,) = moved(broker, at, build.a_holding(quantity=130))
    assert "left: +10 of question 1" in explain(1, "transfer-in", "--units", 20, "--cost", 100)
    assert left_open(account) == {1: 10}
    explain(1, "note", "found in the attic")
    assert (left_open(account), explained(account)) == ({}, 130)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("split", "1:4"), "question 2: split 1:4 makes 400 of 100, and there are 500: 100 too many"),
        (("bonus", "1:1"), "question 1: TCS is gone, and a bonus leaves what was there"),
        (("transfer-in",), "question 1: 100 TCS went; that is no transfer-in but perhaps a transfer-out"),
        (("split", "1/5"), "split needs a ratio"),
        (("splat",), "'splat' is no answer"),
        (("note",), "question 1: say why"),
        (("note", "  ", "--note", " \t"), "question 1: say why"),
        ((), "question 1: say what it is"),
        (("accept", "--units", 5), "accept takes the proposal as it is"),
        (("split", "1:5", "--with", 7), "question 7 is not open in this account; open are: 1, 2"),
        (("demerger", "1:5", "--from", "ITC"), "this account held no ITC on 2026-10-06"),
        (("withdraw",), "question 1: no person has answered it in this account"),
        (("withdraw", "--on", "2026-10-05"), "withdraw takes back what was said, as it was"),
        (("accept", "--with", 2), "accept takes the proposal as it is"),
        (("accept", "--from", "ITC"), "accept takes the proposal as it is"),
        (("accept", "--cost-percent", 5), "accept takes the proposal as it is"),
        (("transfer-out", "--on", "2026-10-05"), "--on is for split, bonus, isin-change, merger, demerger alone"),
        (("note", "lost", "--with", 2), "--with is for split, isin-change, merger, moved-back alone, not for note"),
        (("note", "lost", "--everywhere"), "--everywhere is for split, bonus, isin-change, merger, demerger alone"),
        (("split", "1:5", "--from", "TCS"), "--from is for demerger alone, not for split 1:5"),
    ],
)
def test_what_does_not_add_up_is_refused_and_nothing_is_written(
    broker: Broker, at: At, words: tuple[Any, ...], why: str
) -> None:
    (account,) = split(broker, at)
    pages = LedgerPage.objects.count()
    assert why in explain(1, *words, code=2)
    assert (left_open(account), LedgerPage.objects.count()) == ({1: -100, 2: 500}, pages)


def test_a_question_that_is_open_nowhere_is_no_matter_of_the_account(broker: Broker, at: At) -> None:
    split(broker, at, ("A", "B"))
    assert explain(9, "accept", code=2) == "question 9 is open in no account; manage.py explain lists what is open"


def test_a_question_that_is_not_open_is_named(broker: Broker, at: At) -> None:
    (account,) = split(broker, at)
    assert explain(9, "accept", "--account", account.pk, code=2) == (
        "question 9 is not open in this account; open are: 1, 2"
    )
    explain(1, "accept")
    assert "question 1 is not open in this account; open are: none" in explain(1, "accept", code=2)


def test_without_an_account_the_question_must_be_open_in_one_alone(broker: Broker, at: At) -> None:
    first, _ = split(broker, at, ("A", "B"))
    assert "question 1 is open in 2 accounts; name the account" in explain(1, "accept", code=2)
    explain(1, "accept", "--account", first.pk)
    assert "closed: 1, 2" in explain(1, "accept")


def test_an_answer_is_offered_for_the_other_accounts_that_hold_the_same(broker: Broker, at: At) -> None:
    first, second = split(broker, at, ("A", "B"))
    told = explain(1, "accept", "--account", first.pk)
    assert f"explain 1 accept --account {second.pk}" in told
    assert "answered so for another account, with effect from 2026-10-06" in explain("--account", second.pk, code=1)
    assert left_open(second) == {1: -100, 2: 500}


def test_everywhere_answers_the_others_too(broker: Broker, at: At) -> None:
    accounts = moved(broker, at, build.a_holding(quantity=200, average=1500), clients=("A", "B", "C"))
    explain(1, "accept", "--account", accounts[1].pk, "--everywhere")
    assert [kinds(account) for account in accounts] == [[("BONUS", 100, 0)]] * 3
    recomputed.check_all_pages()


def test_the_same_bonus_years_later_is_of_its_own_day_everywhere(broker: Broker, at: At) -> None:
    accounts = moved(broker, at, build.a_holding(quantity=200, average=1500), clients=("A", "B", "C"))
    explain(1, "accept", "--account", accounts[0].pk, "--everywhere")
    at("2029-10-09 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=400, average=750)]
    build.synced(*accounts)
    explain(2, "accept", "--account", accounts[2].pk)
    explain(2, "bonus", "1:1", "--account", accounts[0].pk, "--everywhere")
    expected = ["2026-10-06", "2029-10-09"]
    for account in accounts:
        dated = account.explanations.filter(kind="BONUS").order_by("dated").values_list("dated", flat=True)
        links = InstrumentLink.objects.filter(broker_account=account).order_by("effective_on")
        assert [str(day) for day in dated] == [str(link.effective_on) for link in links] == expected


def test_what_is_accepted_is_so_since_the_day_that_is_said(broker: Broker, at: At) -> None:
    split(broker, at)
    explain(1, "accept", "--on", "2026-10-01")
    assert str(InstrumentLink.objects.get().effective_on) == "2026-10-01"


def test_a_day_that_a_proposal_has_no_use_for_is_refused(broker: Broker, at: At) -> None:
    (account,) = moved(broker, at, build.a_holding(quantity=90))
    assert "alone, not for transfer-out" in explain(1, "accept", "--on", "2026-10-01", code=2)
    assert left_open(account) == {1: -10}


def test_nobody_answers_for_a_person_who_was_erased(broker: Broker, at: At) -> None:
    first, erased, last = moved(broker, at, build.a_holding(quantity=200, average=1500), clients=("A", "B", "C"))
    retention.shred(erased, "Asha", "asked for it", override="a court order")
    assert str(erased.pk) not in explain(code=1)
    assert "the person was erased" in explain("--account", erased.pk, code=2)
    explain(1, "accept", "--account", first.pk, "--everywhere")
    assert [kinds(account) for account in (first, erased, last)] == [[("BONUS", 100, 0)], [], [("BONUS", 100, 0)]]
    assert explain() == "No open questions: every share is accounted for.\n"


@pytest.mark.parametrize("is_json", [False, True])
def test_what_fails_in_a_further_account_is_told_beside_what_is_written(broker: Broker, at: At, is_json: bool) -> None:
    accounts = moved(broker, at, build.a_holding(quantity=200, average=1500), clients=("A", "B", "C"))
    AccountKey.objects.filter(account=accounts[1]).update(wrapped=b"no key")
    words = ("explain", 1, "accept", "--account", accounts[0].pk, "--everywhere", *(["--json"] if is_json else []))
    code, out, errors = run(*words)
    assert (code, [kinds(account) for account in accounts]) == (1, [[("BONUS", 100, 0)], [], [("BONUS", 100, 0)]])
    if is_json:
        told = json.loads(out)
        assert [each["account"] for each in told["answers"]] == [str(accounts[0].pk), str(accounts[2].pk)]
        assert [each["account"] for each in told["failed"]] == [str(accounts[1].pk)]
    else:
        assert out.splitlines() == [f"{accounts[n]}: bonus 1:1 recorded; closed: 1" for n in (0, 2)]
        assert errors.startswith(f"{accounts[1]}: nothing is written: ")


def test_of_a_share_that_was_split_twice_each_answer_finds_its_own_questions(broker: Broker, at: At) -> None:
    (account,) = split(broker, at)
    at("2026-10-07 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=500, average=600, isin="INE467B01045")]
    build.synced(account)
    assert left_open(account) == {1: -100, 2: 500, 3: -500, 4: 500}
    assert "question 2: TCS cannot have come in its own place" in explain(3, "isin-change", "--with", 2, code=2)
    assert explain(3, "isin-change").endswith("isin-change recorded; closed: 3, 4\n")
    assert explain(2, "split", "1:5").endswith("split 1:5 recorded; closed: 1, 2\n")
    assert (left_open(account), explained(account)) == ({}, 500)


def test_a_wrong_answer_is_withdrawn_and_the_questions_are_open_again(broker: Broker, at: At) -> None:
    first, second = split(broker, at, ("A", "B"))
    explain(1, "accept", "--account", first.pk)
    assert "answer withdrawn; open again: 1, 2" in explain(2, "withdraw", "--account", first.pk)
    assert left_open(first) == {1: -100, 2: 500}
    assert InstrumentLink.objects.filter(is_withdrawn=True).count() == 1
    assert "answered so" not in explain("--account", second.pk, code=1)
    explain(1, "accept", "--account", first.pk)
    assert (left_open(first), explained(first)) == ({}, 500)
    recomputed.check_all_pages()


def test_a_demerger_is_seen_and_accepted(broker: Broker, at: At) -> None:
    before = [build.a_holding("ITC", 40, 400)]
    after = [build.a_holding("ITC", 40, 380), build.a_holding("ITCHOTELS", 4, 200, isin="INE379A01028")]
    (account,) = moved(broker, at, *after, before=before)
    assert "demerger 10:1 of ITC, with 5 % of its cost: the cost of ITC fell by what these cost" in explain(code=1)
    explain(1, "accept")
    link = InstrumentLink.objects.get()
    assert (kinds(account), link.symbol, link.cost_percent) == ([("DEMERGER", 4, None)], "ITC", 5)


@pytest.mark.parametrize(
    "parent", [build.a_holding("ITC", 20, 360), build.a_holding("ITC", 40, 400), build.a_holding("ITC", 40, 420)],
    ids=["with other units", "of the same cost", "of a higher cost"],
)  # fmt: skip
def test_only_a_share_whose_cost_fell_with_its_units_unmoved_may_have_been_split_up(
    broker: Broker, at: At, parent: Any
) -> None:
    """Of half the units at 40 less the cost fell by as much as the newcomers cost, were the units not looked at."""
    before = [build.a_holding("ITC", 40, 400)]
    moved(broker, at, parent, build.a_holding("ITCHOTELS", 4, 200, isin="INE379A01028"), before=before)
    assert "demerger" not in explain(code=1)


def two_with_a_demerger(broker: Broker, at: At) -> list[BrokerAccount]:
    """40 ITC on Monday; on Tuesday 4 ITCHOTELS beside them, at a cost that the broker does not tell."""
    after = [build.a_holding("ITC", 40, 400), build.a_holding("ITCHOTELS", 4, None, isin="INE379A01028")]
    return moved(broker, at, *after, before=[build.a_holding("ITC", 40, 400)], clients=("A", "B"))


def test_a_demerger_is_offered_to_the_others_with_what_they_owned_of_the_parent(broker: Broker, at: At) -> None:
    first, second = two_with_a_demerger(broker, at)
    words = ("demerger", "10:1", "--from", "ITC", "--cost-percent", 5)
    told = explain(1, *words, "--account", first.pk)
    assert f"explain 1 accept --account {second.pk}" in told
    assert "looks like demerger 10:1 of ITC" in explain("--account", second.pk, code=1)
    explain(1, "accept", "--account", second.pk)
    assert [kinds(account) for account in (first, second)] == [[("DEMERGER", 4, None)]] * 2
    links = InstrumentLink.objects.values_list("symbol", "successor_symbol", "units_before", "cost_percent")
    assert list(links) == [("ITC", "ITCHOTELS", 10, 5)] * 2


def test_a_demerger_is_measured_by_what_was_owned_when_it_was_seen(broker: Broker, at: At) -> None:
    first, second = two_with_a_demerger(broker, at)
    at("2026-10-07 16:05")
    broker.says["holdings"] = [build.a_holding("ITC", 9, 400), *broker.says["holdings"][1:]]
    build.synced(first, second)
    explain(1, "demerger", "10:1", "--from", "itc", "--account", first.pk, "--everywhere")
    assert [left_open(account) for account in (first, second)] == [{2: -31}, {2: -31}]


def test_what_is_taken_back_for_one_account_stands_where_another_said_it(broker: Broker, at: At) -> None:
    first, second, third = split(broker, at, ("A", "B", "C"))
    for account in (first, second):
        explain(1, "split", "1:5", "--account", account.pk)
    explain(1, "withdraw", "--account", second.pk)
    assert "answered so for another account" in explain("--account", third.pk, code=1)
    explain(1, "withdraw", "--account", first.pk)
    assert "answered so for another account" not in explain("--account", third.pk, code=1)


def test_shares_that_a_missed_day_may_have_brought_are_no_guess(broker: Broker, at: At) -> None:
    broker.says["holdings"] = [build.a_holding(quantity=100)]
    account = build.an_account("SCRIPTED")
    build.synced(account)
    at("2026-10-06 12:00")
    retention.hold(account, "Asha", "an inquiry")  # a batch of that day, in which nobody was asked
    at("2026-10-08 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=105)]
    build.synced(account)
    assert "looks like a missed day: nobody looked on 2026-10-06, 2026-10-07: import" in explain(code=1)
    assert "import the broker's statement" in explain(1, "accept", code=2)


def test_a_missed_day_before_a_look_has_nothing_to_do_with_a_later_question(broker: Broker, at: At) -> None:
    broker.says["holdings"] = [build.a_holding(quantity=100)]
    account = build.an_account("SCRIPTED")
    build.synced(account)
    for day, units in ((7, 100), (8, 105)):  # nobody looked on the 6th
        at(f"2026-10-{day:02} 16:05")
        broker.says["holdings"] = [build.a_holding(quantity=units)]
        build.synced(account)
    assert "missed day" not in explain(code=1)


def test_whoever_connected_the_account_sees_the_missed_day_too(broker: Broker, at: At) -> None:
    broker.says["holdings"] = [build.a_holding(quantity=100)]
    account = build.an_account("SCRIPTED")  # this object remembers its head as it was before the first sync
    build.synced(account)
    at("2026-10-07 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=105)]
    build.synced(account)
    ((first, *_),) = [question.proposals for question in open_questions(account)]
    assert first.because == "nobody looked on 2026-10-06: import the broker's statement of then"


@pytest.mark.parametrize("words", [("explain", 1, "accept"), ("import_statement", "none.csv", "--account")])
def test_a_book_that_is_not_guarded_takes_no_answer_and_no_statement(
    broker: Broker, at: At, words: tuple[Any, ...]
) -> None:
    (account,) = split(broker, at)
    pages = LedgerPage.objects.count()
    startup.require_guards.cache_clear()
    with prices_unguarded():
        code, _, error = run(*words, *([account.pk] if words[-1] == "--account" else []))
    assert (code, error.startswith("The book is not guarded")) == (2, True)
    assert LedgerPage.objects.count() == pages
