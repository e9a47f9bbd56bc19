"""The lines that leave the house: whatever stands in one, it is read or told, and each value has one form."""

import json
from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest

from ledger import canonical, lines, verify
from ledger.errors import BadExport
from ledger.page import PAGE

ROOT = b64encode(bytes(32)).decode()
NOTE = f"khata/x\n1\n{ROOT}\n\n— khata/x AAAAAAAAAA==\n"
BEGINNING = [["checkpoint", NOTE], ["consistent", "1", ""], ["place", "1", ""]]
A_PAGE = json.loads(canonical.encode(PAGE, ["h", "1", "0", *["00" * 32] * 3]))
AN_ORDER = [canonical.ORDER.name, "1", *["x"] * len(canonical.ORDER.fields)]
AN_EXPORT = [
    ["khata-export", "1", "khata/x", "account"], *BEGINNING,
    A_PAGE, ["sync_batches", "1", "x"], ["leaves", ""], ["end", "1", "0"],
]  # fmt: skip
A_PROOF = [["khata-proof", "1", "khata/x"], *BEGINNING, ["in page", "0", ""], A_PAGE, AN_ORDER, ["end", "1", "1"]]


def is_told(content: list[Any]) -> bool:
    text = "".join(json.dumps(line, separators=(",", ":")).replace("\\u2014", "—") + "\n" for line in content)
    try:
        return bool(verify.check(BytesIO(text.encode())).findings)
    except BadExport:
        return True


@pytest.mark.parametrize("content", [AN_EXPORT, A_PROOF], ids=["an export", "a proof"])
@pytest.mark.parametrize("instead", [[None], [1], [[]], [{}], ["\ud800"], []], ids=repr)
def test_a_word_that_is_no_text_or_is_not_there_is_told(content: list[list[str]], instead: list[Any]) -> None:
    untold = []
    for at, line in enumerate(content):
        for place in range(len(line)):
            changed = [*line[:place], *instead, *line[place + 1 :]]
            if not is_told([*content[:at], changed, *content[at + 1 :]]):
                untold.append(changed)
    assert untold == []


@pytest.mark.parametrize("text", ["AAA", "QUJD", f"{ROOT[:-2]}B=", f" {ROOT}"])
def test_a_path_in_another_form_than_its_own_is_none(text: str) -> None:
    assert lines.path_text(lines.path_of(ROOT)) == ROOT
    with pytest.raises(ValueError, match=r"padding|form|base64"):
        lines.path_of(text)


def test_a_page_of_one_accounts_export_is_not_taken_out_of_the_tree_by_a_changed_byte() -> None:
    said = [finding.says for finding in verify.check(BytesIO(_export_at("0"))).findings]
    assert said.count("the page is not at this position of the tree that was signed") == 1


def _export_at(position: str) -> bytes:
    content = [["place", position, ""] if line[0] == "place" else line for line in AN_EXPORT]
    return "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in content).encode()
