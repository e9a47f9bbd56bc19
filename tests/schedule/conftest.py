"""What the tests of the schedule share: the scripted broker and the clock, as in the tests of the sync."""

from tests.sync.conftest import at as at
from tests.sync.conftest import broker as broker
