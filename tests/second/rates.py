"""The part of the points that will be redeemed: the policy `experience` in integers (LIABILITY 1.3, steps 1 to 10).

Rates are scaled by S = 10^8; points still to come are micro-points (M = 10^6).
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import isqrt

from terms import M, S, hu


@dataclass
class Row:
    """A cohort as a close sees it; `by_age` is what was redeemed at each age, less what came back."""

    cohort: tuple
    life: int | None  # months; None: never
    issued: int  # net points
    redeemed: int
    by_age: Counter


@dataclass
class Rates:
    """What one close hands to the next."""

    pairs: list = field(default_factory=list)  # (actual points, expected micro-points), the last 12
    ignored: set = field(default_factory=set)
    first_redemption: int | None = None  # its month
    open: set = field(default_factory=set)  # cohorts of the last close that could still be redeemed
    expected: int = 0  # of them in the next month, before steps 6 to 9
    full: bool = False  # Z = 1 at the last close

    def close(self, t, rows, policy, first, initial):
        """E of each cohort in micro-points, and the model that rates the sales of the next month."""
        horizon, open_age = policy["horizon_months"], policy["open_age"]
        last = lambda row: horizon if row.life is None else row.life
        self.actual(t, rows, policy)
        cells = []  # (cohort row, life, age, outstanding before, redeemed, month)
        for row in rows:
            outstanding = row.issued
            for age in range(min(t - row.cohort[1], last(row)) + 1):
                if row.cohort[1] + age not in self.ignored:
                    cells.append((row, row.life, age, outstanding, row.by_age[age], row.cohort[1] + age))
                outstanding -= row.by_age[age]
        of = lambda months: [cell for cell in cells if t - months < cell[5]]
        model = Model(policy, initial)
        model.hazards(of(policy["window_months"]))
        model.scale(of(policy["level_months"]), of(policy["window_months"]))
        to_come, self.open, self.expected = {}, set(), 0
        for row in rows:
            age = min(t - row.cohort[1], last(row))
            left = row.issued - row.redeemed
            to_come[row.cohort] = hu(left * (S - model.survival(row.cohort[2], row.life)[age + 1]) * M, S)
            if age < last(row):
                self.open.add(row.cohort)
                self.expected += hu(left * model.g(row.cohort[2], row.life, age + 1) * M, S)
        months = [at for at in range(max(first, t - policy["level_months"] + 1), t + 1) if at not in self.ignored]
        pace = sum(age * redeemed for _, _, age, _, redeemed, _ in of(policy["level_months"]))
        flow, expected = max(0, hu(pace * M, len(months))) if months else 0, sum(to_come.values())
        model.phi = hu(flow * S, expected) if 0 < expected < flow else S
        model.margin = self.margin(policy["margin"])
        since = 0 if self.first_redemption is None else t - self.first_redemption + 1
        fading = policy["initial_months"]
        model.z = min(S, hu(since * S, fading)) if fading else S
        self.full = model.z == S
        return {row.cohort: model.ultimate(row, to_come[row.cohort], t - row.cohort[1]) for row in rows}, model

    def actual(self, t, rows, policy):
        """Compares the month with what the last close expected; a month far below it teaches nothing."""
        redeemed = sum(row.by_age[t - row.cohort[1]] for row in rows if row.cohort in self.open)
        if self.full:
            if self.expected >= 5000 * M and redeemed * M * S < self.expected * policy["ignore_below"]:
                self.ignored.add(t)
            else:
                self.pairs = [*self.pairs[-11:], (redeemed, self.expected)]

    def margin(self, factor):
        """Step 7: the root mean square of what three closes together fell short by."""
        errors = []
        for at in range(len(self.pairs)):
            actual, expected = map(sum, zip(*self.pairs[max(0, at - 2) : at + 1]))
            if expected > 0:
                errors.append(max(0, hu(actual * M * S, expected) - S))
        return hu(factor * isqrt(hu(sum(e * e for e in errors), len(errors))), S) if errors else 0


class Model:
    def __init__(self, policy, initial):
        self.policy, self.initial = policy, initial
        self.h, self.lam, self.curves = {}, {}, {}

    def age(self, life, age):
        return min(age, self.policy["open_age"]) if life is None else age

    def hazards(self, cells):
        """Step 1."""
        redeemed, outstanding = Counter(), Counter()
        for _, life, age, left, now, _ in cells:
            redeemed[life, self.age(life, age)] += now
            outstanding[life, self.age(life, age)] += left
        self.h = {key: min(S, hu(max(0, redeemed[key]) * S, left)) for key, left in outstanding.items() if left > 0}
        self.top = max(self.h.values(), default=0) or S

    def hazard(self, life, age):
        return self.h.get((life, self.age(life, age)), self.top)

    def scale(self, recent, window):
        """Steps 2 and 3: the programme's level, and each funder's own."""
        expected = sum(left * self.hazard(life, age) for _, life, age, left, _, _ in recent)
        self.level = hu(max(0, sum(cell[4] for cell in recent)) * S * S, expected) if expected else S
        sums = defaultdict(lambda: [0, 0])
        for row, life, age, left, now, _ in window:
            sums[row.cohort[2]][0] += now
            sums[row.cohort[2]][1] += left * self.hazard(life, age)
        few = self.policy["credibility"]
        scaled = lambda a, x: hu((max(0, a) + few) * S * S, x + few * S) if x + few * S > 0 else S
        self.lam = {funder: scaled(a, x) for funder, (a, x) in sums.items()}

    def g(self, funder, life, age):
        return min(S, hu(self.hazard(life, age) * self.level * self.lam.get(funder, S), S * S))

    def survival(self, funder, life):
        """Step 4: [P_(-1), P_0, .., P_L]."""
        if (funder, life) not in self.curves:
            curve = [S]
            for age in range(self.policy["horizon_months"] if life is None else life, -1, -1):
                curve.append(hu(curve[-1] * (S - self.g(funder, life, age)), S))
            self.curves[funder, life] = curve[::-1]
        return self.curves[funder, life]

    def ultimate(self, row, to_come, age):
        """Steps 6 to 9."""
        left, redeemed = (row.issued - row.redeemed) * M, row.redeemed * M
        if row.life is not None and age >= row.life:
            return redeemed
        first = min(left, hu(to_come * self.phi, S))
        second = min(left, hu(first * (S + self.margin), S))
        third = max(second, hu(left * self.policy["floor"], S))
        initial = self.initial(row.cohort[2], row.cohort[1])
        by_initial = max(0, hu(row.issued * M * initial, S) - redeemed)
        return redeemed + min(left, hu(self.z * third + (S - self.z) * by_initial, S))

    def new(self, funder, life, initial):
        """Step 10: for sales of the next month."""
        spent = hu((S - self.survival(funder, life)[0]) * self.phi, S)
        own = max(self.policy["floor"], min(S, hu(spent * (S + self.margin), S)))
        return hu(self.z * own + (S - self.z) * initial, S)
