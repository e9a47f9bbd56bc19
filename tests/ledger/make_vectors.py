"""Writes `vectors.json`, by other means than the code under test: json and hashlib alone. Run it by hand, and look.

A schema is never edited, so this file only ever grows.
"""

import json
from hashlib import sha256
from pathlib import Path

FILE = Path(__file__).with_name("vectors.json")
ID, ACCOUNT, BATCH, INSTRUMENT = (f"01a1fd04-8a6b-7c64-abc1-b9000cbc353{digit}" for digit in "0123")
AT, NOW = "2026-10-05T10:35:00.000000+00:00", "2026-10-05T10:35:07.123456+00:00"
NAMED = [INSTRUMENT, "INE467B01029", 'T"C\\S', "NSE"]
SEALED = [NOW, BATCH]
ROWS: dict[str, list[str | None]] = {
    "sync_batches": [
        ID, None, "SHARED", "2026-10-05", "COMPLETED", AT, NOW, *"12345678", '[{"kind":"set_aside"}]', '{"a":"é ₹"}',
    ],
    "raw_replies": [ID, ACCOUNT, "GET /holdings/user?a=1&b=é", "200", AT, "00" * 32, "ff" * 32, "4096", *SEALED],
    "order_history": [
        ID, ACCOUNT, "GMK1", "2026-10-05", "1", "false", *NAMED, "", "CASH", "CNC", "LIMIT", "BUY", "10.0000000000",
        "3000.05000000", None, "DAY", "OPEN", "NEW", "0.0000000000", "10.0000000000", None, None, "NA", AT, None, None,
        "tab\there, line\nthere, ₹ and 𝄞", AT,
    ],
    "order_quantity_changes": [
        ID, ACCOUNT, BATCH, *NAMED[1:], "QUANTITY_REMOVED", "10.0000000000", "4.0000000000", "-6.0000000000", None,
        "FILL_REVISED",
    ],
    "transactions": [
        ID, ACCOUNT, "API", "NSE:2026-10-05:T1", "2", BATCH, "", "SELL", *NAMED, "CASH", "CNC", "GMK1", "2026-10-05",
        None, "0.0000000001", "99999999999.12345678", "-0.000001", "INR", "true", "false", "",
    ],
    "holding_versions": [
        ID, ACCOUNT, "2026-10-05", *NAMED, "DELIVERY", "true", *["0.0000000000"] * 8, None, "why \u2028 so",
        "2026-10-04", AT,
    ],
    "position_versions": [
        ID, ACCOUNT, "2026-10-05", *NAMED, "FNO", "NRML", "false", "-500.0000000000", "0.0000000000", "0.00000000",
        "500.0000000000", "1400.10000000", "0.0000000000", "0.00000000", "0.0000000000", "0.00000000", "1400.10000000",
        "-12.500000", "1.0000000000", AT,
    ],
    "funds_versions": [ID, ACCOUNT, "2026-10-05", "5000000.250000", None, "-1.000000", None, "INR", "true", AT],
    "holding_changes": [
        ID, ACCOUNT, "2026-10-05", *NAMED, "DELIVERY", BATCH, "100.0000000000", "500.0000000000", "400.0000000000",
        "400.0000000000", "7",
    ],
    "change_explanations": [
        ID, ACCOUNT, None, None, *NAMED, "DELIVERY", "OPENING", "2026-10-01", "10.0000000000", None,
    ],
    "portfolio_snapshots": [
        ID, ACCOUNT, "2026-10-05", "1", "330000.000000", "-250.500000", "329749.500000", None, None, None,
        "3300.000000", "1.1000", "0.000000", "12", "3", "50", "7", "0", AT,
    ],
    "instrument_links": [
        ID, ACCOUNT, "SPLIT", *NAMED, BATCH, "INE467B01037", "TCS", "2026-10-19", "1", "5", "12.5000", "false",
    ],
    "acts": [ID, ACCOUNT, "question 3: split 1:5", "00" * 32, "ff" * 32],
    "dropped_bodies": [ID, ACCOUNT, INSTRUMENT],
    "prices": [ID, *NAMED, "2026-10-05", "GROWW", "3", "3000.00000000", AT, "true"],
}  # fmt: skip


def vectors() -> list[dict[str, object]]:
    made = []
    for name, fields in ROWS.items():
        row = fields if name == "sync_batches" else [*fields, *SEALED] if name != "raw_replies" else fields
        text = json.dumps([name, "1", *row], ensure_ascii=False, separators=(",", ":"))
        leaf = sha256(b"\x00" + text.encode()).hexdigest()
        made.append({"schema": name, "version": 1, "row": row, "canonical": text, "leaf": leaf})
    return made


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
