"""A month of the programme through the client that openapi-python-client made of the contract.

month.py URL open|close     on the 31st of January, and on the morning after
"""

import datetime
import hashlib
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
from interline_client import AuthenticatedClient
from interline_client.api.events import (
    get_accrual,
    get_position,
    get_redemption,
    get_reversal,
    list_line_entries,
    put_accrual,
    put_events,
    put_redemption,
    put_reversal,
)
from interline_client.api.members import get_member, list_member_entries, quote
from interline_client.api.periods import close_period, get_period, get_report, list_periods, list_reports
from interline_client.models import (
    Accrual,
    AccrualBody,
    AccrualEvent,
    AccrualEventKind,
    AccrualWithRest,
    BadBodyProblem,
    BadPageProblem,
    CloseBody,
    CloseConflictProblem,
    Entries,
    EventAnswers,
    EventConflictProblem,
    EventsBody,
    ForbiddenProblem,
    Kind,
    Member,
    NotFoundProblem,
    PeriodDetail,
    Periods,
    Position,
    Quote,
    QuoteBody,
    Redemption,
    RedemptionBody,
    RedemptionEvent,
    RedemptionEventKind,
    RedemptionRefusedProblem,
    RedemptionWithRest,
    Reports,
    ReversalBody,
    ReversalOfAccrual,
    ReversalOfRedemption,
    RunKind,
    Started,
    TargetBody,
)
from interline_client.types import Response, Unset

URL, PART = sys.argv[1:]
SALES = 23
T = TypeVar("T")
checked = 0


def role(name: str) -> AuthenticatedClient:
    # No proxy of the environment lies before loopback.
    return AuthenticatedClient(
        base_url=URL, token=f"local-{name}", raise_on_unexpected_status=True, httpx_args={"trust_env": False}
    )


grocery, drugstore, finance, members = map(role, ("grocery", "drugstore", "finance", "members"))


def same(actual: object, expected: object, what: str) -> None:
    global checked
    checked += 1
    if actual != expected:
        raise SystemExit(f"{what}: {actual!r} instead of {expected!r}")


def answered(response: Response[Any], status: int, kind: type[T], what: str) -> T:
    """The answer, if it is of this status and was read as this class."""
    same(int(response.status_code), status, f"{what}: {response.content.decode()}: status")
    if not isinstance(response.parsed, kind):
        raise SystemExit(f"{what}: read as {type(response.parsed).__name__} instead of {kind.__name__}")
    # A field that the class does not have is a field that the contract does not have.
    same(getattr(response.parsed, "additional_properties", {}), {}, f"{what}: fields beyond the class")
    return response.parsed


def at(day: int, hour: int = 10) -> datetime.datetime:
    return datetime.datetime(2017, 1, day, hour, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))


def sale(number: int, amount: str = "25.00") -> Response[Any]:
    body = AccrualBody(member="m1", occurred_at=at(number), amount=amount)
    return put_accrual.sync_detailed("grocery", f"A-{number}", client=grocery, body=body)


def pages(what: str, page: Callable[..., Response[Any]], limit: int) -> list[Any]:
    """All entries, page by page."""
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(100):
        answer = answered(page(limit=limit, **({"cursor": cursor} if cursor else {})), 200, Entries, what)
        same(len(answer.entries) <= limit, True, f"{what}: entries of a page")
        found += answer.entries
        cursor = answer.next_cursor
        if cursor is None:
            return found
    raise SystemExit(f"{what} has no end")


