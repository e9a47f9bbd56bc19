"""Changes the code in small ways and sees whether a test notices: `python -m tests.mutate --sample 100 --seed 1`.

Each mutant is one changed comparison, sign, constant, condition or result, in a copy of the tree. There run the tests
that enter the changed function, as a run without a mutant has told (tests/entered.py), until one fails: first a few,
those named like the module and then the quickest; then the others, as far as `--seconds` go. Prints seed, counts and
every survivor with its place; exits 1 below 80 % killed.

The run without a mutant takes longest. What it told is kept in var/mutants/ and holds as long as no file changes, so
that a second seed begins at once.
"""

import argparse
import ast
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from tests import databases, entered

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "var" / "mutants"
NO_SOURCE = (".git", ".venv*", "var", "__pycache__", ".*_cache", ".hypothesis", "mutants")
FOLDERS = ("ledger", "portfolio/sync")
GOAL_PERCENT = 80
PATIENCE = 10  # a run that takes so many times as long as its tests did without a mutant hangs
STARTING_SECONDS = 30  # of one run, at most, on a busy machine
FIRST = 40  # tests: nearly all mutants die there
WITHOUT = ("tests/faults", "tests/simulators")  # campaigns, and what knows nothing of the book
POSTGRES = [
    "--database=postgresql", "tests/sync/test_first_sync.py", "tests/sync/test_awkward_text.py",
    "tests/sync/test_bridge.py",
]  # fmt: skip
POSTGRES_FILES = ("portfolio/sync/bulk.py",)  # what SQLite alone runs only half of
STARTED = {"ledger/__main__.py": ["tests/proof/test_leaving.py"]}  # in a process of its own: no test is seen in it

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


class Mutant(NamedTuple):
    """`old` at this place of the file becomes `new`."""

    path: str
    function: int  # its first line; 0: outside all functions
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
            name, line = str(path.relative_to(ROOT)), node.lineno  # type: ignore[attr-defined]
            found[start, end, new] = Mutant(name, _function(tree, line), line, start, end, old, new)
    return list(found.values())


def _function(tree: ast.AST, line: int) -> int:
    """The first line of the innermost function that has this one, decorators included; 0: none has."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    firsts = [(min([one.lineno, *(each.lineno for each in one.decorator_list)]), one.end_lineno) for one in functions]
    return max((first for first, last in firsts if first <= line <= (last or 0)), default=0)


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


class Tests(NamedTuple):
    """What a run without a mutant told: what each test, or each file's preparation, took and entered."""

    seconds: dict[str, float]
    functions: dict[str, set[str]]

    def of(self, mutant: Mutant, seconds: float) -> list[str]:
        """The tests to run, nearest first, as long as they take no more than so many seconds; at least one."""
        module, file = Path(mutant.path).stem, f"{mutant.path}:"

        def place(test: str) -> tuple[bool, float]:
            named = Path(test.partition("::")[0]).stem.removeprefix("test_").split("_")
            return module not in named, self.seconds[test]

        found = [test for test, entered in self.functions.items() if f"{file}{mutant.function}" in entered]
        if not found:  # it runs when its module is imported, or in a process of its own
            found = [test for test, entered in self.functions.items() if any(one.startswith(file) for one in entered)]
        if not found:
            return STARTED.get(mutant.path, [])
        chosen: list[str] = []
        spent = 0.0
        for test in sorted(found, key=place):
            spent += self.seconds[test]
            if chosen and spent > seconds:
                break
            chosen.append(test)
        return chosen


def learned(told: Path) -> Tests:
    tests = Tests({}, {})
    for file in told.glob("*.json"):
        for test, entry in json.loads(file.read_text()).items():
            tests.seconds[test] = tests.seconds.get(test, 0) + entry["seconds"]
            tests.functions.setdefault(test, set()).update(entry["functions"])
    return tests


def keep(tests: Tests, file: Path) -> None:
    """In the place of what other files told."""
    shutil.rmtree(file.parent, ignore_errors=True)
    file.parent.mkdir(parents=True)
    functions = {test: sorted(entered) for test, entered in tests.functions.items()}
    file.write_text(json.dumps({"seconds": tests.seconds, "functions": functions}))


def kept_in(file: Path) -> Tests:
    told = json.loads(file.read_text())
    return Tests(told["seconds"], {test: set(entered) for test, entered in told["functions"].items()})


