#!/usr/bin/env python
"""Django's entry point. A database that cannot be used ends every command in words, with exit code 2."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db.utils import Error


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_project.settings")
    try:
        execute_from_command_line(sys.argv)
    except Error as error:
        from portfolio.outage import in_words

        message = in_words(error)
        if message is None or "--traceback" in sys.argv:
            raise
        print(message, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