def open_month() -> None:
    first = answered(sale(1), 201, Accrual, "a sale")
    same((first.points, first.balance, first.period), (25, 25, "2017-01"), "a sale")
    for number in range(2, SALES + 1):
        response = sale(number)
        same("Idempotent-Replayed" in response.headers, False, "a first answer as a replay")
        same(answered(response, 201, Accrual, "a sale").balance, 25 * number, "the balance after a sale")

    again = sale(1)
    same(answered(again, 200, Accrual, "a replay"), first, "a replay")
    same(again.headers.get("Idempotent-Replayed"), "true", "Idempotent-Replayed")
    conflict = answered(sale(1, "26.00"), 409, EventConflictProblem, "other content")
    same((conflict.type_, conflict.field), ("urn:interline:problem:conflict", "amount"), "other content")
    bad = answered(sale(2, "1.001"), 400, BadBodyProblem, "three decimals")
    same((bad.type_, bad.field), ("urn:interline:problem:invalid-field", "amount"), "three decimals")

    def ask(**wanted: Any) -> Quote:
        body = QuoteBody(member="m1", line="drugstore", **wanted)
        return answered(quote.sync_detailed(client=members, body=body), 200, Quote, "a quote")

    most = ask()
    same((most.balance, most.most, most.points, most.reason), (25 * SALES,) * 3 + (None,), "a quote of the most")
    same(ask(value="2.00").points, 200, "a quote by value")
    none = ask(points=1000)
    if none.reason is None:
        raise SystemExit(f"a quote of too much has no reason: {none}")
    same((none.points, none.reason.code), (0, "insufficient-points"), "a quote of too much")

    def redeem(reference: str, points: int) -> Response[Any]:
        body = RedemptionBody(member="m1", occurred_at=at(25), points=points)
        return put_redemption.sync_detailed("drugstore", reference, client=drugstore, body=body)

    taken = answered(redeem("R-1", 200), 201, Redemption, "a redemption")
    same((taken.value, taken.balance), ("2.00", 25 * SALES - 200), "a redemption")
    same(isinstance(taken.bill, Unset), True, "a redemption without a bill")
    if taken.indicative_settlement is None:
        raise SystemExit("a redemption without a settlement")
    owed = [(one.payer, one.payee, one.points) for one in taken.indicative_settlement.obligations]
    same((owed, taken.slices), ([], []), "what a line is told of others")
    refused = answered(redeem("R-2", 1000), 422, RedemptionRefusedProblem, "too many points")
    same((refused.type_, refused.field), ("urn:interline:problem:insufficient-points", "points"), "too many points")

    def reverse(client: AuthenticatedClient, line: str, reference: str, target: TargetBody, **part: Any) -> Any:
        body = ReversalBody(member="m1", occurred_at=at(26), reverses=target, **part)
        return put_reversal.sync_detailed(line, reference, client=client, body=body)

    target = TargetBody(kind=Kind.REDEMPTION, reference="R-1")
    back = answered(reverse(drugstore, "drugstore", "V-1", target, points=50), 201, ReversalOfRedemption, "points back")
    same((back.points, back.value, back.reverses.reference), (50, "0.50", "R-1"), "points back")
    target = TargetBody(kind=Kind.ACCRUAL, reference="A-2", on=at(2).date())
    refund = answered(reverse(grocery, "grocery", "V-2", target), 201, ReversalOfAccrual, "a refund")
    balance = 25 * SALES - 200 + 50 - 25
    same((refund.amount, refund.points, refund.balance), ("25.00", 25, balance), "a refund")

    shown = answered(get_accrual.sync_detailed("grocery", "A-2", client=finance, on=at(2).date()), 200,
                     AccrualWithRest, "a sale shown")
    same((shown.reversed_.amount, shown.left.amount, shown.left.points), ("25.00", "0.00", 0), "what is left of a sale")
    part = answered(get_redemption.sync_detailed("drugstore", "R-1", client=drugstore), 200, RedemptionWithRest,
                    "a redemption shown")
    same((part.reversed_.points, part.left.points), (50, 150), "what is left of a redemption")
    whole = answered(get_redemption.sync_detailed("drugstore", "R-1", client=finance), 200, RedemptionWithRest,
                     "a redemption shown to finance")
    if whole.indicative_settlement is None:
        raise SystemExit("a redemption without a settlement")
    owed = [(one.payer, one.payee, one.points) for one in whole.indicative_settlement.obligations]
    same(owed, [("grocery", "drugstore", 200)], "who owes whom")

    events = EventsBody(events=[
        AccrualEvent(kind=AccrualEventKind.ACCRUAL, reference="A-1", member="m1", occurred_at=at(1), amount="25.00"),
        RedemptionEvent(kind=RedemptionEventKind.REDEMPTION, reference="R-9", member="m1", occurred_at=at(26), points=9000),
    ])
    offline = answered(put_events.sync_detailed("grocery", client=grocery, body=events), 200, EventAnswers, "several")
    same([one.status for one in offline.answers], [200, 422], "a replay and a refusal in one call")
    same(answered(get_reversal.sync_detailed("grocery", "V-2", client=grocery), 200, ReversalOfAccrual, "a reversal"),
         refund, "a reversal shown")

    member = answered(get_member.sync_detailed("m1", client=members), 200, Member, "the member")
    same((member.balance, member.debts), (balance, []), "the member")
    same(sum(lot.points for lot in member.lots), balance, "the lots")
    answered(get_member.sync_detailed("nobody", client=members), 404, NotFoundProblem, "a member without events")
    forbidden = answered(get_member.sync_detailed("m1", client=grocery), 403, ForbiddenProblem, "a member, by a line")
    same(forbidden.type_, "urn:interline:problem:forbidden", "a member, by a line")

    statement = pages("the statement", lambda **page: list_member_entries.sync_detailed(
        "m1", client=members, **page), 4)
    kinds = [type(entry) for entry in statement]
    same([kinds.count(kind) for kind in (Accrual, Redemption, ReversalOfRedemption, ReversalOfAccrual)],
         [SALES, 1, 1, 1], "what the statement has")
    same(len({(entry.line, entry.kind.value, entry.reference) for entry in statement}), SALES + 3, "entries told twice")
    times = [entry.occurred_at for entry in statement]
    same(times, sorted(times, reverse=True), "the statement, newest first")
    of_kind = pages("sales", lambda **page: list_member_entries.sync_detailed(
        "m1", client=finance, kind=Kind.ACCRUAL, line="grocery", **page), 10)
    same([type(entry) for entry in of_kind], [Accrual] * SALES, "the sales of the statement")
    own = pages("the line's events", lambda **page: list_line_entries.sync_detailed(
        "grocery", client=grocery, period="2017-01", **page), 5)
    same(sorted(entry.reference for entry in own), sorted([f"A-{n}" for n in range(1, SALES + 1)] + ["V-2"]),
         "the line's events")
    nowhere = list_member_entries.sync_detailed("m1", client=members, cursor="x")
    page = answered(nowhere, 400, BadPageProblem, "a cursor that no list gave out")
    same(page.type_, "urn:interline:problem:invalid-cursor", "a cursor that no list gave out")

    early = answered(close_period.sync_detailed("2017-01", client=finance, body=CloseBody(kind=RunKind.FINAL)), 409,
                     CloseConflictProblem, "a final run in the month")
    same(early.type_, "urn:interline:problem:too-early", "a final run in the month")


