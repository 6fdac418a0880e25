//! The split of the obligations, and what lines owe each other by it.

use crate::close::carry::balances;
use crate::close::netting::{Nets, Payment};
use crate::close::settlement::{Bilateral, FundingRow, Position, SplitBase, SplitRow, State};
use crate::close::tally::{ObligationKey, Sum, Sums};
use crate::legs::Reason;
use crate::terms::rulebook::{Beneficiary, Product, Rulebook, VatRule};
use crate::terms::split::{FundingTerms, SplitTerms, WHOLE, above, parts};
use crate::units::allocate::largest_remainder;
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId, TaxCode};
use crate::units::limits::RATE_SCALE;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A row of the split report with what the bilateral matrix needs of it.
pub(super) struct Share {
    pub(super) row: SplitRow,
    /// By which events said it is.
    pub(super) code: Option<TaxCode>,
    /// How it is taxed.
    pub(super) vat: VatRule,
    prior_period: Money,
    /// On the redeeming line's own share.
    points: Points,
}

/// What is owed, shared out.
pub(super) struct Shared {
    pub(super) shares: Vec<Share>,
    pub(super) funding: Vec<FundingRow>,
    pub(super) carried: Vec<SplitBase>,
}

impl FundingRow {
    fn of(
        currency: Currency,
        of: &Base,
        (payer, share): (&LineId, Rate),
        grown: Grown,
        part: Grown,
    ) -> Result<Self, OutOfRange> {
        Ok(Self {
            scheme: of.scheme.clone(),
            rule: of.rule.clone(),
            payer: payer.clone(),
            redeemer: of.redeemer.clone(),
            share,
            base: grown.of_period()?,
            amount: part.of_period()?,
            cumulative_base: grown.after,
            cumulative_amount: part.after,
            cap_left: None,
            rounding: match of.funding.over {
                None => rounding(currency, (grown.after, share), part.after)?,
                // Above a cap there is no exact share.
                Some(_) => Decimal::ZERO,
            },
        })
    }

    fn order(&self) -> (SchemeId, LineId, LineId, String) {
        (self.scheme.clone(), self.payer.clone(), self.redeemer.clone(), self.rule.clone())
    }
}

/// What a party has got above its exact share of a base, in currency units.
fn rounding(currency: Currency, (base, share): (Money, Rate), got: Money) -> Result<Decimal, OutOfRange> {
    let exact = i128::from(base.minor()).checked_mul(share.scaled()).ok_or(OutOfRange)?;
    let above = i128::from(got.minor()).checked_mul(Rate::SCALE).ok_or(OutOfRange)? - exact;
    let rounding = Decimal::try_from_i128_with_scale(above, RATE_SCALE + u32::from(currency.decimals()));
    Ok(rounding.map_err(|_| OutOfRange)?.normalize())
}

/// What is shared out together, over all months: the reasons that are split, or one
/// that is not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Base {
    scheme: SchemeId,
    funding: FundingTerms,
    redeemer: LineId,
    /// As reports call it; they are in this order.
    rule: String,
    unsplit: Option<Reason>,
    terms: Option<SplitTerms>,
    vat_from: Period,
    tax: Option<TaxCode>,
}

impl Base {
    fn of(key: &ObligationKey) -> Self {
        let ObligationKey { scheme, funding, redeemer, reason, terms, vat_from, tax, .. } = key.clone();
        let unsplit = (!reason.row().is_split).then_some(reason);
        let rule = reason.rule_word(terms.as_ref()).to_owned();
        Self { scheme, funding, redeemer, rule, unsplit, terms, vat_from, tax }
    }

    fn carried(base: &SplitBase) -> Self {
        let SplitBase { scheme, funding, redeemer, unsplit, terms, vat_from, tax, .. } = base.clone();
        // By any of the reasons that are split.
        let rule = unsplit.unwrap_or(Reason::Redemption).rule_word(terms.as_ref()).to_owned();
        Self { scheme, funding, redeemer, rule, unsplit, terms, vat_from, tax }
    }

