fn checklist(inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Result<Vec<Check>, OutOfRange> {
    let tally = inputs.tally;
    let mut checks = Checks(Vec::new());
    checks.equal("all shards are read", usize::from(crate::limits::SHARDS), inputs.shards.len());
    if let Some(sealed) = inputs.sealed {
        checks.equal("all shards are sealed", usize::from(crate::limits::SHARDS), sealed);
    }
    if let Some(previous) = &inputs.previous {
        checks.equal("the previous period is the one before", inputs.period.previous(), previous.state.period);
        let recorded: BTreeSet<String> = previous.recorded.iter().map(ShardDigest::text).collect();
        let found: BTreeSet<String> = previous.found.iter().map(ShardDigest::text).collect();
        let unchanged = recorded.intersection(&found).count();
        checks.equal("sealed shards of the previous period are unchanged", recorded.len().max(found.len()), unchanged);
    }
    let entries: u64 = tally.controls.values().map(|control| control.events).sum();
    checks.equal("every entry is in a control total", tally.entries, entries);

    let splits = || settlement.splits.iter();
    let between: Money = Money::sum(splits().filter(|row| row.payer != row.beneficiary).map(|row| row.amount))?;
    checks.equal(
        "details = obligations before the split",
        tally.details.amount,
        Money::sum(tally.obligations.values().map(|obligation| obligation.amount))?,
    );
    checks.equal(
        "splits = obligations before the split",
        tally.details.amount,
        Money::sum(splits().map(|row| row.amount))?,
    );
    checks.equal(
        "bilateral = splits between lines",
        between,
        Money::sum(settlement.bilateral.iter().map(|row| row.amount))?,
    );
    let off = splits().filter(|row| row.rounding.abs() >= Decimal::new(1, 2)).count();
    checks.equal("shares a whole minor unit off", 0, off);
    checks.equal("net positions sum to zero", Money::ZERO, Money::sum(settlement.positions.iter().map(|row| row.net))?);
    let open = residual(nets, &settlement.payments)?.values().filter(|net| !net.is_zero()).count();
    checks.equal("nets left after payment", 0, open);

    let control = |kind: ControlKind| {
        Points::sum(tally.controls.iter().filter(|((_, of), _)| *of == kind).map(|(_, control)| control.points))
    };
    let flow = |kinds: &[FlowKind]| {
        Points::sum(tally.flows.iter().filter(|(key, _)| kinds.contains(&key.kind)).map(|(_, flow)| flow.points))
    };
    let rows = || settlement.roll_forward.iter();
    let issued = control(ControlKind::Accrual)?.plus(control(ControlKind::Adjustment)?)?;
    checks.equal("points issued = accruals and adjustments", issued, Points::sum(rows().map(|row| row.issued))?);
    let redeemed = control(ControlKind::Redemption)?.plus(control(ControlKind::Return)?)?;
    let rolled =
        Points::sum(rows().map(|row| row.redeemed_own))?.plus(Points::sum(rows().map(|row| row.redeemed_other))?)?;
    checks.equal(
        "points redeemed = redemptions, returns and repaid debts",
        redeemed.plus(flow(&[FlowKind::Repaid])?)?,
        rolled,
    );
    checks.equal(
        "points withdrawn = taken and owed",
        control(ControlKind::Withdrawal)?,
        flow(&[FlowKind::Taken, FlowKind::Owed])?,
    );
    let opening = Points::sum(rows().map(|row| row.opening))?;
    let moved = issued.minus(rolled)?.minus(flow(&[FlowKind::Taken])?)?;
    let expired = Points::sum(rows().map(|row| row.expired))?;
    let closing = Points::sum(rows().map(|row| row.closing))?;
    checks.equal("points opening + movements = closing", opening.plus(moved)?.minus(expired)?, closing);
    checks.equal("cohorts below zero", 0, rows().filter(|row| row.closing.is_negative()).count());
    Ok(checks.0)
}

impl ShardDigest {
    fn text(&self) -> String {
        format!("{}:{}:{}", self.shard, self.entries, self.digest)
    }
}

struct Checks(Vec<Check>);

impl Checks {
    fn equal<T: PartialEq + ToString>(&mut self, check: &str, expected: T, actual: T) {
        let pass = expected == actual;
        self.0.push(Check {
            check: check.to_owned(),
            expected: expected.to_string(),
            actual: actual.to_string(),
            pass,
        });
    }
}
