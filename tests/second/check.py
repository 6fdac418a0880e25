"""Checks the second implementation against worked cases and against six months of a panel.

    check.py goldens [--write DIR]     every case of goldens/; --write lays out rulebook and months for another program
    check.py formulas                  one cohort at a time: goldens/formulas.toml
    check.py months RULEBOOK EVENTS... the totals of goldens/six-months.csv and the last month by funder
    check.py programmes FIRST LAST     what must hold of random programmes, by seed (programmes.py)

A case names what is not zero (`opening` apart); what it does not name must be zero.
"""

import argparse
import csv
import sys
import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path

import programmes
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
        rate = rate_of_next(programme, funder, closed.month)
        check.equal(f"{where} rate of new points of {funder}", value, f"{rate / 10**8:.8f}")


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


def random_programmes(check, seeds):
    """The laws of 2.3: columns lead from opening to closing, 0 <= closing <= allocated, nothing is left once expired."""
    for seed in seeds:
        made, before = programmes.Programme(seed), {}
        rulebook = Rulebook(made.rulebook())
        files = [(f"{month_name(at)}.csv", text) for at, text in made.files()]
        for programme, closed in months(rulebook, files):
            for key, row in closed.cohorts.items():
                cohort, was = programme.cohorts[key], before.get(key, {"closing": 0, "provision": 0, "done": False})
                where = f"seed {seed}, {month_name(closed.month)} {key[2]} {month_name(key[1])}:"
                moved = sum(row[name] for name in ROW[ROW.index("own") : ROW.index("closing")])
                check.equal(f"{where} closing", was["closing"] + row["added"] - moved, row["closing"])
                given = row["granted"] - row["used_own"] - row["used_other"] - row["released"] - row["taken_back"]
                check.equal(f"{where} provision", was["provision"] + given, row["provision"])
                check.equal(f"{where} within what was allocated", True, 0 <= cohort.left <= cohort.cl and row["provision"] >= 0)
                check.equal(f"{where} nothing left", True, not cohort.done or cohort.left == cohort.provided == 0)
                check.equal(f"{where} expired", True, was["done"] or row["expired"] >= 0)
                check.equal(f"{where} loss", True, 0 <= row["loss"] <= row["undone"])
                before[key] = row | {"done": cohort.done}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["goldens", "formulas", "months", "programmes"])
    parser.add_argument("of", nargs="*")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    check = Check()
    match options.what:
        case "goldens":
            goldens(check, options.write)
        case "formulas":
            formulas(check)
        case "months":
            six_months(check, Path(options.of[0]), options.of[1:])
        case "programmes":
            random_programmes(check, range(int(options.of[0]), int(options.of[1]) + 1))
    print(f"{check.made} figures, {check.failed} differ")
    sys.exit(check.failed > 0)


if __name__ == "__main__":
    main()