    /// What the redeeming line's own share pays for: the same for all reasons that are split.
    fn supply(&self) -> Product {
        self.unsplit.unwrap_or(Reason::Redemption).supply()
    }

    fn shares(&self) -> &[(Beneficiary, Rate)] {
        self.terms.as_ref().map_or(WHOLE, |terms| &terms.shares)
    }
}

/// A sum before the period, without what came late in it, and after it. What came late comes
/// last, so that its part can be told apart.
#[derive(Clone, Copy)]
struct Grown {
    before: Money,
    in_time: Money,
    after: Money,
}

impl Grown {
    /// Each party's part of it.
    fn shared<P>(self, shares: &[(P, Rate)]) -> Result<Vec<Grown>, OutOfRange> {
        let [before, in_time, after] = [self.before, self.in_time, self.after].map(|base| parts(shares, base));
        let each = before?.into_iter().zip(in_time?).zip(after?);
        Ok(each.map(|((before, in_time), after)| Grown { before, in_time, after }).collect())
    }

    fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        let (before, in_time) = (self.before.plus(other.before)?, self.in_time.plus(other.in_time)?);
        Ok(Self { before, in_time, after: self.after.plus(other.after)? })
    }

    fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        let (before, in_time) = (self.before.minus(other.before)?, self.in_time.minus(other.in_time)?);
        Ok(Self { before, in_time, after: self.after.minus(other.after)? })
    }

    fn of_period(self) -> Result<Money, OutOfRange> {
        self.after.minus(self.before)
    }
}

/// What is owed is shared twice, each time by the largest remainders of cumulative sums: first
/// among those who bear the cost of the claims, then among those who are paid. So nobody's part
/// is ever a minor unit from its exact share, on either side.
pub(super) fn shares(
    rulebook: &Rulebook,
    obligations: &Sums<ObligationKey>,
    previous: Option<&State>,
) -> Result<Shared, OutOfRange> {
    let mut bases: BTreeMap<Base, Moved> = BTreeMap::new();
    for carried in previous.into_iter().flat_map(|state| &state.splits) {
        let of = bases.entry(Base::carried(carried)).or_default();
        (of.before, of.above) = (carried.base, carried.above.clone());
    }
    for (key, obligation) in obligations {
        bases.entry(Base::of(key)).or_default().obligation.merge(obligation)?;
    }
    let capped = capped(&bases)?;
    let (mut shares, mut funding, mut carried) = (Vec::new(), Vec::new(), Vec::new());
    for (of, moved) in bases {
        let (grown, obligation) = (moved.grown()?, moved.obligation);
        let mut parts = grown.shared(&of.funding.shares)?;
        let caps = capped.get(&of).map_or(&[][..], Vec::as_slice);
        for Capped { payer, over, above, .. } in caps {
            parts[*payer] = parts[*payer].minus(*above)?;
            parts[*over] = parts[*over].plus(*above)?;
        }
        let is_moved = parts.iter().any(|part| part.before != part.after);
        if obligation.events > 0 || is_moved {
            let weights: Vec<i128> = of.funding.shares.iter().map(|(_, share)| share.scaled()).collect();
            let points = largest_remainder(obligation.points.get(), &weights)?;
            for (at, (((payer, share), part), points)) in of.funding.shares.iter().zip(parts).zip(points).enumerate() {
                if !rulebook.is_line(&of.scheme) {
                    let cap = caps.iter().find(|cap| cap.payer == at);
                    let row = FundingRow::of(rulebook.currency, &of, (payer, *share), grown, part)?;
                    funding.push(FundingRow { cap_left: cap.map(|cap| cap.left), ..row });
                }
                // A funder that redeems owes itself nothing.
                if *payer != of.redeemer {
                    shared_out(&of, rulebook, payer, part, Points::new(points), &mut shares)?;
                }
            }
        }
        let above = caps.iter().filter(|cap| !cap.above.after.is_zero());
        let above = above.map(|cap| (of.funding.shares[cap.payer].0.clone(), cap.above.after)).collect();
        let Base { scheme, funding, redeemer, unsplit, terms, vat_from, tax, .. } = of;
        carried.push(SplitBase { scheme, funding, redeemer, unsplit, terms, vat_from, tax, base: grown.after, above });
    }
    let order = |share: &Share| {
        let SplitRow { payer, redeemer, rule, .. } = &share.row;
        (payer.clone(), redeemer.clone(), rule.clone())
    };
    shares.sort_by_cached_key(order);
    funding.sort_by_cached_key(FundingRow::order);
    Ok(Shared { shares, funding, carried })
}

