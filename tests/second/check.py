"""Checks the second implementation against worked cases and against six months of a panel.

    check.py goldens [--write DIR]     every case of goldens/; --write lays out rulebook and months for another program
    check.py formulas                  one cohort at a time: goldens/formulas.toml
    check.py months RULEBOOK EVENTS... the totals of goldens/six-months.csv and the last month by funder

A case names what is not zero (`opening` apart); what it does not name must be zero.
"""

import argparse
import csv
import sys
import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path

from liability import ROW, Cohort, Flow, Month
from second import months, rate_of_next, shown
from terms import M, NEVER, Rulebook, month, month_name

GOLDENS = Path(__file__).parent / "goldens"


class Check:
    def __init__(self):
        self.made, self.failed = 0, 0

    def equal(self, what, expected, actual):
        self.made += 1
        if expected != actual:
            self.failed += 1
            print(f"{what}: expected {expected}, got {actual}")

    def row(self, where, expected, row):
        row = shown(row, 100)
        for name in row:
            if name in expected or name != "opening":
                self.equal(f"{where} {name}", expected.get(name, "0" if name == "points_open" else "0.00"), row[name])


def goldens(check, write):
    programme_terms = (GOLDENS / "programme.toml").read_text(encoding="utf-8")
    for path in sorted((GOLDENS / "cases").glob("*.toml")):
        case = tomllib.loads(path.read_text(encoding="utf-8"))
        rulebook = case["rulebook"] + programme_terms
        files = [(f"{entry['month']}.csv", entry["events"]) for entry in case["months"]]
        if write:
            (write / path.stem).mkdir(parents=True, exist_ok=True)
            for name, text in [("rulebook.toml", rulebook), *files]:
                (write / path.stem / name).write_text(text, encoding="utf-8")
        closed = months(Rulebook(rulebook), files, month(case["months"][-1]["month"]))
        for expected, (programme, now) in zip(case["months"], closed, strict=True):
            month_of_case(check, f"{path.stem} {expected['month']}", expected, programme, now)


def month_of_case(check, where, expected, programme, closed):
    rows = closed.funders()
    for funder in programme.book.lines:
        check.row(f"{where} {funder}", expected.get(funder, {}), rows.get(funder, dict.fromkeys(ROW, 0)))
    for key, value in expected.get("tax", {}).items():
        check.equal(f"{where} tax of {key}", value, shown({"": closed.taxes[tuple(key.split())]}, 100)[""])
    for key, value in expected.get("e", {}).items():
        found = [c.e for c in programme.cohorts.values() if key == f"{c.key[2]} {month_name(c.key[1])}"]
        check.equal(f"{where} E of {key}", value, f"{found[0] // M}.{found[0] % M:06}")
    for funder, value in expected.get("new", {}).items():
        check.equal(f"{where} rate of new points of {funder}", value, f"{rate_of_next(programme, funder, closed.month) / 10**8:.8f}")


def formulas(check):
    for case in tomllib.loads((GOLDENS / "formulas.toml").read_text(encoding="utf-8"))["cases"]:
        cohort = Cohort((NEVER, 0, "own"), None)
        for at, period in enumerate(case["periods"]):
            now = Month(out=Counter({"own": period["own"], "other": period.get("other", 0)}))
            now.payable["other"] = int(Decimal(period.get("owed", "0")) * 100)
            if at == 0:
                now.sold, now.h = Flow(int(Decimal(case["cl"]) * 100 * M), case["points"]), case["expected"] * M
            cohort.move(at, now)
            row = cohort.book(now, period["e"] * M, period.get("ends", False))
            check.row(f"{case['name']}, period {at + 1}:", {"added": shown(row, 100)["added"], **period["is"]}, row)


def six_months(check, rulebook, events):
    expected = {}
    for row in csv.DictReader((GOLDENS / "six-months.csv").open(encoding="utf-8")):
        expected.setdefault(row["month"], {})[row["funder"]] = row
    for programme, closed in months(Rulebook(rulebook.read_text(encoding="utf-8")), events):
        rows, t = closed.funders(), closed.month
        rows["*"] = {name: sum(row[name] for row in rows.values()) for name in ROW}
        for funder, wanted in expected[month_name(t)].items():
            row = shown(rows[funder], 100) | {"z": f"{closed.model.z / 10**8:.8f}", "level": f"{closed.model.level / 10**8:.8f}"}
            if funder != "*":
                row["new_rate"] = f"{rate_of_next(programme, funder, t) / 10**8:.8f}"
            for name, value in wanted.items():
                if value and name in row:
                    check.equal(f"{month_name(t)} {funder} {name}", value, row[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["goldens", "formulas", "months"])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    check = Check()
    match options.what:
        case "goldens":
            goldens(check, options.write)
        case "formulas":
            formulas(check)
        case "months":
            six_months(check, options.files[0], options.files[1:])
    print(f"{check.made} figures, {check.failed} differ")
    sys.exit(check.failed > 0)


if __name__ == "__main__":
    main()
