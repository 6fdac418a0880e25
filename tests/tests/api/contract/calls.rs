//! One good call of every operation.

use serde_json::{Value, json};

pub struct Call {
    pub operation: &'static str,
    pub role: &'static str,
    pub path: &'static str,
    pub body: Option<Value>,
}

/// In January, of a member with points, after a close: see `seen`.
pub fn calls() -> Vec<Call> {
    let call = |operation, role, path, body| Call { operation, role, path, body };
    let at = "2017-01-25T10:00:00+08:00";
    vec![
        call(
            "putAccrual",
            "grocery",
            "/v1/lines/grocery/accruals/C-1",
            Some(json!({ "member": "m1", "occurred_at": at, "amount": "10.00" })),
        ),
        call("getAccrual", "grocery", "/v1/lines/grocery/accruals/S-1", None),
        call(
            "putRedemption",
            "grocery",
            "/v1/lines/grocery/redemptions/C-2",
            Some(json!({ "member": "m1", "occurred_at": at, "points": 10, "bill": "20.00" })),
        ),
        call("getRedemption", "grocery", "/v1/lines/grocery/redemptions/R-1", None),
        call(
            "putReversal",
            "grocery",
            "/v1/lines/grocery/reversals/C-3",
            Some(json!({
                "member": "m1", "occurred_at": at, "points": 1,
                "reverses": { "kind": "redemption", "reference": "R-1" },
            })),
        ),
        call(
            "putEvents",
            "grocery",
            "/v1/lines/grocery/events",
            Some(json!({ "events": [
                { "kind": "accrual", "reference": "C-4", "member": "m1", "occurred_at": at, "amount": "10.00" },
                { "kind": "redemption", "reference": "C-5", "member": "m1", "occurred_at": at, "points": 1 },
            ] })),
        ),
        call("getReversal", "grocery", "/v1/lines/grocery/reversals/V-1", None),
        call("listLineEntries", "grocery", "/v1/lines/grocery/entries?period=2017-01", None),
        call("getPosition", "grocery", "/v1/lines/grocery/position?period=2017-01", None),
        call("quote", "members", "/v1/quotes", Some(json!({ "member": "m1", "line": "grocery", "points": 10 }))),
        call("getMember", "members", "/v1/members/m1", None),
        call("listMemberEntries", "members", "/v1/members/m1/entries", None),
        call("listPeriods", "finance", "/v1/periods", None),
        call("getPeriod", "finance", "/v1/periods/2017-01", None),
        call("closePeriod", "finance", "/v1/periods/2017-01/close", Some(json!({ "kind": "trial" }))),
        call("listPayments", "finance", "/v1/periods/2017-01/payments", None),
        call("confirmPayments", "finance", "/v1/periods/2017-01/payments", Some(json!({ "paid_on": "2017-02-10" }))),
        call("listReports", "finance", "/v1/periods/2017-01/reports", None),
        call("getReport", "finance", "/v1/periods/2017-01/reports/positions.csv", None),
    ]
}

impl Call {
    pub fn body(&self) -> String {
        self.body.as_ref().map(Value::to_string).unwrap_or_default()
    }
}
