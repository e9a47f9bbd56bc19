"""Reads settings from the environment and from `.env`; `NAME_FILE` names a file that holds a secret.

What cannot be read ends the process in words: nothing is there yet that could show an error.
"""

import fcntl
import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SQLITE_OPTIONS = {
    # IMMEDIATE, because a read that turns into a write fails at once under WAL; FULL, because NORMAL may
    # lose the last commits when the power goes.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON; PRAGMA trusted_schema=OFF;"
    ),
}
# PostgreSQL thinks of spinning disks: beside a small table it would rather read all of a large one than use its index,
# and keeps such a plan for every foreign key that it checks.
POSTGRESQL_SETTINGS = "-c random_page_cost=1.1"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class WithoutTrace(logging.Formatter):
    """For what strangers cause, such as a request under a name that is not ours: the message says it all."""

    def formatException(self, ei: object) -> str:
        return ""


def refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)


def load_dotenv(path: Path) -> None:
    """Lines of NAME=value become environment variables, unless the environment has them already."""
    if not path.exists():
        return
    for line in _content(path, f"{path} is there, but").splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip().strip("'\""))


def env(name: str, default: str = "") -> str:
    """The setting `name`, or the content of the file that `NAME_FILE` names."""
    if file := os.environ.get(f"{name}_FILE"):
        return _content(Path(file), f"{name}_FILE is {file}, which").strip()
    return os.environ.get(name, default)


def _content(path: Path, whose: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{whose} cannot be read: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}")


def env_bool(name: str, default: bool = False) -> bool:
    value = env(name).lower()
    return default if not value else value in ("1", "true", "yes", "on")


def env_int(name: str, default: int) -> int:
    value = env(name)
    if not value:
        return default
    if not value.isdigit() or int(value) == 0:
        refuse(f"{name} must be a whole number, 1 or more, not {value!r}")
    return int(value)


def log_level(value: str) -> str:
    if value.upper() not in LOG_LEVELS:
        refuse(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {value!r}")
    return value.upper()


def own_folder(path: Path) -> Path:
    """The folder of what Khata writes for itself, made when it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "static").mkdir(exist_ok=True)  # stays empty; without it whitenoise warns at every start
    except OSError as error:
        refuse(
            f"The folder {path} cannot be made or written ({error.strerror}). Set KHATA_VAR to a folder that this user "
            "may write."
        )
    return path


def kept_key(path: Path) -> str:
    """A random key, made on first use, so that nobody runs with one that others know. It encrypts no credential."""
    try:
        if not path.exists():
            _make_key(path)
    except OSError as error:
        refuse(f"{path} cannot be written ({error.strerror}). Set KHATA_VAR to a folder that this user may write.")
    key = _content(path, f"{path} is there, but")
    return key or refuse(f"{path} is empty. Remove it: a new one is made, and everybody logs in again.")


def _make_key(path: Path) -> None:
    """One process makes it and the others wait; the file appears with its content or not at all."""
    folder, draft = os.open(path.parent, os.O_RDONLY), path.with_name(f".{path.name}.draft")
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not path.exists():
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
            draft.rename(path)
    finally:
        os.close(folder)


def database(url: str) -> dict[str, Any]:
    """Django's settings for `sqlite:///path` or `postgresql://user:password@host:port/name?option=value`."""
    try:
        parts = urlsplit(url)
        port = str(parts.port or "")
    except ValueError:  # whose text may hold the password
        refuse("DATABASE_URL cannot be read: write its port as a number, and percent-encode user and password")
    if parts.scheme not in ("sqlite", "postgres", "postgresql"):
        refuse(f"DATABASE_URL must begin with sqlite:/// or postgresql://, not {url.split(':', 1)[0]!r}")
    if not parts.path[1:]:
        refuse("DATABASE_URL names no database: sqlite:///path/to/file or postgresql://user:password@host:port/name")
    return _sqlite(parts) if parts.scheme == "sqlite" else _postgresql(parts, port)


def _sqlite(parts: SplitResult) -> dict[str, Any]:
    return {"ENGINE": "portfolio.sqlite3", "NAME": unquote(parts.path[1:]), "OPTIONS": SQLITE_OPTIONS}


def _postgresql(parts: SplitResult, port: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": port,
        "CONN_MAX_AGE": None,
        # Arrays of thousands of ids travel as parameters; pasted into the statement they cost more than the query.
        "OPTIONS": {
            "options": POSTGRESQL_SETTINGS,
            **dict(parse_qsl(parts.query, keep_blank_values=True)),
            "server_side_binding": True,
        },
    }
