"""Random lives of an account through the whole pipeline: what is explained and what is open add up to every holding on
every evening; with all evidence nothing is open, and with one fact taken away that one is."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portfolio.models import BrokerAccount
from portfolio.proof import verification
from portfolio.rebuild import rebuild
from portfolio.sync.answer import Said, answer
from portfolio.sync.questions import read_open
from tests import build, emptying
from tests.sync.lives import ACTIONS, NEW_ISINS, Action, Life, Traded
from tests.sync.scripted import Broker
from tests.test_import_statement import OURS, imported

pytestmark = pytest.mark.database

At = Callable[[str], None]
SOME = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])


def left(account: BrokerAccount) -> dict[str, int]:
    """What is open, by ISIN."""
    found: Counter[str] = Counter()
    for each in read_open(account):
        found[each.question.isin] += int(each.question.open)
    return {isin: units for isin, units in found.items() if units}


def add_up(account: BrokerAccount) -> bool:
    told: Counter[str] = Counter(left(account))
    for piece in account.explanations.current():
        told[piece.isin] += int(piece.quantity)
    held = {row.isin: int(row.owned_quantity) for row in account.holdings.all()}
    return {isin: units for isin, units in told.items() if units} == held


def lived(life: Life, broker: Broker, at: At) -> BrokerAccount:
    """The account after these days. Each evening's book is added up."""
    emptying.empty()
    account = build.an_account("SCRIPTED")
    for day, says in life.days():
        if says is not None:
            at(f"{day} 16:05")
            broker.says |= says
            build.synced(account)
            assert add_up(account), day
    assert [found for _, found in rebuild([account], repair=False)] == [[]]
    at(f"{life.seen[-1] + timedelta(days=1)} 08:00")
    return account


def fill_in(account: BrokerAccount, life: Life, folder: Path, without: Traded | None = None) -> None:
    """Imports the statement of the days on which nobody looked."""
    told = [traded for traded in life.traded if traded.day in life.missed and traded != without]
    if told:
        path = folder / "statement.csv"
        path.write_text("\n".join([OURS, *(line for traded in told for line in life.lines(traded))]) + "\n")
        imported(path, account, "--accept")
        assert add_up(account)


def say(account: BrokerAccount, action: Action, is_unseen: bool) -> None:
    """A person's answer to the first question that what happened can have left; with the day, where nobody looked."""
    isin = build.ISINS[action.symbol]
    asked = [each.question for each in read_open(account) if each.question.isin == isin]
    number = min((each.as_of, each.number) for each in asked if each.as_of >= action.day)[1]
    said = ACTIONS[action.kind]
    answer(account, Said(number, said._replace(on=action.day if is_unseen else None), "Asha"))


@given(seed=st.integers(0, 10**6))
@SOME
def test_with_all_evidence_nothing_stays_open(broker: Broker, at: At, tmp_path: Path, seed: int) -> None:
    life = Life(Random(seed), is_apart=False)
    account = lived(life, broker, at)
    fill_in(account, life, tmp_path)
    for action in life.actions:
        say(account, action, action.day in life.missed)
    assert (left(account), add_up(account)) == ({}, True)
    assert verification.verify().findings == []


@given(seed=st.integers(0, 10**6))
@SOME
def test_with_one_fact_taken_away_that_one_is_open(broker: Broker, at: At, tmp_path: Path, seed: int) -> None:
    life = Life(Random(seed), is_apart=True)
    account = lived(life, broker, at)
    missed = [traded for traded in life.traded if traded.day in life.missed and traded.bought != traded.sold]
    facts: list[Traded | Action] = [*missed, *life.actions]
    if not facts:
        return
    without = Random(seed).choice(facts)
    fill_in(account, life, tmp_path, without if isinstance(without, Traded) else None)
    for action in life.actions:
        if action != without:
            say(account, action, action.day in life.missed)
    assert (left(account), add_up(account)) == (expected(without), True)


def expected(fact: Traded | Action) -> dict[str, int]:
    if isinstance(fact, Traded):
        return {fact.isin: fact.bought - fact.sold}
    if fact.kind == "SPLIT":
        return {build.ISINS[fact.symbol]: -fact.units, NEW_ISINS[fact.symbol]: 5 * fact.units}
    return {build.ISINS[fact.symbol]: fact.units}
