"""Every attack, at random places below a checkpoint that somebody kept: all are found, and where. No false alarm."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.db import connection

from ledger.checkpoint import read_notes
from ledger.findings import Finding, Signed
from portfolio import guards, retention
from portfolio.proof import sealer, signing
from portfolio.proof.verification import verify
from simulators.market import Market
from simulators.scripts import demo_investors
from tests import build
from tests.faults.conftest import Part
from tests.proof import tampering
from tests.proof.attacks import ATTACKS, Traces
from tests.proof.saved import Saved, save

pytestmark = pytest.mark.database


@pytest.fixture
def book(set_clock: Callable[[str], None]) -> Iterator[Saved]:
    """Two investors over a day, signed after each look, without its guards, and verified that evening."""
    with build.groww(*demo_investors(Market())) as simulator:
        accounts = [build.a_groww_account(simulator, ucc) for ucc in simulator.investors]
        for at in ("10:50", "11:15", "16:05"):
            simulator.move_to(f"2026-10-06 {at}")
            build.synced(*accounts)
            if at == "10:50":
                retention.hold(accounts[0], "Asha Rao", "an inquiry")
            sealer.checkpoint(datetime.fromisoformat(f"2026-10-06 {at}+05:30"))
    set_clock("2026-10-06T18:00:00+05:30")
    with tampering.unguarded():
        saved = save()
        yield saved
        saved.put_back()


def fits(finding: Finding, traces: Traces) -> bool:
    named = all(
        not wanted or wanted == found
        for wanted, found in ((traces.account, finding.account), (traces.page, finding.page), (traces.row, finding.row))
    )
    return named and traces.words in finding.says


@pytest.mark.parts(4)
def test_every_attack_below_a_kept_checkpoint_is_found_and_named(
    book: Saved, is_full: bool, seed: int, part: Part, tell: Callable[[str], None]
) -> None:
    kept = [Signed(note, "kept") for note in read_notes(signing.files().checkpoints.read_text("utf-8"))]
    unguarded = [str(Finding(problem)) for problem in guards.problems(connection)]  # true, and no trace of an attack
    assert [str(finding) for finding in verify(kept).findings] == unguarded
    positions, began, missed = 1000 if is_full else 2, time.monotonic(), []
    attacks = ATTACKS[part.number :: part.of]
    for attack in attacks:
        for number in range(positions):
            wanted = attack(random.Random(f"{attack.__name__} {seed} {number}"))
            findings = [finding for finding in verify(kept).findings if str(finding) not in unguarded]
            if not any(fits(finding, wanted) for finding in findings):
                missed.append((attack.__name__, number, wanted, [str(finding) for finding in findings[:5]]))
            book.put_back()
    assert missed == []
    assert [str(finding) for finding in verify(kept).findings] == unguarded
    seconds = time.monotonic() - began
    tell(f"tampering: {len(attacks)} attacks at {positions} places each, all found and named, in {seconds:.0f} s")
