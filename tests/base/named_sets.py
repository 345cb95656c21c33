"""Functions that name sets, for the tests of code hashes."""

BUSY = {"centre", "station", "harbour", "airport"}


def is_busy(zone):
    return zone in BUSY


LITERAL = lambda zone: zone in {"centre", "station", "harbour", "airport"}  # noqa: E731
