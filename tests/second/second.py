"""The contract liability of a programme, computed a second time: from its rulebook and its files of events.

    second.py RULEBOOK EVENTS.csv[.gz]... [--to MONTH]

Prints one row per month and funder, money in currency units. A file that is named after a month (`2025-02.csv`) is
recorded while that month is open and those before it are closed; others are recorded in the month of each event.
"""

import argparse
import csv
import sys
from pathlib import Path

from events import Ledger
from liability import ROW
from programme import Programme
from terms import Rulebook, first_day, month, month_name


def months(book, files, to=None):
    """Closes month after month: yields the programme and what it closed. A file is a path, or (name, text)."""
    ledger, programme = Ledger(book), Programme(book)
    for file in files:
        ledger.read(*(file if isinstance(file, tuple) else (file,)))
    for t in range(book.first, max([to or book.first, *ledger.facts]) + 1):
        yield programme, programme.close(t, ledger.facts[t])


def rate_of_next(programme, funder, t):
    """Of new points: what sales of the month after a close are valued at."""
    return programme.new_rate(funder, t + 1, programme.book.life(funder, first_day(t + 1)))


def money(fen, minor):
    digits = len(str(minor)) - 1
    return f"{'-' if fen < 0 else ''}{abs(fen) // minor}" + (f".{abs(fen) % minor:0{digits}}" if digits else "")


def shown(row, minor):
    return {name: str(fen) if name == "points_open" else money(fen, minor) for name, fen in row.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rulebook", type=Path)
    parser.add_argument("events", nargs="+", type=Path)
    parser.add_argument("--to", type=month)
    options = parser.parse_args()
    book = Rulebook(options.rulebook.read_text(encoding="utf-8"))
    rows = csv.writer(sys.stdout)
    rows.writerow(["month", "funder", *ROW, "new_rate", "z", "level", "margin"])
    for programme, closed in months(book, options.events, options.to):
        t, model = closed.month, closed.model
        for funder, row in closed.funders().items():
            rates = rate_of_next(programme, funder, t), model.z, model.level, model.margin
            rows.writerow([month_name(t), funder, *shown(row, book.minor).values(), *(f"{rate / 10**8:.8f}" for rate in rates)])


if __name__ == "__main__":
    main()
