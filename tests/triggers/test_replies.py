"""Every reply under tests/replies/<broker>/ is read as its `.expected.json` says: adding a case is adding two files.

A reply's name begins with its section. `KHATA_ACCEPT=1 pytest tests/triggers/test_replies.py` writes what is read
now into the expected files; read the difference before you commit it. No tokens, names or PANs in recorded replies.
"""

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portfolio.triggers.base import Reply, TriggerError
from portfolio.triggers.registry import REGISTRY

FOLDER = Path(__file__).resolve().parent.parent / "replies"
REPLIES = sorted(path for path in FOLDER.glob("*/*.json") if not path.name.endswith(".expected.json"))
REQUESTS = {
    "groww": {
        "holdings": "GET /holdings/user",
        "positions": "GET /positions/user?segment=CASH",
        "orders": "GET /order/list?segment=CASH&page=0&page_size=100",
        "trades": "GET /order/trades/GMK39038RDT490CCVRO?segment=CASH&page=0&page_size=50",
        "funds": "GET /margins/detail/user",
        "prices": "GET /live-data/ltp?segment=CASH&exchange_symbols=NSE_TCS",
    },
    "zerodha": {
        "holdings": "GET /portfolio/holdings",
        "positions": "GET /portfolio/positions",
        "orders": "GET /orders",
        "trails": "GET /orders/42",
        "trades": "GET /trades",
        "funds": "GET /user/margins",
        "prices": "GET /quote/ltp?i=NSE:TCS",
    },
}


def plain(entry: Any) -> dict[str, Any]:
    """As text, without what is not given: decimals as they are written, instants in UTC."""
    given = {key: value for key, value in entry._asdict().items() if value is not None and value != ""}
    return {key: value if isinstance(value, bool) else str(value) for key, value in given.items()}


def read(broker: str, section: str, path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    reply = Reply(asked["request"], asked["status"], path.read_bytes(), datetime.fromisoformat(asked["fetched_at"]))
    trigger: Any = REGISTRY[broker.upper()]
    try:
        if error := trigger.classify(reply):
            raise error
        entries, aside = getattr(trigger, f"parse_{section}")([reply])
    except TriggerError as error:
        return {**asked, "error": [type(error).__name__, str(error)]}
    return {**asked, "entries": [plain(each) for each in entries], "set_aside": [list(each) for each in aside]}


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_reply_is_read_as_expected(path: Path) -> None:
    broker, section = path.parent.name, path.name.split("-")[0]
    beside = path.with_suffix(".expected.json")
    usual = {"request": REQUESTS[broker][section], "status": 200, "fetched_at": "2026-10-05T10:35:00+00:00"}
    expected = json.loads(beside.read_text()) if beside.exists() else {}
    found = read(broker, section, path, usual | {key: expected[key] for key in usual if key in expected})
    if os.environ.get("KHATA_ACCEPT"):
        beside.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == expected


def test_there_are_replies_and_each_expectation_has_one() -> None:
    assert len(REPLIES) > 20
    assert {path.with_suffix(".expected.json") for path in REPLIES} == set(FOLDER.glob("*/*.expected.json"))


def test_no_recorded_reply_names_a_person_or_holds_a_secret() -> None:
    told = re.compile(rb"eyJ[\w-]{10}|[A-Z]{5}\d{4}[A-Z]\b|@\w+\.\w|Bearer ")
    assert [path.name for path in REPLIES if told.search(path.read_bytes())] == []
