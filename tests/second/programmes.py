"""Writes a small random programme: a rulebook and a file of events for each month.

    programmes.py SEED DIR

Sales with and without sponsors, refunds in part and late, redemptions at several lines, returns, gifts and gifts taken back,
events that come after their month was closed, lives short enough to expire, terms that change, rates set by a person.
The same seed gives the same files.
"""

import argparse
import csv
import datetime
import io
import random
from pathlib import Path

from terms import month_name, month_of

FIRST = datetime.date(2025, 1, 1)
LINES = {"hq": "Group", "dn": "Dining", "ht": "Hotel", "ml": "Mall"}
SELLERS = ["dn", "ht", "ml"]


def table(rules):
    """TOML of rules: inline tables of texts, whole numbers, yes and no, and lists of parts."""

    def value(of):
        if isinstance(of, bool):
            return str(of).lower()
        if isinstance(of, list):
            return "[" + ", ".join(map(value, of)) + "]"
        if isinstance(of, dict):
            return "{ " + ", ".join(f"{name} = {value(part)}" for name, part in of.items()) + " }"
        return f'"{of}"' if isinstance(of, str) else str(of)

    filled = {name: "".join(f"  {value(rule)},\n" for rule in of) for name, of in rules.items() if of}
    return "".join(f"{name} = [\n{lines}]\n" for name, lines in filled.items())