/// What a base was, what it got, and what of it was above caps.
#[derive(Default)]
struct Moved {
    before: Money,
    obligation: Sum,
    above: BTreeMap<LineId, Money>,
}

impl Moved {
    fn grown(&self) -> Result<Grown, OutOfRange> {
        let after = self.before.plus(self.obligation.amount)?;
        Ok(Grown { before: self.before, in_time: after.minus(self.obligation.prior_period)?, after })
    }
}

/// What is taken off a funder's part of a base, and who bears it: places among the shares.
struct Capped {
    payer: usize,
    over: usize,
    above: Grown,
    /// What the funder may still bear of all bases under the same terms.
    left: Money,
}

/// What is above caps, which funders have of all bases under the same terms together.
fn capped(bases: &BTreeMap<Base, Moved>) -> Result<BTreeMap<Base, Vec<Capped>>, OutOfRange> {
    let mut groups: BTreeMap<(&SchemeId, &FundingTerms), Vec<(&Base, &Moved)>> = BTreeMap::new();
    for (of, moved) in bases.iter().filter(|(of, _)| of.funding.over.is_some()) {
        groups.entry((&of.scheme, &of.funding)).or_default().push((of, moved));
    }
    let mut found: BTreeMap<Base, Vec<Capped>> = BTreeMap::new();
    for ((_, terms), group) in groups {
        let place = |line: &LineId| terms.shares.iter().position(|(of, _)| of == line);
        for (line, cap) in &terms.caps {
            let (Some(payer), Some(over)) = (place(line), terms.over.as_ref().and_then(place)) else { continue };
            let mut parts = Vec::new();
            for (_, moved) in &group {
                parts.push(moved.grown()?.shared(&terms.shares)?.swap_remove(payer));
            }
            let of = |stage: fn(&Grown) -> Money| parts.iter().map(stage).collect::<Vec<Money>>();
            let (before, in_time, after) = (of(|of| of.before), of(|of| of.in_time), of(|of| of.after));
            let taken: Vec<Money> =
                group.iter().map(|(_, moved)| moved.above.get(line).copied().unwrap_or_default()).collect();
            let above = |now: &[Money]| above(*cap, &taken, &before, now);
            let (in_time, now) = (above(&in_time)?, above(&after)?);
            let borne = Money::sum(after.iter().copied())?.minus(Money::sum(now.iter().copied())?)?;
            let left = cap.minus(borne)?;
            for (at, (of, _)) in group.iter().enumerate() {
                let above = Grown { before: taken[at], in_time: in_time[at], after: now[at] };
                found.entry((*of).clone()).or_default().push(Capped { payer, over, above, left });
            }
        }
    }
    Ok(found)
}

/// Who pays whom what part of what a payer owes at a line.
pub(super) struct Due<'a> {
    pub(super) payer: &'a LineId,
    pub(super) beneficiary: &'a LineId,
    pub(super) product: Product,
    pub(super) share: Rate,
    /// Of the shares that it is made of.
    places: Vec<usize>,
}

impl Due<'_> {
    /// How it is taxed, and by which code if the events said one.
    pub(super) fn taxed<'t>(
        &self,
        rulebook: &Rulebook,
        vat_from: Period,
        tax: Option<&'t TaxCode>,
    ) -> (Option<&'t TaxCode>, VatRule) {
        let rule = rulebook.vat_of(self.payer, self.beneficiary, self.product, vat_from, tax);
        (tax.filter(|_| self.product == Product::Redemption), rule)
    }
}

