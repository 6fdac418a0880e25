"""Replays files of events on members' accounts and says what moved, month by month.

Spending is oldest expiry first, then issue month, then funder. A refund takes what is left in the sale's own lot; what was
spent of it is owed, and is repaid at once by the sale's lots, the funder's own, then in the order of spending. New points
repay debts, the funder's own first. Points in whole numbers, money in minor units.
"""

import csv
import datetime
import gzip
import io
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from terms import NEVER, S, first_day, hu, largest_remainder, last_day, month, month_of, scaled


@dataclass
class Issue:
    """Points of a cohort issued with a sale (`sold`) or given; a refund is the same from what was to what is left."""

    cohort: tuple  # (last day, month of issue, funder)
    sold: bool
    was: tuple  # (amount, points)
    now: tuple
    owed: int = 0


@dataclass
class Move:
    """Points redeemed, given back (negative) or paying a debt to `line`."""

    cohort: tuple
    line: str
    reason: str
    points: int
    amount: int
    day: datetime.date  # of the redemption whose terms apply


@dataclass
class Sale:
    line: str
    day: datetime.date  # of the sale, also for its refund
    amount: int


@dataclass
class Account:
    lots: Counter = field(default_factory=Counter)
    debts: Counter = field(default_factory=Counter)
    redeemed: Counter = field(default_factory=Counter)
    returned_in: int = 0

    def spendable(self, day):
        return sorted(c for c, points in self.lots.items() if points and c[1] <= month_of(day) and c[0] >= day)

    def balance(self, day):
        return max(0, sum(self.lots[cohort] for cohort in self.spendable(day)) - self.debts.total())

    def take(self, cohorts, points):
        """[(cohort, points)] of the first `points` there are."""
        taken = []
        for cohort in cohorts:
            now = min(points, self.lots[cohort])
            if now:
                self.lots[cohort] -= now
                points -= now
                taken.append((cohort, now))
        return taken


class Refused(Exception):
    pass