def digest(tree: Path, tests: list[str]) -> str:
    """Of every file of a tree, and of which tests are run."""
    found = sha256(repr(tests).encode())
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        found.update(repr((str(path.relative_to(tree)), sha256(path.read_bytes()).hexdigest())).encode())
    return found.hexdigest()[:16]


class Copies:
    """Copies of the tree to work in, one a job."""

    def __init__(self, folder: Path, jobs: int, seconds: float) -> None:
        self.folder, self.jobs, self.seconds = folder, jobs, seconds
        self._times = itertools.count(1)
        self._free: Queue[Path] = Queue()
        for number in range(jobs):
            copy = folder / str(number)
            shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NO_SOURCE))
            self._free.put(copy)

    def pass_unchanged(self, tests: list[str]) -> bool:
        """Also learns which tests enter what, unless these very files have told it before; says what fails."""
        kept = KEPT / f"{digest(self._free.queue[0], tests)}.json"
        if not kept.exists():
            if (found := self._pass(tests)) is None:
                return False
            keep(found, kept)
        self.tests = kept_in(kept)
        return True

    def _pass(self, tests: list[str]) -> Tests | None:
        told = self.folder / "entered"
        told.mkdir()
        copy, workers = self._free.queue[0], [f"-n{self.jobs}", "-p", "tests.entered"]
        whole = run(copy, [*tests, *workers], None, told)
        postgres = run(copy, POSTGRES, None)
        for failed in (one for one in (whole, postgres) if one.returncode):
            print(failed.stdout.decode()[-3000:], flush=True)
        return None if whole.returncode or postgres.returncode else learned(told)

    def is_killed(self, mutant: Mutant) -> bool:
        copy = self._free.get()
        target = copy / mutant.path
        source = target.read_bytes()
        tests = self.tests.of(mutant, self.seconds)
        runs = [tests[:FIRST], tests[FIRST:], POSTGRES if mutant.path in POSTGRES_FILES else []]
        try:
            self._write(target, source[: mutant.start] + mutant.new.encode() + source[mutant.end :])
            return any(fails(copy, some, self._patience(some)) for some in runs if some)
        finally:
            self._write(target, source)
            self._free.put(copy)

    def _write(self, target: Path, source: bytes) -> None:
        """At a time of its own: bytecode is known by second and size, and a mutant may have both of the original."""
        target.write_bytes(source)
        moment = next(self._times)
        os.utime(target, (moment, moment))

    def _patience(self, tests: list[str]) -> float:
        return STARTING_SECONDS + PATIENCE * sum(self.tests.seconds.get(test, STARTING_SECONDS) for test in tests)


def fails(copy: Path, tests: list[str], timeout: float) -> bool:
    """A run that hangs has noticed as well; twice, since the machine may only have slept."""
    for _ in range(2):
        try:
            return run(copy, ["-x", *tests], timeout).returncode != 0
        except subprocess.TimeoutExpired:
            continue
    return True


def run(
    copy: Path, arguments: list[str], timeout: float | None, told: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Bytecode is kept, beside the copies: compiling all of it takes as long as the rest of a start."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(copy.parent / "bytecode")}
    environment = {**os.environ, **bytecode, entered.FOLDER: str(told)}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=timeout, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="how many mutants; 0: all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=120, help="how long the tests of one mutant may take")
    parser.add_argument("--only", default="", help="files whose path has this text")
    near = "of ledger/ alone, by tests/ledger alone: quick, and what survives may be noticed elsewhere"
    parser.add_argument("--near", action="store_true", help=near)
    arguments = parser.parse_args()
    paths = [path for folder in FOLDERS[: 1 if arguments.near else 2] for path in sorted((ROOT / folder).glob("*.py"))]
    every = [mutant for path in paths if arguments.only in str(path) for mutant in mutants(path)]
    chosen = random.Random(arguments.seed).sample(every, min(arguments.sample or len(every), len(every)))
    print(f"{len(every)} mutants; {len(chosen)} tried, seed {arguments.seed}", flush=True)
    tests = ["tests/ledger"] if arguments.near else ["tests", *(f"--ignore={folder}" for folder in WITHOUT)]
    with databases.templates(), tempfile.TemporaryDirectory(prefix="khata-mutants-") as folder:
        copies = Copies(Path(folder), arguments.jobs, arguments.seconds)
        if not copies.pass_unchanged(tests):
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
