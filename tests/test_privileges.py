"""On PostgreSQL verification names each role that may do more to a protected table than it needs."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import connection

from portfolio import privileges
from portfolio.proof.verification import verify

pytestmark = pytest.mark.database


@pytest.fixture
def role() -> Iterator[str]:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no roles")
    name = f"reader_{uuid4().hex[:8]}"
    _run(f"CREATE ROLE {name}")
    yield name
    _run(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def _run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_role_that_reads_and_appends_is_no_problem(role: str) -> None:
    _run(f"GRANT SELECT, INSERT ON order_history TO {role}", f"GRANT SELECT, INSERT, UPDATE ON sync_batches TO {role}")
    _run(f"GRANT ALL ON real_holdings TO {role}", f"GRANT SELECT, INSERT ON raw_bodies TO {role}")

    assert privileges.problems(connection) == []


def test_what_a_role_need_not_do_is_named_with_what_to_do(role: str) -> None:
    _run(f"GRANT SELECT, UPDATE (remark) ON order_history TO {role}", f"GRANT DELETE ON sync_batches TO {role}")
    _run(f"GRANT SELECT, UPDATE, DELETE ON raw_bodies TO {role}")

    assert privileges.problems(connection) == [
        f"{role} may UPDATE the table order_history, and need not. "
        f"As its owner: REVOKE UPDATE ON order_history FROM {role};",
        f"{role} may DELETE the table raw_bodies, and need not. As its owner: REVOKE DELETE ON raw_bodies FROM {role};",
        f"{role} may UPDATE the table raw_bodies, and need not. As its owner: REVOKE UPDATE ON raw_bodies FROM {role};",
        f"{role} may DELETE the table sync_batches, and need not. "
        f"As its owner: REVOKE DELETE ON sync_batches FROM {role};",
    ]


def test_everybody_is_a_role_too_and_verification_tells(role: str) -> None:
    _run("GRANT TRUNCATE ON transactions TO PUBLIC")

    assert [finding.says for finding in verify().findings if "transactions" in finding.says] == [
        "PUBLIC may TRUNCATE the table transactions, and need not. "
        "As its owner: REVOKE TRUNCATE ON transactions FROM PUBLIC;"
    ]
    _run("REVOKE TRUNCATE ON transactions FROM PUBLIC")
