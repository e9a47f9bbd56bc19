"""The documentation is complete and leads nowhere that is not there: read from the source, not from a list."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import get_commands

from portfolio.triggers.base import Account, Credential, LoginRequired, Reply
from portfolio.triggers.registry import REGISTRY

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)
READERS = ("env", "env_bool", "env_int")
OF_A_BROKER = "broker_url"
NOT_OURS = {"DJANGO_SETTINGS_MODULE"}  # Django's own
ROW = re.compile(r"^\| `(<?[A-Z][A-Z0-9_<>]*)` \| ([^|]*) \|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def settings_page() -> dict[str, str]:
    """Each documented setting, and the default that the page states."""
    return dict(ROW.findall((ROOT / "docs/settings.md").read_text(encoding="utf-8")))


def calls() -> Iterator[ast.Call]:
    """Every call in the code that runs, the reader of settings itself left out."""
    for folder in ("ledger", "portfolio", "portfolio_project"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name != "environment.py":
                yield from (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def settings_read() -> dict[str, str | None]:
    """Each setting that the code reads, with the default that the page must state."""
    found: dict[str, str | None] = {}
    for call in (call for call in calls() if call.args):
        function, (first, *more) = ast.unparse(call.func), call.args
        reader = function.rpartition(".")[2]
        if (reader in READERS or function in ("os.environ.get", "os.getenv")) and isinstance(first, ast.Constant):
            found[str(first.value)] = stated(reader, more)
        if reader == OF_A_BROKER:
            kind = more[0] if more else ast.Constant("API")
            assert isinstance(kind, ast.Constant)
            found[f"<BROKER>_{kind.value!s}_URL"] = "empty"
    return {name: default for name, default in found.items() if name not in NOT_OURS}


def stated(reader: str, default: list[ast.expr]) -> str | None:
    """None where the default is worked out: the page says it in words."""
    if not default:
        return "off" if reader == "env_bool" else "empty"
    return f"`{default[0].value!s}`" if isinstance(default[0], ast.Constant) else None


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to."""
    titles = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def relative_links(page: Path) -> list[str]:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return [target for target in LINK.findall(text) if not re.match(r"[a-z]+:", target)]


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    return there.exists() and (not anchor or anchor in anchors(there))


def test_every_setting_is_documented_and_every_documented_setting_is_read() -> None:
    assert sorted(settings_page()) == sorted(settings_read())


def test_the_page_states_the_defaults_that_the_code_has() -> None:
    wanted = {name: default for name, default in settings_read().items() if default is not None}

    assert {name: default for name, default in settings_page().items() if name in wanted} == wanted


def test_decisions_are_numbered_one_after_the_other() -> None:
    names = sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md"))

    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


@pytest.fixture
def examples() -> Iterator[list[type[Any]]]:
    """The triggers in the page on adding a broker, as whoever copies them has them."""
    page = (ROOT / "docs/adding-a-broker.md").read_text(encoding="utf-8")
    before = dict(REGISTRY)
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(code, "docs/adding-a-broker.md", "exec"), {"__name__": "example"})
    yield [REGISTRY[code] for code in REGISTRY if code not in before]
    for code in REGISTRY.keys() - before.keys():
        del REGISTRY[code]


def test_the_examples_of_triggers_work(examples: list[type[Any]]) -> None:
    smallest, richer = examples
    asked = Reply("GET /holdings", 200, b'{"data": {"holdings": [{"symbol": "TCS", "quantity": 10.5}]}}', NOW)
    account = Account("", "", Credential({"api_key": "a key"}), NOW)

    ((holding,), set_aside) = richer.parse_holdings([asked])

    assert [row["symbol"] for row in smallest(account).fetch_holdings()] == ["TCS"]
    assert (holding.symbol, holding.owned, holding.average_price, set_aside) == ("TCS", Decimal("10.5"), None, [])
    with pytest.raises(LoginRequired):
        smallest(Account("", "", Credential({}), NOW)).fetch_holdings()


def test_every_broker_is_named_in_the_documentation() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages())

    ours = [code for code, trigger in REGISTRY.items() if trigger.__module__.startswith("portfolio.triggers.")]

    assert [code for code in sorted(ours) if f"`{code}`" not in text] == []


def test_the_pictures_of_the_tables_show_tables_and_columns_that_exist() -> None:
    page = (ROOT / "docs/how-it-works.md").read_text(encoding="utf-8")
    columns = {
        model._meta.db_table: {field.column for field in model._meta.concrete_fields}
        for model in apps.get_app_config("portfolio").get_models()
    }
    shown = re.findall(r"^  (\w+) \{\n(.*?)^  \}", page, re.MULTILINE | re.DOTALL)
    related = re.findall(r"^  (\w+) [|o}]{2}--[|o{]{2} (\w+) :", page, re.MULTILINE)

    assert (len(shown) > 5, len(related) > 20) == (True, True)
    assert {name for pair in related for name in pair} == set(columns) - {"calendar_days", "session_hours"}
    assert [(table, line.split()[1]) for table, body in shown for line in body.splitlines()
            if line.split()[1] not in columns[table]] == []  # fmt: skip


def test_every_table_and_model_is_in_the_glossary() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    tables = apps.get_app_config("portfolio").get_models()
    names = [name for model in tables for name in (model._meta.db_table, model.__name__)]

    assert [name for name in names if f"`{name}`" not in glossary] == []


def test_every_command_is_named_in_the_documentation() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages())
    ours = [name for name, app in get_commands().items() if app == "portfolio"]

    assert [name for name in sorted(ours) if not re.search(rf"manage\.py {name}\b", text)] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_leads_nowhere(page: Path) -> None:
    assert [target for target in relative_links(page) if not leads_somewhere(page, target)] == []
