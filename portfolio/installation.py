"""What belongs to the installation as a whole: its id and its keys."""

from functools import cache

from .keys import KeyRing, key_directory
from .models import AccountHead


def installation_head() -> AccountHead:
    """The head without an account: the chain of what all accounts share."""
    return AccountHead.objects.get(account=None)


@cache
def key_ring() -> KeyRing:
    """The keys of this installation. They live outside the database's folder, see docs/settings.md."""
    return KeyRing(key_directory(str(installation_head().pk)))
