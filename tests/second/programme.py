"""Closes a programme month by month: values what was issued, shares what is owed, estimates, books (LIABILITY 1.3, 2, 3)."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from events import Move, Sale
from liability import ROW, Cohort, Month
from rates import Model, Rates, Row
from terms import M, NEVER, S, first_day, hu, largest_remainder, month_of, scaled


@dataclass
class Closed:
    month: int
    cohorts: dict  # {cohort: row in fen}
    recovery: Counter  # fen by creditor: other lines' points that repaid debts to it
    taxes: Counter  # fen by (line, product)
    model: Model

    def funders(self):
        rows = defaultdict(lambda: dict.fromkeys(ROW, 0))
        for (_, _, funder), row in self.cohorts.items():
            for name, fen in row.items():
                rows[funder][name] += fen
        for creditor, fen in self.recovery.items():
            rows[creditor]["recovery"] += fen
        return dict(sorted(rows.items()))


class Programme:
    def __init__(self, book):
        self.book, self.rates = book, Rates()
        self.cohorts = {}
        self.models = {}  # by the month whose sales they rate
        self.bases, self.taxed = Counter(), Counter()

    def close(self, t, facts):
        months = defaultdict(Month)
        for fact in facts:
            if not isinstance(fact, Sale):
                self.gather(t, fact, months)
        recovery, taxes = self.settle(facts, months)
        for key, cohort in self.cohorts.items():
            cohort.move(t, months[key])
        rows = [Row(c.key, c.life, c.issued, c.redeemed, c.by_age) for c in self.cohorts.values()]
        policy = self.book.policy(t)
        estimates, self.models[t + 1] = self.rates.close(t, rows, policy, self.book.first, self.book.initial)
        closed = {}
        for key, c in sorted(self.cohorts.items(), key=lambda item: (item[0][2], item[0][1], item[0][0])):
            terms = self.book.liability(key[2], key[1])
            after = terms.get("remote_after_months") if terms.get("method") == "remote" else None
            over = c.expires is not None and t >= c.expires
            closed[key] = c.book(months[key], self.expected(t, c, terms, estimates[key], policy),
                                 not c.done and (over or after is not None and t - key[1] >= after))
            closed[key]["points_open"] = 0 if over else c.issued - c.redeemed
        return Closed(t, closed, recovery, taxes, self.models[t + 1])

    def expected(self, t, c, terms, estimate, policy):
        """E of an open cohort: a person's rate goes first, then the rulebook's method, then the estimate."""
        rate = self.book.override(c.key[2], c.key[1], t)
        if rate is None and terms.get("method") == "remote":
            rate = S
        if rate is None and policy["method"] == "initial":
            rate = self.book.initial(c.key[2], c.key[1])
        return estimate if rate is None else max(c.redeemed * M, min(c.issued * M, hu(c.issued * rate * M, S)))

    def new_rate(self, funder, issued, life):
        """The rate at which sales of a month are valued, also those that come late."""
        by_person = self.book.override(funder, issued, issued)
        if by_person is not None:
            return by_person
        model, initial = self.models.get(issued), self.book.initial(funder, issued)
        return initial if model is None or model.policy["method"] == "initial" else model.new(funder, life, initial)

    def gather(self, t, fact, months):
        if fact.cohort not in self.cohorts:
            last, issued, _ = fact.cohort
            self.cohorts[fact.cohort] = Cohort(fact.cohort, None if last == NEVER else month_of(last) - issued)
        month = months[fact.cohort]
        if isinstance(fact, Move):
            (month.returned if fact.reason == "return" else month.out)[fact.line] += abs(fact.points)
            if fact.reason == "redemption" and self.rates.first_redemption is None:
                self.rates.first_redemption = t
            return
        (_, points), (_, kept) = fact.was, fact.now
        u = self.new_rate(fact.cohort[2], fact.cohort[1], self.cohorts[fact.cohort].life)
        worth = self.allocated if fact.sold else lambda cohort, amount, points, u: self.given(cohort, points, u)
        value = worth(fact.cohort, *fact.now, u) - worth(fact.cohort, *fact.was, u)
        h = hu(kept * u * M, S) - hu(points * u * M, S)
        g = 0 if fact.sold else self.given(fact.cohort, kept - points, S)
        flow = month.sold if fact.sold else month.given
        if fact.now > fact.was:
            flow.value, flow.points = flow.value + value, flow.points + kept
            month.h, month.g = month.h + h, month.g + g
        else:
            flow.back, flow.withdrawn, flow.owed = flow.back - value, flow.withdrawn + points - kept, flow.owed + fact.owed
            month.h_back, month.g_back = month.h_back - h, month.g_back - g

    def allocated(self, cohort, amount, points, u):
        """Micro-fen of a sale that belong to its line's own points: by relative stand-alone selling price (2.1)."""
        terms = self.book.liability(cohort[2], cohort[1])
        vat = scaled(terms.get("vat_rate", "0"))
        net = hu(amount * M * S, S + vat) if terms.get("tax_inclusive", True) else amount * M
        ssp = hu(points * scaled(terms["face_value"]) * u * self.book.minor * M, S * S)
        return hu(net * ssp, net + ssp) if ssp else 0

    def given(self, cohort, points, u):
        """Micro-fen of points without a sale, and of a sponsor's on another line's sale (2.5)."""
        terms = self.book.liability(cohort[2], cohort[1])
        return hu(points * scaled(terms.get("grant_value", terms["face_value"])) * u * self.book.minor * M, S * S)

    def settle(self, facts, months):
        """What funders owe other lines: shares of the cumulative amount of each key, redemptions and returns in one; and tax
        by the terms of the original's day (3)."""
        owed, gross, recovery = defaultdict(Counter), Counter(), Counter()
        for fact in facts:
            if isinstance(fact, Sale):
                terms = self.book.liability(fact.line, month_of(fact.day)) or {}
                rate, inclusive = scaled(terms.get("vat_rate", "0")), terms.get("tax_inclusive", True)
                gross[fact.line, "members", "sale", "sale", rate, inclusive] += fact.amount
            elif isinstance(fact, Move) and fact.line != fact.cohort[2]:
                funder, line, day = fact.cohort[2], fact.line, fact.day
                terms = ("repayment", (("redeemer", S),)), ("none", 0), ("none", 0)
                if fact.reason == "repayment":
                    recovery[line] += fact.amount
                else:
                    tax_of = self.book.tax
                    terms = (self.book.split(funder, line, day), tax_of(funder, line, "redemption", day),
                             tax_of(funder, self.book.platform, "platform-fee", day))
                owed[funder, line, *terms][fact.cohort] += fact.amount
        for key, amounts in owed.items():
            funder, line, (_, parts), tax, fee = key
            weights = [part for _, part in parts]
            before = largest_remainder(self.bases[key], weights)
            self.bases[key] += amounts.total()
            for (to, weight), was, now in zip(parts, before, largest_remainder(self.bases[key], weights)):
                if to in ("redeemer", line):
                    by_cohort(now - was, amounts, weight, months, line)
                    gross[line, funder, "redemption", *tax, True] += now - was
                elif to != funder:
                    gross[to, funder, "platform-fee", *fee, True] += now - was
        return recovery, self.tax(gross)

    def tax(self, gross):
        """Tax of a month by (seller, buyer, product, treatment, rate, inclusive): of the amount to date, less that before."""
        taxes = Counter()
        for key, amount in gross.items():
            line, _, product, _, rate, inclusive = key
            tax_of = lambda amount: amount - hu(amount * S, S + rate) if inclusive else hu(amount * rate, S)
            taxes[line, product] -= tax_of(self.taxed[key])
            self.taxed[key] += amount
            taxes[line, product] += tax_of(self.taxed[key])
        return taxes


def by_cohort(fen, amounts, weight, months, line):
    """The redeemer's part by cohort: floors of the exact parts, the rest to the largest remainders."""
    exact = {cohort: amounts[cohort] * weight for cohort in sorted(amounts, key=lambda c: (c[2], c[1], c[0]))}
    left = fen - sum(part // S for part in exact.values())
    for at, cohort in enumerate(sorted(exact, key=lambda cohort: -(exact[cohort] % S))):
        months[cohort].payable[line] += exact[cohort] // S + left // len(exact) + (at < left % len(exact))