/// What becomes of shares of what `payer` owes `redeemer` for `supply`: one by one; but what the redeeming line pays
/// to others it is paid itself.
pub(super) fn dues<'a>(
    rulebook: &Rulebook,
    shares: &'a [(Beneficiary, Rate)],
    (payer, redeemer): (&'a LineId, &'a LineId),
    supply: Product,
) -> Result<Vec<Due<'a>>, OutOfRange> {
    let due =
        |payer, beneficiary, product, share, place| Due { payer, beneficiary, product, share, places: vec![place] };
    let mut dues: Vec<Due<'a>> = Vec::new();
    for (place, (to, share)) in shares.iter().enumerate() {
        let other = to.other_than(redeemer);
        match to {
            Beneficiary::Redeemer | Beneficiary::Line(_) => dues.push(match other {
                None => due(payer, redeemer, supply, *share, place),
                Some(line) => due(payer, line, rulebook.split_off(line), *share, place),
            }),
            Beneficiary::Charged(_) => {
                match dues.iter_mut().find(|due| due.beneficiary == redeemer) {
                    Some(own) => {
                        own.share = Rate::from_scaled(own.share.scaled() + share.scaled())?;
                        own.places.push(place);
                    }
                    None => dues.push(due(payer, redeemer, supply, *share, place)),
                }
                dues.extend(other.map(|line| due(redeemer, line, rulebook.split_off(line), *share, place)));
            }
        }
    }
    Ok(dues)
}

/// Shares out what a payer's part has grown by.
fn shared_out(
    of: &Base,
    rulebook: &Rulebook,
    payer: &LineId,
    part: Grown,
    mut points: Points,
    shares: &mut Vec<Share>,
) -> Result<(), OutOfRange> {
    let parts = part.shared(of.shares())?;
    for due in dues(rulebook, of.shares(), (payer, &of.redeemer), of.supply())? {
        let (code, vat) = due.taxed(rulebook, of.vat_from, of.tax.as_ref());
        let Due { payer, beneficiary, product, share, places } = due;
        let mut grown = Grown { before: Money::ZERO, in_time: Money::ZERO, after: Money::ZERO };
        for one in places.iter().filter_map(|place| parts.get(*place)) {
            grown = grown.plus(*one)?;
        }
        shares.push(Share {
            vat,
            code: code.cloned(),
            row: SplitRow {
                payer: payer.clone(),
                redeemer: of.redeemer.clone(),
                product,
                beneficiary: beneficiary.clone(),
                rule: of.rule.clone(),
                share,
                base: part.of_period()?,
                amount: grown.of_period()?,
                cumulative_base: part.after,
                cumulative_amount: grown.after,
                rounding: rounding(rulebook.currency, (part.after, share), grown.after)?,
            },
            prior_period: grown.after.minus(grown.in_time)?,
            points: if product == of.supply() { std::mem::take(&mut points) } else { Points::ZERO },
        });
    }
    Ok(())
}

pub(super) fn bilateral(shares: &[Share], entries: &Sums<(LineId, LineId)>) -> Result<Vec<Bilateral>, OutOfRange> {
    let mut pairs: BTreeMap<(LineId, LineId), Bilateral> = BTreeMap::new();
    // A line that has a share of what it pays itself owes itself nothing.
    for share in shares.iter().filter(|share| share.row.payer != share.row.beneficiary) {
        let pair = (share.row.payer.clone(), share.row.beneficiary.clone());
        let row = pairs.entry(pair.clone()).or_insert_with(|| Bilateral {
            events: entries.get(&pair).map_or(0, |sum| sum.events),
            payer: pair.0,
            payee: pair.1,
            points: Points::ZERO,
            amount: Money::ZERO,
            prior_period: Money::ZERO,
            net: Money::ZERO,
        });
        row.points.add(share.points)?;
        row.amount.add(share.row.amount)?;
        row.prior_period.add(share.prior_period)?;
    }
    let amounts: BTreeMap<(LineId, LineId), Money> =
        pairs.iter().map(|(pair, row)| (pair.clone(), row.amount)).collect();
    let mut rows: Vec<Bilateral> = pairs.into_values().collect();
    for row in &mut rows {
        let back = amounts.get(&(row.payee.clone(), row.payer.clone())).copied().unwrap_or_default();
        row.net = row.amount.minus(back)?;
    }
    Ok(rows)
}

