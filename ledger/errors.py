"""What the arithmetic of the book refuses to work with."""


class LedgerError(Exception):
    """The base of every error that `ledger` raises on purpose."""


class BadValue(LedgerError):
    """A value that cannot stand in the book; the message says why, in words for a person."""


class BadStatement(LedgerError):
    """A statement that contradicts itself."""


class BadAnswer(LedgerError):
    """An answer to an open question that cannot be understood or does not add up; the message says why."""


class BrokenChain(LedgerError):
    """A page that does not follow the page before it."""


class BadCheckpoint(LedgerError):
    """A key or a checkpoint that is not in the form it must have; the message names the line."""


class BadExport(LedgerError):
    """A file that is no export and no proof, or cannot be read as one; the message names the line."""


def why_unread(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, in words for a person."""
    match error:
        case UnicodeDecodeError():
            return "this is no text in UTF-8"
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "this is a folder, and a file is wanted"
        case PermissionError():
            return "this user may not read it"
    return str(error.strerror or error)
