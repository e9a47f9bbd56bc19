#!/usr/bin/env python
"""Django's entry point. A database, a clock or a configuration that cannot be used ends every command in words, with
exit code 2."""

import os
import select
import sys
from typing import NoReturn

from django.core.management import execute_from_command_line
from django.core.management.base import SystemCheckError
from django.db.utils import Error

from portfolio.clock import ClockError

STOPPED, UNREAD = 130, 141  # what shells say of a program that Ctrl-C ended, or whose reader went away


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_project.settings")
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:
        if not nobody_reads():
            raise
        sys.exit(UNREAD)
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
