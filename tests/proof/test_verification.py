"""The whole book is worked out again from its typed rows: a clean one gives no alarm, and what was changed is named."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from ledger.canonical import BOOK
from portfolio.models import Event, HoldingVersion, LedgerPage
from portfolio.proof import sealer
from portfolio.proof.verification import verify
from tests import build
from tests.proof import tampering
from tests.sync import recomputed

pytestmark = pytest.mark.database

NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)


def a_signed_book() -> None:
    """Two days' worth of a simulated investor, in two accounts, each sealed and signed."""
    with build.groww() as simulator:
        accounts = [build.a_groww_account(simulator, ucc) for ucc in simulator.investors]
        for hours in range(2):
            build.synced(*accounts)
            sealer.checkpoint(NOW + timedelta(hours=hours))


def said(findings: Any) -> list[str]:
    return [str(finding) for finding in findings]


def run_command(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=out)
    except SystemExit as exit_:
        return int(exit_.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_book_that_nobody_touched_is_as_it_was_sealed() -> None:
    a_signed_book()

    found = verify()

    rows = sum(recomputed.model_of(schema)._default_manager.count() for schema in BOOK.values())
    assert said(found.findings) == []
    assert (found.rows, found.pages, found.positions) == (rows, *2 * [LedgerPage.objects.count()])
    assert rows > 50


def test_a_changed_row_is_named_and_the_exit_code_and_an_event_tell() -> None:
    a_signed_book()
    row = HoldingVersion.objects.order_by("pk")[3]
    with tampering.unguarded():
        tampering.run("UPDATE holding_versions SET symbol = 'OTHER' WHERE id = %s", tampering.key(row.pk))

    code, out = run_command("--json")

    (finding,) = json.loads(out)["findings"]
    assert code == 1
    assert finding == {
        "says": "the row was changed after it was recorded",
        "account": str(row.broker_account_id),
        "page": row.batch.page.number,
        "table": "holding_versions",
        "row": str(row.pk),
        "line": 0,
    }
    assert Event.objects.filter(broker_account=None).latest("number").kind == "ledger.tampered"
