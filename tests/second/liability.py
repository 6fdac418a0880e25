"""One cohort's contract liability and provision in a month, by cause (LIABILITY 2.1 to 2.5).

A cohort is a funder's points of one month of issue and one last day. Points are whole, what is expected of them is in
micro-points; amounts are kept in micro-fen and booked in fen. What moved is computed in exact fractions.
"""

from collections import Counter, namedtuple
from dataclasses import dataclass, field
from fractions import Fraction

from terms import M, hu, largest_remainder

ROW = ("opening", "added", "own", "payable", "agent", "breakage", "re_estimate", "remeasured", "expired", "reversed",
       "closing", "undone", "loss", "recovery", "points_open", "granted", "used_own", "used_other", "provision_payable",
       "released", "taken_back", "provision")
NOISE = 20  # micro-fen: what rounding to them may leave of amounts that cancel out
State = namedtuple("State", "issued redeemed h e cl g")


def per(amount, count):
    return Fraction(amount) / count if count else Fraction(0)


class Book:
    """Columns whose exact amounts to date are kept in micro-fen."""

    def __init__(self):
        self.exact, self.booked = Counter(), Counter()

    def grow(self, name, micro):
        """Fen of a column that is the difference of rounded cumulatives."""
        before = hu(self.exact[name], M)
        self.exact[name] += micro
        return hu(self.exact[name], M) - before

    def share(self, total, amounts):
        """`total` fen over columns by largest remainder of the month's exact amounts, equal ones in their order. A column
        whose amount to date is whole fen is booked to exactly that. Also returns what no column could take."""
        fen, micros = {}, {}
        for name, exact in amounts.items():
            micro = hu(exact.numerator, exact.denominator)
            self.exact[name] += micro
            whole = hu(self.exact[name], M)
            if abs(self.exact[name] - whole * M) <= NOISE:
                fen[name] = whole - self.booked[name]
            elif micro:
                fen[name], micros[name] = micro // M, micro % M
        left = total - sum(fen.values())
        order = sorted(micros, key=lambda name: -micros[name])
        while order and left:
            step = 1 if left > 0 else -1
            for name in (order if left > 0 else order[::-1])[: abs(left)]:
                fen[name] += step
                left -= step
        self.booked.update(fen)
        return fen, left


@dataclass
class Flow:
    """Points issued in a month and taken back, with their value in micro-fen."""

    value: int = 0
    points: int = 0
    back: int = 0
    withdrawn: int = 0
    owed: int = 0  # of those withdrawn: spent before

    def undone(self, rate):
        """The part of refunds that was released already (2.3 step 5)."""
        if not self.owed or not rate:
            return self.back if self.owed else 0
        exact = min(Fraction(self.back), self.back * self.owed / (self.withdrawn * rate))
        return hu(exact.numerator, exact.denominator)


@dataclass
class Month:
    """What happened to a cohort in a month."""

    sold: Flow = field(default_factory=Flow)
    given: Flow = field(default_factory=Flow)
    h: int = 0  # expected of what was issued, at its own rate
    h_back: int = 0
    g: int = 0  # points given x value, micro-fen
    g_back: int = 0
    out: Counter = field(default_factory=Counter)  # redeemed and given back, by line
    returned: Counter = field(default_factory=Counter)
    payable: Counter = field(default_factory=Counter)  # fen, by line
    before: State | None = None
    k: Counter = field(default_factory=Counter)
    rho: Counter = field(default_factory=Counter)
    by_other: int = 0  # redeemed at other lines before debts
    owed_other: int = 0  # of debts: what had been spent there