def month_start(number):
    return datetime.date(FIRST.year + number // 12, number % 12 + 1, 1)


class Programme:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.months = self.random.randint(8, 16)
        self.sales, self.spent, self.gifts, self.number = [], [], [], 0

    def some(self, *of):
        return self.random.choice(of)

    def dated(self, rule, *others):
        """A rule from the first day, or until the middle of the programme and then another."""
        if len(others) == 0 or self.random.random() < 0.5:
            return [{"from": str(FIRST)} | rule]
        change = month_start(self.random.randint(2, self.months - 2))
        before = {"from": str(FIRST), "to": str(change - datetime.timedelta(days=1))} | rule
        return [before, {"from": str(change)} | others[0]]

    def rulebook(self):
        share = lambda to, part: {"to": to, "share": part}
        sections = "lines earn burn prices splits expiry liability urr urr_override vat"
        rules = {name: [] for name in sections.split()}
        rules["lines"] = [{"id": line, "name": name} for line, name in LINES.items()]
        for line in SELLERS:
            earn = lambda: {"line": line, "points_per_unit": self.some("0.5", "1", "1.7", "2")}
            others = sorted({*LINES} - {line})
            sponsors = self.some([share("hq", "1")], [share(others[0], "0.4"), share(others[2], "0.6")])
            doubled = {"multiplier": self.some("2", "1.5"), "sponsors": sponsors} if self.random.random() < 0.5 else {}
            rules["earn"] += self.dated(earn(), earn() | doubled)
            rules["burn"] += [{"line": line, "from": str(FIRST), "value": "0.05"}]
        for line in LINES:
            rules["prices"] += self.dated({"redeemer": line, "price": self.some("0.04", "0.035", "0.0275")},
                                          {"redeemer": line, "price": self.some("0.06", "0.033")})
        rules["prices"] += [{"redeemer": "ht", "funder": "ml", "from": str(FIRST), "price": "0.0451"}]
        split = lambda part, rest: {"rule": f"to-{part}", "shares": [share("redeemer", part), share("hq", rest)]}
        if self.random.random() < 0.8:
            rules["splits"] += self.dated(split("0.97", "0.03"), split("0.9", "0.1"))
        life = lambda: self.some({"months": 1}, {"months": 2}, {"months": 3}, {"months": 4}, {"months": 6}, {"never": True})
        rules["expiry"] += self.dated(life(), life())
        if self.random.random() < 0.4:
            rules["expiry"] += [{"funder": "ml", "from": str(FIRST)} | life()]
        value = lambda: {"face_value": self.some("0.05", "0.04"), "initial_urr": self.some("1", "0.7", "0.45"),
                         "vat_rate": self.some("0", "0.06", "0.13"), "tax_inclusive": self.some(True, True, False)}
        rules["liability"] += self.dated(value(), value())
        if self.random.random() < 0.3:
            remote = {"method": "remote"} | self.some({}, {"remote_after_months": 2})
            rules["liability"] += [{"funder": "dn", "from": str(FIRST)} | value() | remote]
        if self.random.random() < 0.8:
            rules["urr"] += self.dated({"window_months": self.some(12, 4), "level_months": self.some(6, 3),
                                        "credibility": self.some(300, 30, 0), "initial_months": self.some(6, 3, 1),
                                        "margin": self.some("1", "0.5", "2"), "floor": self.some("0.05", "0.01"),
                                        "ignore_below": self.some("0.25", "0.6")},
                                       {"method": "initial"} if self.random.random() < 0.2 else {})
        for funder in self.random.sample(["*", "ml", "ht"], self.random.randint(0, 3)):
            first = self.random.randrange(self.months)
            of = lambda number: str(month_start(number))[:7]
            covered = self.some({"issued": of(first)}, {"issued_from": of(first), "issued_to": of(first + 2)})
            later = {"close_from": of(first + self.random.randint(1, 3))} if self.random.random() < 0.5 else {}
            rules["urr_override"] += [{"funder": funder} | covered |
                                      {"urr": self.some("0.2", "0.5", "0.8", "1"), "reason": "a person's estimate"} | later]
        taxed = lambda rate: {"product": "redemption", "treatment": "third-party-consideration", "rate": rate}
        rules["vat"] += self.dated(taxed("0.13"), taxed("0.06"))
        rules["vat"] += [{"product": "platform-fee", "from": str(FIRST), "treatment": "marketing-service", "rate": "0.06"}]
        programme = {"name": "Random", "currency": "CNY", "time_zone": "Asia/Shanghai", "first_period": str(FIRST)[:7],
                     "platform": "hq", "netting": "hub", "pseudonym_salt": "random-programme", "refund_months": 36}
        text = lambda of: f'"{of}"' if isinstance(of, str) else str(of)
        return table(rules) + "[programme]\n" + "".join(f"{name} = {text(of)}\n" for name, of in programme.items())

    def event(self, kind, line, at, member, amount="", points="", reverses=""):
        self.number += 1
        reference = f"{kind[0]}{self.number}"
        # No two events at one second: a member's are recorded in the order of their time.
        moment = datetime.datetime.combine(at, datetime.time(8)) + datetime.timedelta(seconds=self.number % 40000)
        row = [kind, line, reference, f"{moment.isoformat()}+08:00", member, amount, points, reverses]
        return row, reference, moment

    def month(self, number):
        """The rows of a file that comes while month `number` is open, now and then with what happened a month before."""
        start = month_start(number)
        days = (month_start(number + 1) - start).days
        number_of_events = self.some(0, 12, 40, 60)
        on = sorted(start + datetime.timedelta(days=self.random.randrange(days)) for _ in range(number_of_events))
        if number and self.random.random() < 0.3:
            on = [start - datetime.timedelta(days=self.random.randint(1, 20)) for _ in range(4)] + on
        return [row for row in map(self.any, on) if row]

    def files(self):
        """(month as a count of months, text of its file); after the rulebook, of the same draw."""
        for number in range(self.months):
            text = io.StringIO()
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow(["event", "line", "reference", "occurred_at", "member", "amount", "points", "reverses"])
            rows.writerows(self.month(number))
            yield month_of(month_start(number)), text.getvalue()

    def any(self, at):
        member, line = f"m{self.random.randrange(6)}", self.some(*SELLERS)
        kind = self.random.choices(["sale", "spend", "refund", "return", "gift", "gift back"], [40, 30, 12, 8, 6, 4])[0]
        text = lambda fen: f"{fen // 100}.{fen % 100:02}"
        if kind == "sale":
            amount = self.random.randint(1, 60000)
            row, reference, moment = self.event("accrual", line, at, member, text(amount))
            self.sales.append([line, reference, member, moment, amount])
            return row
        if kind == "spend":
            row, reference, moment = self.event("redemption", line, at, member, points=str(self.random.randint(1, 400)))
            self.spent.append([line, reference, member, moment])
            return row
        if kind == "gift":
            row, reference, moment = self.event("adjustment", line, at, member, points=str(self.random.randint(1, 300)))
            self.gifts.append([line, reference, member, moment])
            return row
        past = {"refund": self.sales, "return": self.spent, "gift back": self.gifts}[kind]
        past = [entry for entry in past[-25:] if entry[3].date() < at]
        if not past:
            return None
        line, reference, member, _, *amount = self.random.choice(past)
        if kind == "refund":
            part = text(self.random.randint(1, amount[0])) if self.random.random() < 0.6 else ""
            return self.event("reversal", line, at, member, part, reverses=f"accrual:{reference}")[0]
        part = str(self.random.randint(1, 60)) if self.random.random() < 0.6 else ""
        return self.event("reversal", line, at, member, points=part,
                          reverses=f"{'redemption' if kind == 'return' else 'adjustment'}:{reference}")[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("dir", type=Path)
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    programme = Programme(options.seed)
    (options.dir / "rulebook.toml").write_text(programme.rulebook(), encoding="utf-8")
    for at, text in programme.files():
        (options.dir / f"{month_name(at)}.csv").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
