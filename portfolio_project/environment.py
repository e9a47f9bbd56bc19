"""Reads settings from the environment and from `.env`; `NAME_FILE` names a file that holds a secret."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

SQLITE_OPTIONS = {
    # IMMEDIATE, because a read that turns into a write fails at once under WAL; FULL, because NORMAL may
    # lose the last commits when the power goes.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON; PRAGMA trusted_schema=OFF;"
    ),
}


def load_dotenv(path: Path) -> None:
    """Lines of NAME=value become environment variables, unless the environment has them already."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip().strip("'\""))


def env(name: str, default: str = "") -> str:
    """The setting `name`, or the content of the file that `NAME_FILE` names."""
    if file := os.environ.get(f"{name}_FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def env_bool(name: str, default: bool = False) -> bool:
    value = env(name).lower()
    return default if not value else value in ("1", "true", "yes", "on")


def env_int(name: str, default: int) -> int:
    value = env(name)
    if not value:
        return default
    if not value.isdigit():
        raise SystemExit(f"{name} must be a whole number, not {value!r}")
    return int(value)


def database(url: str) -> dict[str, Any]:
    """Django's settings for `sqlite:///path` or `postgresql://user:password@host:port/name`."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": unquote(parts.path[1:]), "OPTIONS": SQLITE_OPTIONS}
    if parts.scheme in ("postgres", "postgresql"):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path[1:]),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": None,
            # Arrays of thousands of ids travel as parameters; pasted into the statement they cost more than the query.
            "OPTIONS": {"server_side_binding": True},
        }
    raise SystemExit(f"DATABASE_URL must begin with sqlite:/// or postgresql://, not {url.split(':', 1)[0]!r}")
