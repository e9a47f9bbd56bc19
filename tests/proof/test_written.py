"""Where an export or a proof is written to: a file of its own, and nothing else is put aside for it."""

import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.proof.test_leaving import a_signed_book, an_order, exported, run_alone

pytestmark = pytest.mark.database


def refused(*command: str) -> str:
    with pytest.raises(CommandError) as error:
        call_command(*command, stdout=StringIO())
    assert error.value.returncode == 2
    return str(error.value)


@pytest.mark.parametrize("name", ["", ".", "/", "pipe", "folder"])
def test_what_is_no_file_is_not_put_aside(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_signed_book()
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()

    says = f"{Path(name)} cannot be written: the name of a file is wanted"
    assert (refused("export_ledger", name), refused("prove", an_order().groww_order_id, name)) == (says, says)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
    assert Path("pipe").is_fifo()


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    a_signed_book()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for _ in range(2):
        call_command("export_ledger", str(tmp_path / "link"), stdout=StringIO())
        assert (tmp_path / "link").readlink() == tmp_path / "file"
        assert (tmp_path / "file").read_bytes() == exported()


def test_a_key_whose_name_is_empty_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "book").write_bytes(exported())

    ran = run_alone(tmp_path, tmp_path / "book", "--key", "")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "a folder, and a file is wanted" in ran.stderr
