#!/usr/bin/env python
"""Django's entry point. What a command refuses is said in its own words, without the names of Python classes. A
database, a clock or a configuration that cannot be used ends every command so, with exit code 2."""

import os
import select
import sys
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from typing import Any, NoReturn

from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db.utils import Error

from portfolio.clock import ClockError

STOPPED, UNREAD = 130, 141  # what shells say of a program that Ctrl-C ended, or whose reader went away


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_project.settings")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without some letter still shows the others
    try:
        Commands(sys.argv).execute()
        sys.stdout.flush()
    except BrokenPipeError:
        if not nobody_reads():
            raise
        sys.exit(UNREAD)
    except Refused as refused:
        end(str(refused), refused.code)
    except SystemExit as ended:
        if isinstance(ended.__context__, SystemCheckError):  # Django has said it, and would end with 1
            sys.exit(2)
        raise
    except KeyboardInterrupt:
        end("stopped; what was recorded stays", STOPPED)
    except ClockError as error:
        end(str(error), 2)
    except Error as error:
        from portfolio.outage import in_words

        message = in_words(error)
        if message is None or "--traceback" in sys.argv:
            raise
        end(message, 2)


class Refused(Exception):
    """What a command refuses. Django itself would print it behind the name of its class."""

    def __init__(self, error: CommandError) -> None:
        super().__init__(str(error))
        self.code = error.returncode


class Commands(ManagementUtility):
    """All commands, Django's own too."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        command.execute = partial(refusing, command.execute)  # type: ignore[method-assign]
        return command


def refusing(execute: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        return execute(*arguments, **options)
    except SystemCheckError:  # Django prints it as it is
        raise
    except CommandError as error:
        if options.get("traceback"):
            raise
        raise Refused(error) from error


def nobody_reads() -> bool:
    """Whether what is printed goes nowhere any more, as with `| head`. The rest is dropped then, without an error."""
    output = select.poll()
    output.register(sys.stdout, 0)
    if not output.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def end(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