@dataclass
class Cohort:
    key: tuple  # (last day, month of issue, funder)
    life: int | None  # months; None: never
    issued: int = 0  # net
    given: int = 0  # of them without a sale
    redeemed_at: Counter = field(default_factory=Counter)
    by_age: Counter = field(default_factory=Counter)
    h: int = 0
    e: int = 0
    cl: int = 0  # allocated, net of refunds
    g: int = 0
    cost: int = 0  # fen owed to other lines for what still stands
    done: bool = False  # expired, or redemption is remote
    closing: int = 0  # fen
    left: int = 0  # the same in micro-fen
    provision: int = 0
    provided: int = 0
    contract: Book = field(default_factory=Book)
    grants: Book = field(default_factory=Book)

    @property
    def redeemed(self):
        """Below zero if points come back whose sale was refunded after they were spent: they have no value in the books."""
        return self.redeemed_at.total()

    @property
    def valued(self):
        return max(0, self.redeemed)

    @property
    def expires(self):
        return None if self.life is None else self.key[1] + self.life

    def move(self, t, month):
        """Moves points: sales and gifts, returns and redemptions, refunds."""
        sold, given = month.sold, month.given
        month.before = State(self.issued, self.valued, self.h, self.e, self.cl, self.g)
        self.issued += sold.points + given.points - sold.withdrawn - given.withdrawn
        self.given += given.points - given.withdrawn
        self.h += month.h - month.h_back
        self.cl += sold.value - sold.back
        self.g += month.g - month.g_back
        # Returns are of earlier months' redemptions as far as there are any; the rest nets with this month's.
        lines = sorted({*month.out, *month.returned})
        earlier = min(month.returned.total(), self.valued)
        for line, rho in zip(lines, largest_remainder(earlier, [month.returned[line] for line in lines]) if lines else ()):
            month.rho[line], month.k[line] = rho, month.out[line] - month.returned[line] + rho
            self.redeemed_at[line] += month.k[line] - rho
        lines = sorted(line for line in self.redeemed_at if line != self.key[2])
        spent = [max(0, self.redeemed_at[line]) for line in lines]
        month.by_other, owed = sum(spent), sold.owed + given.owed
        if owed and lines:
            all_spent = month.by_other + max(0, self.redeemed_at[self.key[2]])
            month.owed_other = hu(owed * month.by_other, all_spent) if all_spent else 0
            self.redeemed_at.subtract(dict(zip(lines, largest_remainder(month.owed_other, spent))))
        self.redeemed_at[self.key[2]] -= owed - month.owed_other
        self.by_age[t - self.key[1]] += month.k.total() - month.rho.total() - owed

    def book(self, month, estimate, ends):
        """The month's row in fen. `estimate`: E if the cohort stays open; `ends`: it expires in this month."""
        was, late, opening = month.before, self.done, self.closing
        sold, k, rho = month.sold, month.k.total(), month.rho.total()
        # Before refunds, with the month's sales and gifts.
        hb, clb = self.h + month.h_back, self.cl + sold.back
        nb, rb = self.issued + sold.withdrawn + month.given.withdrawn, was.redeemed - rho + k
        if late or ends:
            estimate = hu(was.e * self.issued, was.issued) if was.issued else self.h
        estimate = max(estimate, self.valued * M)
        rate = Fraction(estimate, self.issued) if self.issued else Fraction(was.e, was.issued) if was.issued else per(hb, nb)
        last_rate = Fraction(was.e, was.issued * M) if was.issued else per(hb, nb * M)
        self.done = late or ends
        self.e = self.valued * M if self.done else estimate

        expected_b, expected_0 = max(rate * nb, rb * M), was.e
        if late:
            expected_b, expected_0 = max(hb, rb * M), max(was.h, was.redeemed * M)
        v, v0 = per(clb * M, max(expected_b, hb)), per(was.cl * M, max(expected_0, was.h))
        b, b0 = per(clb * M, expected_b) - v, per(was.cl * M, expected_0) - v0
        past = was.redeemed - rho
        moved = self.used(month, v, v0)
        moved["breakage"] = k * b - rho * b0
        moved["re_estimate"] = Fraction(0)
        if past and not late:
            moved["re_estimate"] = past * M * was.cl * (per(1, max(rate * was.issued, past * M)) - per(1, was.e))
        undone = Fraction(sold.back) if late else sold.undone(last_rate)
        before, self.left = self.left, self.open_liability()
        moved["remeasured"] = moved["expired"] = Fraction(0)
        rest = before + sold.value - self.left - sum(moved.values()) - (sold.back - undone)
        if late:
            moved["expired"] = rest
        else:
            if ends:
                moved["expired"] = self.cl - per(self.cl * self.valued * M, estimate)
            rest -= moved["expired"]
            # Without a refund or a late sale only the rounding of `left` remains: the largest column has it.
            moved["remeasured" if abs(rest) > NOISE else max(moved, key=lambda name: abs(moved[name]))] += rest
        moved["reversed"] = Fraction(sold.back - undone)

        added = self.contract.grow("added", sold.value)
        self.closing = hu(self.left, M)
        fen, odd = self.contract.share(opening + added - self.closing, moved)
        row = dict.fromkeys(ROW, 0) | {"opening": opening, "added": added - odd, "closing": self.closing}
        row |= {name: fen.get(name, 0) for name in ("own", "breakage", "re_estimate", "remeasured", "expired", "reversed")}
        row |= self.provide(month, nb, last_rate, late)
        row["payable"] = month.payable.total() - row["provision_payable"]
        row["agent"] = sum(n for name, n in fen.items() if name not in row) - row["payable"]
        row["undone"] = self.contract.grow("undone", undone)
        self.cost += row["payable"]
        if month.owed_other:
            row["loss"] = min(row["undone"], max(0, hu(self.cost * month.owed_other, month.by_other)))
            self.cost -= row["loss"]
        return row

    def open_liability(self):
        return 0 if self.done else self.cl - (hu(self.cl * self.valued * M, self.e) if self.e else 0)

    def used(self, month, now, before):
        """What redemptions and returns moved, the own line first."""
        lines = sorted(month.k, key=lambda line: (line != self.key[2], line))
        return {"own": Fraction(0)} | {"own" if line == self.key[2] else line: month.k[line] * now - month.rho[line] * before
                                       for line in lines}

    def provide(self, month, nb, last_rate, late):
        """The provision for points given (2.5). What is owed for them is its share of the cost."""
        given, gb = month.given, self.g + month.g_back
        if not gb and not month.before.g:
            return {}
        undone = given.back if late else given.undone(last_rate)
        moved = self.used(month, per(gb, nb), per(month.before.g, month.before.issued))
        before, self.provided = self.provided, 0
        if self.issued and not self.done:
            self.provided = hu(self.g * (self.e - self.valued * M), self.issued * M)
        released = before + given.value - self.provided - (given.back - undone) - sum(moved.values())
        moved["released"] = released if abs(released) > NOISE else Fraction(0)
        moved["taken_back"] = Fraction(given.back - undone)
        granted, opening = self.grants.grow("granted", given.value), self.provision
        self.provision = hu(self.provided, M)
        fen, odd = self.grants.share(opening + granted - self.provision, moved)
        used = {"granted": granted - odd, "used_own": fen.pop("own", 0), "released": fen.pop("released", 0)}
        used |= {"taken_back": fen.pop("taken_back", 0), "used_other": sum(fen.values()), "provision": self.provision}
        owed = sum(hu(fen * (self.given + given.withdrawn), nb) for fen in month.payable.values())
        return used | {"provision_payable": owed}
