"""What a process of a campaign does."""

from portfolio.schedule.tick import tick


def one_tick() -> None:
    tick()
