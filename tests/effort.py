"""How many examples a property is tried on."""

LONG = False


def examples(short: int, long: int) -> int:
    return short


def tally(what: str, count: int = 1) -> None:
    pass
