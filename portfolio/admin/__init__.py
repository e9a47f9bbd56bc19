"""The admin for operators: every table, history to be read only, secrets nowhere.

`reading` is what read-only tables share; the others register, by what a person looks for.
"""

from . import accounts, batches, book, others, schedule  # noqa: F401
