"""Who may import whom, who may ask for the time, and that money is never a float: read from the source itself."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_FOR_TRIGGERS = (
    "portfolio.models",
    "portfolio.sync",
    "portfolio.tasks",
    "portfolio.admin",
    "portfolio.clock",
    "portfolio.keys",
    "portfolio.evidence_keys",
    "portfolio_project",
    "django",
    "celery",
)
TELLS_THE_TIME = {"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp", "localtime", "localdate"}
DATED_BY_DJANGO = {"auto_now", "auto_now_add"}
FLOAT_MAKERS = {"float", "FloatField"}
OF_THE_SYSTEM = {"datetime", "date", "timezone", "dt"}
# Seconds to wait and the like: no money, no quantity, no ratio of them.
MAY_CALL_FLOAT = {"portfolio/triggers/client.py"}


def sources(*folders: str) -> list[Path]:
    """The files that people write; Django writes the migrations."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if path.parent.name != "migrations")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def imported(path: Path) -> set[str]:
    """The dotted names that this file imports, relative ones written out."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            base = ".".join([*package, *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def asks_the_time(node: ast.AST) -> bool:
    """`datetime.now`, called or handed on, such as a model's default; or a field that Django dates."""
    if isinstance(node, ast.keyword):
        return node.arg in DATED_BY_DJANGO
    if not isinstance(node, ast.Attribute) or node.attr not in TELLS_THE_TIME:
        return False
    return ast.unparse(node.value).rpartition(".")[2] in OF_THE_SYSTEM


def makes_a_float(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in FLOAT_MAKERS


def is_a_float(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def where(test: Callable[[ast.AST], bool], *folders: str) -> list[str]:
    """File and line of each node for which `test` holds."""
    return [
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        for path in sources(*folders)
        for node in nodes(path)
        if test(node)
    ]


def test_the_ledger_imports_the_standard_library_and_itself() -> None:
    allowed = {*sys.stdlib_module_names, "ledger"}

    foreign = [(name_of(path), name) for path in sources("ledger") for name in imported(path)]

    assert [(path, name) for path, name in foreign if name.partition(".")[0] not in allowed] == []


def test_the_ledger_reads_no_environment_and_opens_no_socket() -> None:
    touching = ("socket", "http", "urllib", "subprocess", "asyncio", "sqlite3")

    found = [(name_of(path), name) for path in sources("ledger") for name in imported(path)]

    assert [(path, name) for path, name in found if name.partition(".")[0] in touching] == []


def test_triggers_know_no_models_no_settings_and_no_clock() -> None:
    found = [(name_of(path), name) for path in sources("portfolio/triggers") for name in imported(path)]

    assert [(p, name) for p, name in found if any(is_within(name, each) for each in NOT_FOR_TRIGGERS)] == []


def test_nothing_but_the_clock_asks_what_time_it_is() -> None:
    found = where(asks_the_time, "ledger", "portfolio", "portfolio_project")

    assert [place.partition(":")[0] for place in found] == ["portfolio/clock.py"]


def test_money_is_never_a_float() -> None:
    found = where(makes_a_float, "ledger", "portfolio")

    assert [place for place in found if place.partition(":")[0] not in MAY_CALL_FLOAT] == []
    assert where(is_a_float, "ledger") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("datetime.now(UTC)", True),
        ("DateTimeField(default=timezone.now)", True),
        ("datetime.datetime.utcnow()", True),
        ("date.today()", True),
        ("timezone.now()", True),
        ("datetime.fromtimestamp(0)", True),
        ("DateTimeField(auto_now=True)", True),
        ("DateTimeField(auto_now_add=True)", True),
        ("clock.now()", False),
        ("clock.today()", False),
        ("datetime.fromisoformat(x)", False),
        ("Now()", False),
    ],
)
def test_the_question_for_the_time_is_recognised(line: str, expected: bool) -> None:
    assert any(asks_the_time(node) for node in ast.walk(ast.parse(line))) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [("float(x)", True), ("models.FloatField()", True), ("Decimal(x)", False), ("x: float", False)],
)
def test_the_making_of_a_float_is_recognised(line: str, expected: bool) -> None:
    assert any(makes_a_float(node) for node in ast.walk(ast.parse(line))) is expected


def test_relative_imports_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "portfolio" / "triggers" / "broker.py"
    path.parent.mkdir(parents=True)
    path.write_text("import json\nfrom . import base\nfrom .. import models\nfrom ..models.fields import money_field\n")

    assert imported(path) == {
        "json",
        "portfolio.triggers.base",
        "portfolio.models",
        "portfolio.models.fields.money_field",
    }