pub(super) fn positions(
    rulebook: &Rulebook,
    bilateral: &[Bilateral],
    shares: &[Share],
    nets: &Nets,
    carried: [&[Payment]; 2],
) -> Result<Vec<Position>, OutOfRange> {
    let [before, after] = [balances(carried[0])?, balances(carried[1])?];
    let mut positions = Vec::new();
    for line in &rulebook.lines {
        let line = &line.id;
        let pays = || bilateral.iter().filter(|row| row.payer == *line);
        let receives = || bilateral.iter().filter(|row| row.payee == *line);
        let fees = shares.iter().map(|share| &share.row).filter(|row| {
            row.product == Product::PlatformFee
                && row.beneficiary == rulebook.platform
                && row.payer == *line
                && row.payer != row.beneficiary
        });
        let prior = Money::sum(receives().map(|row| row.prior_period))?;
        let of = |nets: &Nets| nets.get(line).copied().unwrap_or_default();
        let (net, carried_before, carried_after) = (of(nets), of(&before), of(&after));
        positions.push(Position {
            line: line.clone(),
            gross_payable: Money::sum(pays().map(|row| row.amount))?,
            gross_receivable: Money::sum(receives().map(|row| row.amount))?,
            platform_fee: Money::sum(fees.map(|row| row.amount))?,
            prior_period: prior.minus(Money::sum(pays().map(|row| row.prior_period))?)?,
            net,
            carried_before,
            carried_after,
            to_pay: net.plus(carried_before)?.minus(carried_after)?,
        });
    }
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::settlement::UrrState;
    use proptest::prelude::*;

    fn line(id: &str) -> LineId {
        LineId::parse(id).unwrap()
    }

    fn key(funding: &str, redeemer: &str, split: Option<&str>) -> ObligationKey {
        ObligationKey {
            scheme: SchemeId::parse("c-618").unwrap(),
            funding: FundingTerms::parse(funding).unwrap(),
            redeemer: line(redeemer),
            reason: Reason::Redemption,
            terms: split.map(|split| SplitTerms::parse(split).unwrap()),
            vat_from: Period::parse("2025-01").unwrap(),
            origin: Period::parse("2025-06").unwrap(),
            tax: None,
        }
    }

    /// Nothing of it but the currency is asked for, and VAT, of which there is none.
    fn rulebook() -> Rulebook {
        Rulebook::parse(include_str!("../../../tests/golden/small.toml")).unwrap()
    }

    fn state(splits: Vec<SplitBase>) -> State {
        State {
            period: Period::parse("2025-06").unwrap(),
            cohorts: Vec::new(),
            splits,
            debts: Vec::new(),
            taxes: Vec::new(),
            liability: Vec::new(),
            urr: UrrState::default(),
            carried: Vec::new(),
            schemes: Vec::new(),
            sale_days: BTreeMap::new(),
        }
    }

    /// `payer>beneficiary amount` of each month, whatever the months bring.
    fn months(key: &ObligationKey, amounts: &[i64]) -> Vec<Vec<String>> {
        let rulebook = rulebook();
        let mut previous = state(Vec::new());
        let month = |amount: &i64| {
            let sum =
                Sum { events: 1, points: Points::new(*amount), amount: Money::from_minor(*amount), ..Sum::default() };
            let Shared { shares: rows, carried, .. } =
                shares(&rulebook, &Sums::from([(key.clone(), sum)]), Some(&previous)).unwrap();
            previous = state(carried);
            let row = |share: Share| {
                let SplitRow { payer, beneficiary, amount, .. } = share.row;
                format!("{payer}>{beneficiary} {}", amount.minor())
            };
            rows.into_iter().map(row).collect()
        };
        amounts.iter().map(month).collect()
    }

    const SPONSORS: &str = "c-618 ml=0.5 ht=0.3 hq=0.2";

    #[test]
    fn what_several_funders_owe_is_shared_among_them_and_then_among_those_who_are_paid() {
        let key = key(SPONSORS, "ht", Some("standard redeemer=0.97 hq=0.03"));
        let found = months(&key, &[20_000]);
        // The redeeming line bears 6,000 itself, and headquarters owes itself its 3 %.
        assert_eq!(found, [["hq>ht 3880", "hq>hq 120", "ml>ht 9700", "ml>hq 300"]]);
    }

    #[test]
    fn funders_bear_their_shares_of_all_months_together() {
        let thirds = key("thirds a=0.33333333 b=0.33333333 c=0.33333334", "dn", None);
        let found: Vec<String> = months(&thirds, &[10, 10, 10, 10]).iter().map(|month| month.join(", ")).collect();
        assert_eq!(
            found,
            ["a>dn 3, b>dn 3, c>dn 4", "a>dn 4, b>dn 3, c>dn 3", "a>dn 3, b>dn 4, c>dn 3", "a>dn 3, b>dn 3, c>dn 4"]
        );
        let found = months(&key(SPONSORS, "dn", None), &[7_493, -2_250]);
        assert_eq!(found[0], ["hq>dn 1499", "ht>dn 2248", "ml>dn 3746"]);
        // 2,621, 1,573 and 1,049 of 5,243 are left.
        assert_eq!(found[1], ["hq>dn -450", "ht>dn -675", "ml>dn -1125"]);
    }

    proptest! {
        #[test]
        fn neither_a_funder_nor_a_beneficiary_is_ever_a_minor_unit_from_its_exact_share(
            amounts in prop::collection::vec(-5_000_i64..20_000, 1..24),
            weights in (1_i64..99, 1_i64..99),
        ) {
            let (a, b) = weights;
            let (first, second) = (a * 1_000_000, (100 - a) * 1_000_000);
            let share = |scaled: i64| Rate::parse(&Decimal::new(scaled, 8).to_string()).unwrap();
            let mut key = key("x ml=1", "dn", Some("s redeemer=1"));
            key.funding.shares = vec![(line("ml"), share(first)), (line("hq"), share(second))];
            let fee = share(b * 1_000_000);
            let kept = share((100 - b) * 1_000_000);
            key.terms.as_mut().unwrap().shares = vec![(Beneficiary::Redeemer, kept), (Beneficiary::Line(line("hq")), fee)];
            let rulebook = rulebook();
            let mut previous = state(Vec::new());
            let (mut base, mut paid) = (0_i128, BTreeMap::<(LineId, LineId), i128>::new());
            for amount in amounts {
                let sum = Sum { events: 1, amount: Money::from_minor(amount), ..Sum::default() };
                let Shared { shares: rows, carried, .. } =
                    shares(&rulebook, &Sums::from([(key.clone(), sum)]), Some(&previous)).unwrap();
                previous = state(carried);
                base += i128::from(amount);
                for Share { row, .. } in rows {
                    *paid.entry((row.payer, row.beneficiary)).or_default() += i128::from(row.amount.minor());
                }
                for (payer, weight) in &key.funding.shares {
                    let of = paid.iter().filter(|((of, _), _)| of == payer);
                    let bears: i128 = of.map(|(_, amount)| *amount).sum();
                    prop_assert!((bears * Rate::SCALE - base * weight.scaled()).abs() < Rate::SCALE);
                    let exact = bears * fee.scaled();
                    let got = paid[&(payer.clone(), line("hq"))];
                    prop_assert!((got * Rate::SCALE - exact).abs() < Rate::SCALE);
                }
                prop_assert_eq!(paid.values().sum::<i128>(), base);
            }
        }
    }
}
