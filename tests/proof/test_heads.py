"""What the heads of accounts remember of pages and tree decides what is placed and signed: it is held against both."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ledger.findings import PAGES, TREE
from portfolio import startup
from portfolio.models import AccountHead, BrokerAccount, LedgerTree, OrderVersion
from portfolio.proof import sealer
from portfolio.proof.verification import verify
from tests import build
from tests.proof import tampering
from tests.proof.test_leaving import NOW, a_signed_book

pytestmark = pytest.mark.database


def told() -> list[tuple[str, str, int, str]]:
    return [(finding.says, finding.account, finding.page, finding.table) for finding in verify().findings]


def head_of(account: BrokerAccount) -> AccountHead:
    return AccountHead.objects.get(account=account)


def say_placed(account: BrokerAccount, number: int) -> None:
    AccountHead.objects.filter(account=account).update(placed_number=number)


def test_a_page_that_was_kept_out_of_the_tree_by_its_head_is_named_and_rebuild_has_it_signed() -> None:
    account, *_ = a_signed_book()
    number = head_of(account).page_number
    say_placed(account, 1000)
    build.synced(account)
    note = sealer.checkpoint(NOW + timedelta(days=1))

    says = "it has no place in the tree and is not signed, and the head says that pages up to 1000 have one"
    assert told() == [(says, str(account.pk), number + 1, TREE)]
    call_command("rebuild", stdout=StringIO())
    assert sealer.checkpoint(NOW + timedelta(days=1)).checkpoint.size == note.checkpoint.size + 1
    assert told() == []


def test_a_head_that_says_less_of_the_tree_than_is_so_is_named_and_stops_no_signing() -> None:
    account, *_ = a_signed_book()
    number = head_of(account).page_number
    say_placed(account, 0)

    says = "it has its place in the tree, and the head says that only pages up to 0 have one"
    assert told() == [(says, str(account.pk), 1, TREE)]
    size = LedgerTree.objects.count()
    assert sealer.checkpoint(NOW + timedelta(days=1)).checkpoint.size == size
    assert head_of(account).placed_number == number
    assert told() == []


def test_the_last_place_of_an_account_that_is_gone_is_named_also_where_nothing_was_signed() -> None:
    account = build.an_account()
    build.synced(account)
    with sealer._all_placed(NOW):
        pass
    with tampering.unguarded():
        tampering.run("DELETE FROM ledger_tree")

    assert [(where, number, table) for _, where, number, table in told()] == [(str(account.pk), 1, TREE)]


def test_an_order_whose_page_gets_no_place_is_refused_in_words_and_nothing_is_written(tmp_path: Path) -> None:
    with build.groww() as simulator:
        build.synced(*(build.a_groww_account(simulator, ucc) for ucc in simulator.investors))
    AccountHead.objects.update(placed_number=1000)

    with pytest.raises(CommandError, match="no place in the tree, so no checkpoint covers it") as refused:
        call_command("prove", OrderVersion.objects.all()[0].groww_order_id, str(tmp_path / "proof"))
    assert (refused.value.returncode, list(tmp_path.iterdir())) == (2, [])


def test_a_head_with_another_hash_is_not_said_to_have_another_number() -> None:
    account, *_ = a_signed_book()
    AccountHead.objects.filter(account=account).update(page_hash=bytes(32))

    says = "the head has another hash of its last page: one of the two was changed"
    assert told() == [(says, str(account.pk), head_of(account).page_number, PAGES)]


def test_a_head_that_is_gone_is_told_as_that() -> None:
    account, *_ = a_signed_book()
    head = head_of(account)
    with tampering.unguarded():
        tampering.run("DELETE FROM account_heads WHERE id = %s", tampering.key(head.pk))

    says = "the head of this page, and of those before it, is gone"
    assert (says, str(head.pk), head.page_number, PAGES) in told()


def test_pages_that_are_gone_are_no_rollback_of_the_tree() -> None:
    account, *_ = a_signed_book()
    with tampering.unguarded():
        tampering.run("DELETE FROM ledger_pages WHERE head_id = %s", tampering.key(head_of(account).pk))

    found = verify()
    rolled_back = [str(finding) for finding in found.findings if "rolled back" in finding.says]
    assert (rolled_back, found.above, found.last_checkpoint) == ([], 0, LedgerTree.objects.count())


@pytest.mark.parametrize("heads", [0, 2])
def test_a_database_without_the_one_head_of_the_installation_is_refused_in_words(heads: int) -> None:
    account = build.an_account()
    own = AccountHead.objects.filter(account=None)
    startup.require_tables.cache_clear()
    try:
        with tampering.unguarded():
            own.delete() if not heads else AccountHead.objects.filter(account=account).update(account=None)
        with pytest.raises(CommandError, match=f"account_heads has {heads} rows without an account") as refused:
            call_command("verify_ledger")
        assert refused.value.returncode == 2
    finally:
        startup.require_tables.cache_clear()