def run(kind: RunKind) -> PeriodDetail:
    response = close_period.sync_detailed("2017-01", client=finance, body=CloseBody(kind=kind))
    started = answered(response, 202, Started, "a close")
    same((started.kind, response.headers.get("Location")), (kind, "/v1/periods/2017-01"), "a close")
    for _ in range(600):
        period = answered(get_period.sync_detailed("2017-01", client=finance), 200, PeriodDetail, "the period")
        if not isinstance(period.under_way, Unset) and period.under_way.failed is not None:
            raise SystemExit(f"the run failed: {period.under_way.failed}")
        done = period.trial if kind == RunKind.TRIAL else period.final
        if done is not None:
            same(done.run, started.run, "the run of the period")
            return period
        time.sleep(0.1)
    raise SystemExit("the run has no end")


def close_month() -> None:
    def position(line: str, client: AuthenticatedClient) -> Position:
        response = get_position.sync_detailed(line, client=client, period="2017-01")
        return answered(response, 200, Position, f"the position of {line}")

    missing = get_position.sync_detailed("grocery", client=grocery, period="2017-01")
    answered(missing, 404, NotFoundProblem, "a position before any run")
    same(run(RunKind.TRIAL).status.value, "open", "the period after a trial")
    trial = position("drugstore", drugstore)
    same(trial.run.kind, RunKind.TRIAL, "the run of the position")

    closed = run(RunKind.FINAL)
    if isinstance(closed.checklist, Unset):
        raise SystemExit("a closed period without a checklist")
    same((closed.status.value, closed.checklist.passed), ("final", True), "the period after its close")
    mine, theirs = position("drugstore", drugstore), position("grocery", finance)
    same((mine.run.kind, mine.net), (RunKind.FINAL, trial.net), "the position after the close")
    same(mine.is_owed, [], "what a line is told of pairs")
    (pair,) = position("drugstore", finance).is_owed
    # The rest is the platform's share.
    (other,) = [one for one in theirs.owes if one.counterparty != "group"]
    same((pair.counterparty, other.counterparty), ("grocery", "drugstore"), "the pair")
    same((pair.points, pair.events, other.points), (150, 2, 150), "the pair")
    again = close_period.sync_detailed("2017-01", client=finance, body=CloseBody(kind=RunKind.FINAL))
    final = answered(again, 409, CloseConflictProblem, "a second final run")
    same(final.type_, "urn:interline:problem:period-final", "a second final run")
    periods = answered(list_periods.sync_detailed(client=finance), 200, Periods, "the periods")
    same([(one.period, one.status.value) for one in periods.periods], [("2017-01", "final"), ("2017-02", "open")],
         "the periods")

    reports = answered(list_reports.sync_detailed("2017-01", client=finance), 200, Reports, "the reports")
    same(reports.kind, RunKind.FINAL, "the run of the reports")
    files = {file.path: file for file in reports.files}
    # Links need no credentials: the client's own, with its token, is not asked.
    with httpx.Client(trust_env=False) as plain:
        for file in reports.files:
            content = plain.get(file.url).raise_for_status().content
            same(hashlib.sha256(content).hexdigest(), file.sha256, f"SHA-256 of {file.path}")
            if not isinstance(file.bytes_, Unset):
                same(len(content), file.bytes_, f"bytes of {file.path}")
        redirect = get_report.sync_detailed("2017-01", "payments.csv", client=finance)
        same(int(redirect.status_code), 302, "a report")
        content = plain.get(redirect.headers["Location"]).raise_for_status().content
        same(hashlib.sha256(content).hexdigest(), files["payments.csv"].sha256, "SHA-256 behind the redirect")
    answered(get_report.sync_detailed("2017-01", "none.csv", client=finance), 404, NotFoundProblem, "no such report")

    late = answered(sale(SALES + 1), 201, Accrual, "a late sale")
    same((late.period, late.origin_period), ("2017-02", "2017-01"), "a late sale")


{"open": open_month, "close": close_month}[PART]()
print(f"  {PART}: {checked} checks")
