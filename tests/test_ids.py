"""Ids of rows: none is given twice, by whatever thread or process."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from portfolio.ids import AT_ONCE, new_id, new_ids


def test_ids_are_of_version_7_and_name_their_millisecond_first() -> None:
    made = [UUID(each) for each in (*new_ids(3), new_id())]

    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}
    assert [each.time_low for each in made] == sorted(each.time_low for each in made)
    assert [str(each) for each in made] == [str(each).lower() for each in made]


def test_many_threads_give_no_id_twice() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [each for part in threads.map(new_ids, [1, 7, 64, AT_ONCE, 3 * AT_ONCE] * 40) for each in part]

    assert len({each[-12:] for each in made}) == len(made) == 40 * (1 + 7 + 64 + 4 * AT_ONCE)


def test_a_process_that_was_forked_gives_no_id_of_its_parent() -> None:
    """What the parent had drawn of randomness and not used yet, it uses itself."""
    new_id()
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, "".join(each[-12:] for each in new_ids(8)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    text = os.read(read, 8 * 12).decode()
    os.close(read)
    os.close(write)

    theirs = {text[i : i + 12] for i in range(0, len(text), 12)}
    assert len(theirs) == 8
    assert theirs & {each[-12:] for each in new_ids(AT_ONCE)} == set()
