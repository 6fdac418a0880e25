"""Arithmetic, months and the look-ups of a rulebook (shared/domain/src/terms/rulebook/REFERENCE.md).

Units: a rate is an integer of 10^-8 (S); money is in minor units ("fen"), and in 10^-6 of one where a name says
`micro` (M); a month is an integer, year x 12 + month - 1.
"""

import datetime
import tomllib
from decimal import Decimal
from zoneinfo import ZoneInfo

S, M = 10**8, 10**6
NEVER = datetime.date.max
DECIMALS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "KWD": 3, "BHD": 3, "OMR": 3, "JOD": 3, "TND": 3}


def hu(numerator, denominator):
    """numerator / denominator to the nearest integer, halves away from zero."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def largest_remainder(total, weights):
    """Parts of `total` in proportion to weights that are not negative; equal remainders in the order given."""
    whole = sum(weights)
    if not whole:
        return [total] + [0] * (len(weights) - 1)
    parts = [abs(total) * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda at: (-(abs(total) * weights[at] % whole), at))
    for at in order[: abs(total) - sum(parts)]:
        parts[at] += 1
    return parts if total >= 0 else [-part for part in parts]


def scaled(text):
    return int(Decimal(str(text)) * S)


def month(text):
    return int(text[:4]) * 12 + int(text[5:7]) - 1


def month_of(day):
    return day.year * 12 + day.month - 1


def month_name(number):
    return f"{number // 12:04}-{number % 12 + 1:02}"


def first_day(number):
    return datetime.date(number // 12, number % 12 + 1, 1)


def last_day(number):
    return first_day(number + 1) - datetime.timedelta(days=1)


class Rulebook:
    def __init__(self, text):
        self.data = tomllib.loads(text)
        programme = self.data["programme"]
        self.zone = ZoneInfo(programme["time_zone"])
        self.first = month(programme["first_period"])
        self.minor = 10 ** DECIMALS.get(programme["currency"], 2)
        self.platform = programme["platform"]
        self.refund_months = programme.get("refund_months", 12)
        self.lines = {line["id"]: line for line in self.data["lines"]}
        self.found = {}

    def rule(self, section, day, **wanted):
        """The rule of a section on a day. A name goes before `*`, and an earlier key of `wanted` before a later."""
        key = (section, day, *wanted.values())
        if key not in self.found:
            self.found[key] = self._find(section, day.isoformat(), wanted)
        return self.found[key]

    def _find(self, section, day, wanted):
        best = (-1, None)
        for rule in self.data.get(section, []):
            named = [rule.get(name, "*") for name in wanted]
            fits = all(name in ("*", value) for name, value in zip(named, wanted.values()))
            if fits and rule.get("from", "") <= day <= rule.get("to", "9999"):
                score = sum(2 ** (len(named) - at) for at, name in enumerate(named) if name != "*")
                best = max(best, (score, rule), key=lambda found: found[0])
        return best[1]

    def day(self, moment):
        return moment.astimezone(self.zone).date()

    def takes_part(self, line, day):
        return self.lines[line].get("from", "") <= day.isoformat() <= self.lines[line].get("to", "9999")

    def life(self, funder, day):
        """Months after the month of issue; None: never."""
        rule = self.rule("expiry", day, funder=funder)
        return None if rule is None or rule.get("never") else rule["months"]

    def price(self, funder, redeemer, day):
        return scaled(self.rule("prices", day, funder=funder, redeemer=redeemer)["price"])

    def split(self, payer, redeemer, day):
        """(name, ((beneficiary, share), ..)); without a rule the redeemer gets all."""
        rule = self.rule("splits", day, payer=payer, redeemer=redeemer)
        if rule is None:
            return ("whole", (("redeemer", S),))
        return (rule["rule"], tuple((part["to"], scaled(part["share"])) for part in rule["shares"]))

    def tax(self, payer, payee, product, day):
        """(treatment, rate) of what one line pays another."""
        rule = self.rule("vat", day, funder=payer, redeemer=payee, product=product) or {"treatment": "none"}
        return (rule["treatment"], scaled(rule.get("rate", "0")))

    def liability(self, funder, issued):
        return self.rule("liability", first_day(issued), funder=funder)

    def initial(self, funder, issued):
        return scaled(self.liability(funder, issued).get("initial_urr", "1"))

    def policy(self, closed):
        """[[urr]] of a month that is closed, with its defaults (LIABILITY 1.3)."""
        rule = self.rule("urr", first_day(closed)) or {}
        default = {"method": "experience", "window_months": 12, "level_months": 6, "credibility": 300, "margin": "1",
                   "initial_months": 6, "floor": "0.05", "ignore_below": "0.25", "horizon_months": 60, "open_age": 24}
        policy = {name: rule.get(name, value) for name, value in default.items()}
        return policy | {name: scaled(policy[name]) for name in ("margin", "floor", "ignore_below")}

    def override(self, funder, issued, at):
        """The rate that a person set for points of a month, as of month `at`; one that names the funder goes first."""
        found = (0, None)
        for rule in self.data.get("urr_override", []):
            first, last = rule.get("issued_from", rule.get("issued")), rule.get("issued_to", rule.get("issued"))
            covers = month(first) <= issued <= month(last) and month(rule.get("close_from", "0001-01")) <= at
            score = {funder: 2, "*": 1}.get(rule["funder"], 0)
            if covers and score >= found[0] and score:
                found = (score, scaled(rule["urr"]))
        return found[1]