class Ledger:
    def __init__(self, book):
        self.book = book
        self.accounts = defaultdict(Account)
        self.entries = {}
        self.facts = defaultdict(list)
        self.refused = Counter()

    def read(self, path, text=None):
        """A file named after a month is read while that month is open, and those before it are closed."""
        path = Path(path)
        text = text or (gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else
                        open(path, encoding="utf-8-sig", newline="")).read()
        rows = [row for row in csv.DictReader(io.StringIO(text)) if any(row.values())]
        named = re.search(r"\d{4}-\d{2}", path.name)
        opened = month(named[0]) if named else 0
        for row in rows:
            row["at"] = datetime.datetime.fromisoformat(row["occurred_at"])
        for row in sorted(rows, key=lambda row: row["at"]):
            self.record(row, opened)

    def record(self, row, opened):
        kind, line, reference, member = row["event"], row["line"], row["reference"], row["member"]
        if (kind, line, reference) in self.entries:
            return
        day = self.book.day(row["at"])
        account = self.accounts[member]
        booked = max(month_of(day), opened, account.returned_in)
        amount = int(Decimal(row["amount"]) * self.book.minor) if row.get("amount") else None
        points = int(row["points"]) if row.get("points") else None
        entry = {"at": row["at"], "day": day, "line": line, "member": member, "kind": kind, "reversed": 0}
        try:
            if line not in self.book.lines or month_of(day) < self.book.first:
                raise Refused("line or time")
            if not self.book.takes_part(line, day) and kind != "reversal":
                raise Refused("line-not-active")
            facts = getattr(self, kind)(row, account, entry, amount, points, booked)
        except Refused as refusal:
            self.refused[str(refusal)] += 1
            return
        self.entries[kind, line, reference] = entry
        self.facts[booked] += facts

    def accrual(self, row, account, entry, amount, points, booked):
        line, day = entry["line"], entry["day"]
        issued = self.points_of_sale(line, day, amount)
        slices = [(self.cohort(funder, day), points) for funder, points in issued.items() if points]
        entry |= {"amount": amount, "slices": slices, "gone": [0] * len(slices)}
        facts = [Sale(line, day, amount)]
        for cohort, points in slices:
            facts.append(Issue(cohort, cohort[2] == line, (0, 0), (amount, points)))
            facts += self.credit(account, cohort, points, day)
        return facts

    def adjustment(self, row, account, entry, amount, points, booked):
        line, day = entry["line"], entry["day"]
        if not self.book.rule("earn", day, line=line):
            raise Refused("no-earn-rule")
        cohort = self.cohort(line, day)
        entry |= {"slices": [(cohort, points)], "gone": [0]}
        return [Issue(cohort, False, (0, 0), (0, points)), *self.credit(account, cohort, points, day)]

    def redemption(self, row, account, entry, bill, points, booked):
        line, day = entry["line"], entry["day"]
        rule = self.book.rule("burn", day, line=line)
        if not rule:
            raise Refused("no-burn-rule")
        monthly = sum(n for (at, on), n in account.redeemed.items() if at == line and month_of(on) == month_of(day))
        left = [rule.get("max_per_order", points), rule.get("max_per_day", points) - account.redeemed[line, day]
                if "max_per_day" in rule else points, rule.get("max_per_month", points + monthly) - monthly]
        if "max_bill_share" in rule:
            left.append(bill * S // self.book.minor * scaled(rule["max_bill_share"]) // scaled(rule["value"]) // S)
        if points > min(left):
            raise Refused("above-cap")
        if points % rule.get("step", 1) or points < rule.get("minimum", 1):
            raise Refused("step or minimum")
        if points > account.balance(day):
            raise Refused("insufficient-points")
        slices = account.take(account.spendable(day), points)
        account.redeemed[line, day] += points
        exact = [points * self.book.price(cohort[2], line, day) for cohort, points in slices]
        # Once for the redemption, then by largest remainder; equal ones by funder, issue month and last day.
        order = sorted(range(len(slices)), key=lambda at: (slices[at][0][2], slices[at][0][1], slices[at][0][0]))
        shares = largest_remainder(hu(sum(exact) * self.book.minor, S), [exact[at] for at in order])
        amounts = dict(zip(order, shares))
        entry |= {"slices": slices, "amounts": [amounts[at] for at in range(len(slices))], "points": points}
        return [Move(cohort, line, "redemption", n, amounts[at], day) for at, (cohort, n) in enumerate(slices)]

    def reversal(self, row, account, entry, amount, points, booked):
        kind, _, reference = row["reverses"].partition(":")
        target = self.entries.get((kind, entry["line"], reference.partition("@")[0]))
        if not target or target["member"] != entry["member"]:
            raise Refused("target-not-found")
        if entry["at"] < target["at"]:
            raise Refused("before-target")
        take_back = {"accrual": self.refund, "adjustment": self.revoke, "redemption": self.give_back}[kind]
        return take_back(account, entry, target, amount, points, booked)

    @staticmethod
    def part(total, before, asked):
        left = total - before
        if left <= 0:
            raise Refused("already-reversed")
        if (asked or 0) > left:
            raise Refused("more-than-left")
        return asked or left

    def refund(self, account, entry, target, amount, points, booked):
        part = self.part(target["amount"], target["reversed"], amount)
        was, now = target["amount"] - target["reversed"], target["amount"] - target["reversed"] - part
        target["reversed"] += part
        kept = self.points_of_sale(target["line"], target["day"], now)
        withdrawn = [max(0, points - gone - kept.get(cohort[2], 0))
                     for (cohort, points), gone in zip(target["slices"], target["gone"])]
        return [Sale(target["line"], target["day"], -part), *self.withdraw(account, entry, target, withdrawn, was, now)]

    def revoke(self, account, entry, target, amount, points, booked):
        part = self.part(target["slices"][0][1], target["reversed"], points)
        target["reversed"] += part
        return self.withdraw(account, entry, target, [part], 0, 0)

    def withdraw(self, account, entry, target, withdrawn, was, now):
        day, facts, repaid = entry["day"], [], []
        sale = [cohort for cohort, _ in target["slices"]]
        owing = []
        for at, ((cohort, points), part) in enumerate(zip(target["slices"], withdrawn)):
            before, target["gone"][at] = target["gone"][at], target["gone"][at] + part
            found = sum(n for _, n in account.take([cohort], part))
            # What lies too long past its day can no longer be told spent from expired: nothing is owed for it.
            told = cohort[0] >= first_day(month_of(day) - self.book.refund_months)
            owing.append((cohort, part - found if told else 0))
            sold = target["kind"] == "accrual" and cohort[2] == target["line"]
            facts.append(Issue(cohort, sold, (was, points - before), (now, points - before - part), owing[-1][1]))
        for (_, _, funder), owed in owing:
            lots = sorted(account.spendable(day), key=lambda lot: (lot not in sale, lot[2] != funder))
            paid = account.take(lots, owed)
            account.debts[funder] += owed - sum(n for _, n in paid)
            repaid += [self.repayment(lot, funder, n, day) for lot, n in paid]
        return facts + repaid

    def give_back(self, account, entry, target, amount, points, booked):
        part = self.part(target["points"], target["reversed"], points)
        skip, left, facts, line = target["reversed"], part, [], target["line"]
        target["reversed"] += part
        for (cohort, n), amount in reversed(list(zip(target["slices"], target["amounts"]))):
            before = min(skip, n)
            now = min(n - before, left)
            skip, left = skip - before, left - now
            if now:
                back = hu(amount * (before + now), n) - hu(amount * before, n)
                facts.append(Move(cohort, line, "return", -now, -back, target["day"]))
                facts += self.credit(account, cohort, now, entry["day"])
        account.redeemed[line, target["day"]] -= part
        account.returned_in = max(account.returned_in, booked)
        return facts

    def cohort(self, funder, day):
        life = self.book.life(funder, day)
        return (NEVER if life is None else last_day(month_of(day) + life), month_of(day), funder)

    def points_of_sale(self, line, day, amount):
        """Points by funder: the line's own, then what a multiplier adds, by the sponsors' shares."""
        rule = self.book.rule("earn", day, line=line)
        if not rule:
            raise Refused("no-earn-rule")
        if amount < Decimal(rule.get("minimum_amount", "0")) * self.book.minor:
            return {}
        exact = amount * scaled(rule["points_per_unit"])
        base, total = exact // (S * self.book.minor), exact * scaled(rule.get("multiplier", "1")) // (S * S * self.book.minor)
        issued = Counter({line: base})
        sponsors = rule.get("sponsors") or [{"to": line, "share": "1"}]
        extra = largest_remainder(total - base, [scaled(sponsor["share"]) for sponsor in sponsors])
        for sponsor, points in zip(sponsors, extra):
            issued[sponsor["to"]] += points
        return issued

    def repayment(self, cohort, creditor, points, day):
        amount = hu(points * self.book.price(cohort[2], creditor, day) * self.book.minor, S)
        return Move(cohort, creditor, "repayment", points, amount, day)

    def credit(self, account, cohort, points, day):
        repaid = []
        if cohort[0] >= day:
            for creditor in sorted(account.debts, key=lambda name: (name != cohort[2], name)):
                now = min(points, account.debts[creditor])
                if now:
                    account.debts[creditor] -= now
                    points -= now
                    repaid.append(self.repayment(cohort, creditor, now, day))
        account.lots[cohort] += points
        return repaid
