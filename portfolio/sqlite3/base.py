"""Django's SQLite, but for how a transaction waits for the one writer: see decision 0028."""

import time
from sqlite3 import SQLITE_BUSY
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

LOOK_AGAIN_SECONDS = 0.001


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite itself sleeps longer and longer, up to 100 ms, between two looks whether the writer has ended."""

    def _start_transaction_under_autocommit(self) -> None:
        seconds = self.settings_dict["OPTIONS"].get("timeout", 5)
        until = time.monotonic() + seconds
        self._wait_in_statements(0)
        try:
            while not self._has_begun(is_last_try=time.monotonic() >= until):
                time.sleep(LOOK_AGAIN_SECONDS)
        finally:
            self._wait_in_statements(seconds)

    def _has_begun(self, is_last_try: bool) -> bool:
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except OperationalError as error:
            if is_last_try or not _is_busy(error.__cause__):
                raise
            return False
        return True

    def _wait_in_statements(self, seconds: float) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")


def _is_busy(error: Any) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == SQLITE_BUSY
