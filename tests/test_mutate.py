"""The tool that changes the code in small ways: what it remembers of a run holds for the very same files alone."""

from pathlib import Path

from tests import mutate

TESTS = mutate.Tests({"tests/test_merkle.py::a": 2.0, "tests/test_x.py::b": 1.0}, {
    "tests/test_merkle.py::a": {"ledger/merkle.py:7"}, "tests/test_x.py::b": {"ledger/merkle.py:7", "ledger/page.py:3"},
})  # fmt: skip


def a_mutant(path: str, function: int) -> mutate.Mutant:
    return mutate.Mutant(path, function, function + 1, 0, 1, "<", "<=")


def test_what_was_learned_is_kept_whole_and_in_the_place_of_what_other_files_told(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "mutants"
    for name in ("one", "two"):
        mutate.keep(TESTS, folder / name)
    assert (mutate.kept_in(folder / "two"), [path.name for path in folder.iterdir()]) == (TESTS, ["two"])


def test_any_changed_new_or_renamed_file_and_other_tests_are_another_tree(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    seen = [mutate.digest(tmp_path, ["tests"]), mutate.digest(tmp_path, ["tests/ledger"])]
    (tmp_path / "a.py").write_text("2")
    seen.append(mutate.digest(tmp_path, ["tests"]))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    seen.append(mutate.digest(tmp_path, ["tests"]))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.py").write_text("1")
    seen.append(mutate.digest(tmp_path, ["tests"]))
    assert (len(set(seen)), mutate.digest(tmp_path, ["tests"])) == (5, seen[-1])


def test_the_tests_that_enter_the_function_run_the_ones_named_like_the_module_first() -> None:
    found = [TESTS.of(a_mutant("ledger/merkle.py", 7), seconds) for seconds in (100, 2.5)]
    assert found == [["tests/test_merkle.py::a", "tests/test_x.py::b"], ["tests/test_merkle.py::a"]]
    assert TESTS.of(a_mutant("ledger/page.py", 3), 100) == ["tests/test_x.py::b"]
