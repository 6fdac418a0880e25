"""Compares the reports that the program wrote for the same events with the second computation, month by month.

    compare.py RULEBOOK EVENTS.csv[.gz]... --reports DIR [--cohorts]

Reads DIR/<month>/liability-roll-forward.csv, sums its cohorts by funder (--cohorts: leaves them apart) and lists every
difference: month, funder, column, the program's amount, the second one's. Columns that the report has not are passed over.
"""

import argparse
import csv
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from liability import ROW
from second import months, shown
from terms import NEVER, Rulebook, month_name

OTHER_NAMES = {"own_line_revenue": "own", "to_payable": "payable", "agent_revenue": "agent", "breakage_revenue": "breakage",
               "outstanding_points": "points_open"}


def read(path, apart):
    """{funder, or cohort as (funder, month of issue, last day): {column: amount}}"""
    rows = defaultdict(lambda: defaultdict(Decimal))
    with open(path, encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            of = (line["funder"], line["issue_month"], line["expires"]) if apart else (line["funder"],)
            for name, text in line.items():
                if OTHER_NAMES.get(name, name) in ROW:
                    rows[of][OTHER_NAMES.get(name, name)] += Decimal(text or "0")
    return rows


def second(closed, apart):
    if not apart:
        return {(funder,): row for funder, row in closed.funders().items()}
    return {(funder, month_name(issued), "never" if last == NEVER else str(last)): row
            for (last, issued, funder), row in closed.cohorts.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rulebook", type=Path)
    parser.add_argument("events", nargs="+", type=Path)
    parser.add_argument("--reports", type=Path, required=True)
    parser.add_argument("--cohorts", action="store_true")
    options = parser.parse_args()
    book = Rulebook(options.rulebook.read_text(encoding="utf-8"))
    compared, differ, closes = 0, 0, 0
    for _, closed in months(book, options.events):
        path = options.reports / month_name(closed.month) / "liability-roll-forward.csv"
        if not path.exists():
            print(f"{month_name(closed.month)}: no report")
            continue
        closes += 1
        theirs, ours = read(path, options.cohorts), second(closed, options.cohorts)
        columns = sorted({name for row in theirs.values() for name in row}, key=ROW.index)
        for of in sorted({*theirs, *ours}):
            mine = shown(ours.get(of, dict.fromkeys(ROW, 0)), book.minor)
            for name in columns:
                compared += 1
                if theirs[of][name] != Decimal(mine[name]):
                    differ += 1
                    print(f"{month_name(closed.month)} {' '.join(of)} {name}: {theirs[of][name]}, second {mine[name]}")
    print(f"{closes} months, {compared} figures, {differ} differ")
    sys.exit(differ > 0 or closes == 0)


if __name__ == "__main__":
    main()
