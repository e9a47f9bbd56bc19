"""What a verification says in the end."""

from collections import Counter
from dataclasses import dataclass, field

from ledger.findings import Finding


@dataclass
class Verified:
    """What was looked at, and what was found."""

    rows: int = 0
    pages: int = 0
    tables: Counter[str] = field(default_factory=Counter)  # rows of each that were read, batches and pages too
    positions: int = 0
    checkpoints: int = 0
    last_checkpoint: int = 0  # pages that the last one that fits covers
    above: int = 0  # pages that no checkpoint covers
    findings: list[Finding] = field(default_factory=list)
