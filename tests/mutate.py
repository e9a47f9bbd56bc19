"""Changes the code in small ways and sees whether a test notices. `python -m tests.mutate --sample 100 --seed 1`.

Each mutant is one changed comparison, sign, constant, condition or result, in a copy of the tree; the tests run
there until the first that fails: those that name the changed module first, the slow ones last. Prints seed, counts
and every survivor with its place; exits 1 below 80 % killed.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from tests import databases

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("ledger", "portfolio/sync")
GOAL_PERCENT = 80
PATIENCE = 4  # a run that takes so many times as long as one without a mutant hangs
SLOW = ("test_faults.py", "test_month.py")
POSTGRES = [
    "--database=postgresql", "tests/sync/test_first_sync.py", "tests/sync/test_awkward_text.py",
    "tests/sync/test_bridge.py",
]  # fmt: skip
POSTGRES_FILES = ("portfolio/sync/bulk.py",)  # what SQLite alone runs only half of

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


class Mutant(NamedTuple):
    """`old` at this place of the file becomes `new`."""

    path: str
    line: int
    start: int  # bytes from the beginning of the file
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}  {' '.join(self.old.split())}  ->  {' '.join(self.new.split())}"


def mutants(path: Path) -> list[Mutant]:
    source = path.read_bytes()
    tree = ast.parse(source)
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    found = {}
    for node in _code(tree):
        for changed in _changes(node):
            start = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            old, new = source[start:end].decode(), ast.unparse(changed)
            new = new if isinstance(node, ast.Return) else f"({new})"
            name = str(path.relative_to(ROOT))
            found[start, end, new] = Mutant(name, node.lineno, start, end, old, new)  # type: ignore[attr-defined]
    return list(found.values())


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """What runs: no annotations, no texts (f-strings among them), no imports, no defaults of types."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr | ast.ImportFrom):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield ast.Compare(node.left, [SWAPPED[type(node.ops[0])](), *node.ops[1:]], node.comparators)  # type: ignore[list-item]
    elif isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        yield ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)  # type: ignore[arg-type]
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(SWAPPED[type(node.op)](), node.values)  # type: ignore[arg-type]
        yield ast.BoolOp(node.op, node.values[1:]) if len(node.values) > 2 else node.values[0]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Return) and node.value and not isinstance(node.value, ast.Constant):
        yield ast.Return(ast.Constant(None))


class Copies:
    """Copies of the tree to work in, one a job."""

    def __init__(self, folder: Path, jobs: int, is_near: bool) -> None:
        self.is_near = is_near
        self._free: Queue[Path] = Queue()
        self.timeout: float | None = None  # seconds
        for number in range(jobs):
            copy = folder / str(number)
            ignored = shutil.ignore_patterns(".git", ".venv*", "var", "__pycache__", ".*_cache", ".hypothesis")
            shutil.copytree(ROOT, copy, ignore=ignored)
            self._free.put(copy)

    def pass_unchanged(self) -> bool:
        """Also tells how long the longest run may take, and leaves the migrated databases for the others."""
        copy, started = self._free.queue[0], time.monotonic()
        runs = [["tests/ledger"]] if self.is_near else [_of_sync(), ["tests/ledger"], POSTGRES]
        failed = [tests for tests in runs if fails(copy, tests, None)]
        self.timeout = PATIENCE * (time.monotonic() - started)
        print("".join(f"fails without a mutant: {' '.join(tests)}\n" for tests in failed), end="", flush=True)
        return not failed

    def is_killed(self, mutant: Mutant) -> bool:
        copy = self._free.get()
        target = copy / mutant.path
        source = target.read_bytes()
        try:
            target.write_bytes(source[: mutant.start] + mutant.new.encode() + source[mutant.end :])
            return any(fails(copy, tests, self.timeout) for tests in tests_of(mutant.path, self.is_near))
        finally:
            target.write_bytes(source)
            self._free.put(copy)


def tests_of(path: str, is_near: bool = False) -> list[list[str]]:
    """Each list is one run; in it, what names the changed module comes first: nearly all mutants die there."""
    module = Path(path).stem
    sync = _of_sync(module)
    if path.startswith("ledger/"):
        return [_files("tests/ledger", module) + ([] if is_near else sync)]
    return [sync, POSTGRES] if path in POSTGRES_FILES else [sync]


def _of_sync(module: str = "") -> list[str]:
    return _files("tests/sync", module)


def _files(folder: str, module: str) -> list[str]:
    named = re.compile(rf"\b{module or '-'}\b")

    def place(file: Path) -> tuple[bool, bool, bool, str]:
        is_its_own = module in file.stem.removeprefix("test_").split("_")
        return file.name in SLOW, not is_its_own, named.search(file.read_text()) is None, file.name

    return [str(file.relative_to(ROOT)) for file in sorted((ROOT / folder).glob("test_*.py"), key=place)]


def fails(copy: Path, tests: list[str], timeout: float | None) -> bool:
    """A run that hangs has noticed as well. Own bytecode is not kept: a mutant may have the size of the original."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="how many mutants; 0: all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="files whose path has this text")
    near = "of ledger/ alone, by tests/ledger alone: quick, and what survives may be noticed elsewhere"
    parser.add_argument("--near", action="store_true", help=near)
    arguments = parser.parse_args()
    paths = [path for folder in FOLDERS[: 1 if arguments.near else 2] for path in sorted((ROOT / folder).glob("*.py"))]
    every = [mutant for path in paths if arguments.only in str(path) for mutant in mutants(path)]
    chosen = random.Random(arguments.seed).sample(every, min(arguments.sample or len(every), len(every)))
    print(f"{len(every)} mutants; {len(chosen)} tried, seed {arguments.seed}", flush=True)
    with databases.templates(), tempfile.TemporaryDirectory(prefix="khata-mutants-") as folder:
        copies = Copies(Path(folder), arguments.jobs, arguments.near)
        if not copies.pass_unchanged():
            print("the tests fail without a mutant: nothing can be told")
            return 2
        return _report(copies, sorted(chosen), arguments.jobs)


def _report(copies: Copies, chosen: list[Mutant], jobs: int) -> int:
    alive = []
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, is_killed in zip(chosen, pool.map(copies.is_killed, chosen), strict=True):
            if not is_killed:
                alive.append(mutant)
                print(f"survived: {mutant}", flush=True)
    percent = 100 * (len(chosen) - len(alive)) / max(len(chosen), 1)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} killed, {percent:.1f} %")
    return 0 if percent >= GOAL_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
