//! Entries folded into sums: names are compared where they lie, and nothing is copied or
//! looked up in the rulebook twice but for what an entry says first.

use super::bills::Bills;
use super::rates::SaleRates;
use super::sums::{
    AwardKey, AwardSum, CostKey, DeemedKey, FlowKey, ObligationKey, SalesKey, SponsoredSales, Sum, Tally, count,
};
use crate::actuarial::liability::{GroupSale, Sale, SaleStanding, Sponsored, Valuation, Valued};
use crate::claims::lot::{Borne, Cohort};
use crate::events::Entry;
use crate::legs::{AwardLeg, ClaimsLeg, ControlKind, FlowKind, IssueLeg, Leg, OwedLeg, RatingError, Reason, tax_rate};
use crate::terms::rulebook::{Beneficiary, LiabilityTerms, Product, Rulebook, VatRule, VatTreatment};
use crate::terms::split::SplitTerms;
use crate::units::calendar::Period;
use crate::units::id::{LineId, MemberId, SchemeId, TaxCode};
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use crate::units::shard::Shard;
use chrono::{Datelike, NaiveDate};
use foldhash::fast::FixedState;
use hashbrown::{Equivalent, HashMap, HashSet};
use std::collections::BTreeMap;
use std::hash::Hash;

/// One row of the detail part.
#[derive(Debug, Clone, Copy)]
pub struct Detail<'a> {
    pub entry: &'a Entry,
    pub slice: OwedLeg<'a>,
    /// What reports call the rule that it is split by.
    pub rule: &'a str,
    /// Whether another line than the redeeming one owes for it.
    pub crosses_lines: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    #[error("entry {entry}: {source}")]
    Rating { entry: String, source: RatingError },
    #[error("entry {entry} of {period} stands in shard {shard} of {found}")]
    Misplaced { entry: String, period: Period, shard: Shard, found: String },
}

/// Values by key, one after another in the order in which they were first met.
struct Slots<K, V> {
    places: HashMap<K, usize, FixedState>,
    slots: Vec<(K, V)>,
    last: usize,
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Self { places: HashMap::default(), slots: Vec::new(), last: 0 }
    }
}

impl<K: Hash + Eq + Clone, V> Slots<K, V> {
    /// The value of a key, which is made only where it is new. Entries come in the order of
    /// line and kind, so mostly it is the one before.
    fn of(&mut self, parts: &(impl Hash + Equivalent<K>), new: impl FnOnce() -> (K, V)) -> &mut V {
        if !self.slots.get(self.last).is_some_and(|(key, _)| parts.equivalent(key)) {
            self.last = match self.places.get(parts) {
                Some(at) => *at,
                None => {
                    let (key, value) = new();
                    self.places.insert(key.clone(), self.slots.len());
                    self.slots.push((key, value));
                    self.slots.len() - 1
                }
            };
        }
        &mut self.slots[self.last].1
    }
}

/// A key by parts that lie elsewhere; they hash as those of the key do.
#[derive(Hash)]
struct Parts<A, B, C, D>(A, B, C, D);

#[derive(Clone, PartialEq, Eq, Hash)]
struct TermsKey {
    scheme: SchemeId,
    redeemer: LineId,
    reason: Reason,
    /// Of the issue, where the scheme is no line's: its funders are of that month.
    issued: Option<Period>,
    day: NaiveDate,
    tax: Option<TaxCode>,
}

type OfDay<'a> = (Option<Period>, NaiveDate, Option<&'a TaxCode>);

impl Equivalent<TermsKey> for Parts<&SchemeId, &LineId, Reason, OfDay<'_>> {
    fn equivalent(&self, key: &TermsKey) -> bool {
        let Self(scheme, redeemer, reason, (issued, day, tax)) = self;
        **scheme == key.scheme
            && *issued == key.issued
            && **redeemer == key.redeemer
            && *reason == key.reason
            && *day == key.day
            && *tax == key.tax.as_ref()
    }
}

impl Equivalent<CostKey> for Parts<(&Cohort, &LineId), &LineId, Rate, Rate> {
    fn equivalent(&self, key: &CostKey) -> bool {
        let Self((cohort, payer), line, share, deductible) = self;
        *share == key.share
            && *deductible == key.deductible
            && **line == key.line
            && **payer == key.of.payer
            && **cohort == key.of.cohort
    }
}

impl Equivalent<FlowKey> for Parts<&Cohort, &LineId, FlowKind, ()> {
    fn equivalent(&self, key: &FlowKey) -> bool {
        let Self(cohort, counterparty, kind, ()) = self;
        *kind == key.kind && **counterparty == key.counterparty && **cohort == key.cohort
    }
}

impl Equivalent<Cohort> for Parts<&Cohort, (), (), ()> {
    fn equivalent(&self, key: &Cohort) -> bool {
        *self.0 == *key
    }
}

impl Equivalent<(Borne, LineId)> for Parts<&Borne, &LineId, (), ()> {
    fn equivalent(&self, (of, line): &(Borne, LineId)) -> bool {
        *self.1 == *line && *self.0 == *of
    }
}

impl Equivalent<(LineId, Period)> for Parts<&LineId, Period, (), ()> {
    fn equivalent(&self, (line, month): &(LineId, Period)) -> bool {
        self.1 == *month && *self.0 == *line
    }
}

impl Equivalent<(LineId, ControlKind)> for Parts<&LineId, ControlKind, (), ()> {
    fn equivalent(&self, (line, kind): &(LineId, ControlKind)) -> bool {
        self.1 == *kind && *self.0 == *line
    }
}

/// What is owed under the same terms.
struct Owed {
    key: ObligationKey,
    rule: String,
    crosses_lines: bool,
    sum: Sum,
    /// What the redeeming line is owed of each payer's part, and VAT that this one deducts of that.
    costs: Vec<(LineId, Rate, Rate)>,
    /// VAT that the line owes for honouring points of its own.
    deemed: Option<Rate>,
    /// The places of those who pay.
    pairs: Vec<usize>,
}

struct Pair {
    payer: LineId,
    redeemer: LineId,
    entries: u64,
    /// The last entry that was counted, so that none is twice.
    last: u64,
}

/// A cohort's sales and gifts in the books of those who bear its cost, and by which terms they are valued.
struct Issued {
    /// Whether the seller's share is a part of the sale's price.
    is_allocated: bool,
    payers: Vec<(Borne, Option<Valuation>, Valued)>,
}

/// What an entry issued of a cohort, or took back.
#[derive(Clone, Copy)]
struct Met<'a> {
    /// The cohort's place.
    at: usize,
    leg: IssueLeg<'a>,
}

/// Folds the entries of one shard. The same for a trial and a final run.
pub struct Fold<'r> {
    rulebook: &'r Rulebook,
    rates: &'r SaleRates,
    period: Period,
    shard: Shard,
    entries: u64,
    /// Those whose shard it is known to be.
    members: HashSet<MemberId, FixedState>,
    controls: Slots<(LineId, ControlKind), Sum>,
    unearned: BTreeMap<LineId, Sum>,
    sales: BTreeMap<SalesKey, Sum>,
    days: Slots<(LineId, Period), [u64; 31]>,
    bills: Bills,
    issued: Slots<Cohort, Issued>,
    /// How sellers' sales of a month are taxed.
    selling: Slots<(LineId, Period), Option<Sale>>,
    sponsored: Slots<(Borne, LineId), Sponsored>,
    flows: Slots<FlowKey, Sum>,
    costs: Slots<CostKey, Sum>,
    awarded: BTreeMap<AwardKey, (Sum, HashSet<MemberId, FixedState>)>,
    repaid: BTreeMap<SchemeId, Points>,
    deemed: BTreeMap<DeemedKey, Sum>,
    /// The place in `owed` of what was looked up once.
    terms: Slots<TermsKey, usize>,
    owed: Vec<Owed>,
    pairs: Vec<Pair>,
    details: Sum,
}

impl<'r> Fold<'r> {
    /// `rates`: what the closes before expect of points.
    pub fn new(rulebook: &'r Rulebook, rates: &'r SaleRates, period: Period, shard: Shard) -> Self {
        Self {
            rulebook,
            rates,
            period,
            shard,
            entries: 0,
            members: HashSet::default(),
            controls: Slots::default(),
            unearned: BTreeMap::new(),
            sales: BTreeMap::new(),
            days: Slots::default(),
            bills: Bills::default(),
            issued: Slots::default(),
            selling: Slots::default(),
            sponsored: Slots::default(),
            flows: Slots::default(),
            costs: Slots::default(),
            awarded: BTreeMap::new(),
            repaid: BTreeMap::new(),
            deemed: BTreeMap::new(),
            terms: Slots::default(),
            owed: Vec::new(),
            pairs: Vec::new(),
            details: Sum::default(),
        }
    }

    /// Takes an entry in; `detail` gets each of its rows.
    ///
    /// # Errors
    ///
    /// What `detail` answers, an entry of another period or shard, or one that the rulebook
    /// has no price for.
    pub fn add<E: From<TallyError>>(
        &mut self,
        entry: &Entry,
        mut detail: impl FnMut(Detail<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.placed(entry)?;
        let mut refused = None;
        let rated = self.rated(entry, &mut |row| match detail(row) {
            Ok(()) => Ok(()),
            Err(error) => {
                refused = Some(error);
                Err(OutOfRange)
            }
        });
        match (refused, rated) {
            (Some(error), _) => Err(error),
            (None, Err(source)) => Err(TallyError::Rating { entry: entry.name(), source }.into()),
            (None, Ok(())) => Ok(()),
        }
    }

    fn placed(&mut self, entry: &Entry) -> Result<(), TallyError> {
        let member = &entry.head.member;
        if entry.booked == self.period && self.members.contains(member) {
            return Ok(());
        }
        let shard = self.shard.of().of(member);
        if entry.booked != self.period || shard != self.shard {
            let found = format!("{}#{}", self.period, self.shard);
            return Err(TallyError::Misplaced { entry: entry.name(), period: entry.booked, shard, found });
        }
        self.members.insert(member.clone());
        Ok(())
    }

    fn rated(
        &mut self,
        entry: &Entry,
        detail: &mut dyn FnMut(Detail<'_>) -> Result<(), OutOfRange>,
    ) -> Result<(), RatingError> {
        count(&mut self.entries, 1)?;
        let (rulebook, late) = (self.rulebook, entry.is_late());
        let (mut settled, mut met) = (Money::ZERO, Vec::new());
        entry.event.legs(&entry.head, rulebook, &mut |leg| match leg {
            Leg::Claims(ClaimsLeg { cohort, with, flow, points, amount }) => {
                self.flow(cohort, with, flow, points, amount, late)
            }
            Leg::Owed(slice) => {
                match slice.reason {
                    Reason::Redemption | Reason::Return => settled.add(slice.amount)?,
                    Reason::Repayment => {}
                }
                self.owed(entry, slice, late, detail)
            }
            Leg::Awarded(AwardLeg { award, scheme, line, points, amount }) => {
                let key = AwardKey { scheme: scheme.clone(), award: award.clone(), line: line.clone() };
                let (sum, members) = self.awarded.entry(key).or_default();
                members.insert(entry.head.member.clone());
                sum.add(points, amount, late)
            }
            Leg::Repaid(creditor, points) => self.repaid.entry(creditor.clone()).or_default().add(points),
            Leg::Issue(leg) => {
                met.push(Met { at: self.place(leg.cohort), leg });
                Ok(())
            }
        })?;
        self.value(&met)?;
        self.control(entry, settled, late)?;
        Ok(())
    }

    /// Counted from what the entry says of itself, so that they check what its legs say;
    /// only what is owed for claims, which the entry does not know, is the legs'.
    fn control(&mut self, entry: &Entry, settled: Money, late: bool) -> Result<(), RatingError> {
        let (line, kind) = (&entry.head.line, entry.event.control());
        let points = entry.event.points()?;
        let (points, amount) = match kind {
            ControlKind::Accrual | ControlKind::Withdrawal => (points, entry.event.consideration()),
            ControlKind::Adjustment => (points, Money::ZERO),
            ControlKind::Redemption => (points, settled),
            ControlKind::Return => (points.negated()?, settled),
        };
        if !amount.is_zero() && matches!(kind, ControlKind::Accrual | ControlKind::Withdrawal) {
            let day = self.rulebook.day(entry.event.sold_at(&entry.head));
            if kind == ControlKind::Accrual {
                self.sold(entry, day, amount)?;
            }
            self.sale(entry, kind, amount, late, Period::of_day(day))?;
        }
        if let Some(paid) = entry.event.paid() {
            self.bills.paid(entry, paid);
        }
        if kind == ControlKind::Accrual && points.is_zero() {
            self.unearned.entry(line.clone()).or_default().add(points, amount, late)?;
        }
        let sum = self.controls.of(&Parts(line, kind, (), ()), || ((line.clone(), kind), Sum::default()));
        Ok(sum.add(points, amount, late)?)
    }

    /// A sale by its day and by its order.
    fn sold(&mut self, entry: &Entry, day: NaiveDate, amount: Money) -> Result<(), OutOfRange> {
        let (line, month) = (&entry.head.line, Period::of_day(day));
        let days = self.days.of(&Parts(line, month, (), ()), || ((line.clone(), month), [0; 31]));
        if let Some(sales) = usize::try_from(day.day0()).ok().and_then(|day| days.get_mut(day)) {
            count(sales, 1)?;
        }
        self.bills.sold(entry, amount);
        Ok(())
    }

    /// A sale or refund by its tax, which is that of the sale's month.
    fn sale(
        &mut self,
        entry: &Entry,
        kind: ControlKind,
        amount: Money,
        late: bool,
        month: Period,
    ) -> Result<(), RatingError> {
        let line = &entry.head.line;
        let terms = self.rulebook.liability(&SchemeId::of(line), month);
        let inclusive = terms.is_none_or(|terms| terms.tax_inclusive);
        let mut add = |rate, tax, amount| {
            let key = SalesKey { line: line.clone(), kind, rate, inclusive, tax };
            self.sales.entry(key).or_default().add(Points::ZERO, amount, late)
        };
        if let Some(taxes) = entry.event.taxes().filter(|taxes| !taxes.is_empty()) {
            for (code, amount) in taxes.iter() {
                add(tax_rate(self.rulebook, code, month)?, Some(code.clone()), amount)?;
            }
            return Ok(());
        }
        // Settling says which terms are missing.
        terms.map_or(Ok(()), |terms| add(terms.vat_rate, None, amount)).map_err(RatingError::from)
    }

    /// The place of a cohort's sales and gifts.
    fn place(&mut self, cohort: &Cohort) -> usize {
        let (rulebook, rates, period) = (self.rulebook, self.rates, self.period);
        self.issued.of(&Parts(cohort, (), (), ()), || {
            let terms = rulebook.liability(&cohort.scheme, cohort.issued);
            let rate = terms.map(|terms| rates.of(rulebook, cohort, period, terms));
            let shares = rulebook.funding(&cohort.scheme, cohort.issued).shares;
            let payers = shares.into_iter().map(|(payer, share)| {
                let terms = terms.zip(rate).map(|(terms, rate)| terms.valuation(rulebook.currency, rate, share));
                (Borne { cohort: cohort.clone(), payer }, terms, Valued::default())
            });
            let is_allocated = rulebook.is_allocated(&cohort.scheme);
            (cohort.clone(), Issued { is_allocated, payers: payers.collect() })
        });
        self.issued.last
    }

    /// Values what an entry issued or took back: a sale's price is shared with all points that the seller bears. Settling
    /// says which terms are missing.
    fn value(&mut self, met: &[Met<'_>]) -> Result<(), OutOfRange> {
        let Some(Met { leg, .. }) = met.first() else { return Ok(()) };
        let seller = leg.seller;
        let [before, after] = match seller {
            Some(seller) => {
                let (rulebook, month) = (self.rulebook, leg.cohort.issued);
                let terms = || rulebook.liability(&SchemeId::of(seller), month).map(LiabilityTerms::sale);
                let sale = *self.selling.of(&Parts(seller, month, (), ()), || ((seller.clone(), month), terms()));
                self.prices(seller, sale, met)?
            }
            None => Default::default(),
        };
        let is_sponsored = seller.is_some() && (before.sponsors, after.sponsors) != Default::default();
        let Self { issued, sponsored, .. } = self;
        for Met { at, leg } in met {
            let IssueLeg { before: was, after: is, withdrawn, .. } = *leg;
            let is_new = was == SaleStanding::default();
            let Issued { is_allocated, payers } = &mut issued.slots[*at].1;
            let seller = seller.filter(|_| *is_allocated);
            for (of, terms, valued) in payers {
                let Some(terms) = terms else { continue };
                match (seller == Some(&of.payer), is_new) {
                    (true, true) => valued.sell(terms, is.points, after.own)?,
                    (true, false) => {
                        valued.refund(terms, (was.points, before.own), (is.points, after.own), withdrawn)?;
                    }
                    (false, true) => valued.give(terms, is.points)?,
                    (false, false) => valued.revoke(terms, was.points, is.points, withdrawn)?,
                }
                if let Some(seller) = seller.filter(|seller| is_sponsored && **seller != of.payer) {
                    let key = || ((of.clone(), seller.clone()), Sponsored::default());
                    let sum = sponsored.of(&Parts(&*of, seller, (), ()), key);
                    sum.moved(terms, (&before, was.points), (&after, is.points))?;
                }
            }
        }
        Ok(())
    }

    /// What stood and stands of a sale, with its points: those that the seller bears, and those of sponsors, which to the
    /// group are sold as well.
    fn prices(&self, seller: &LineId, taxed: Option<Sale>, met: &[Met<'_>]) -> Result<[GroupSale; 2], OutOfRange> {
        let mut sales = [GroupSale::default(); 2];
        let standings: [fn(&IssueLeg<'_>) -> SaleStanding; 2] = [|leg| leg.before, |leg| leg.after];
        for (sale, standing) in sales.iter_mut().zip(standings) {
            for Met { at, leg } in met {
                let of = standing(leg);
                // Nothing stood of a new sale, and nothing is left of one refunded in full.
                if of == SaleStanding::default() {
                    continue;
                }
                sale.own.net = match of.net {
                    Some(net) => net,
                    None => taxed.map_or(Ok(Micro::ZERO), |sale| sale.net(Micro::of_money(of.amount)))?,
                };
                let Issued { is_allocated, payers } = &self.issued.slots[*at].1;
                for (borne, terms, _) in payers.iter().filter(|_| *is_allocated) {
                    let Some(terms) = terms else { continue };
                    let sum = if borne.payer == *seller { &mut sale.own.points } else { &mut sale.sponsors };
                    sum.add(terms.stand_alone(of.points)?)?;
                }
            }
        }
        Ok(sales)
    }

    fn flow(
        &mut self,
        cohort: &Cohort,
        counterparty: &LineId,
        kind: FlowKind,
        points: Points,
        amount: Money,
        late: bool,
    ) -> Result<(), OutOfRange> {
        let key = || FlowKey { cohort: cohort.clone(), counterparty: counterparty.clone(), kind };
        let sum = self.flows.of(&Parts(cohort, counterparty, kind, ()), || (key(), Sum::default()));
        sum.add(points, amount, late)
    }

    fn owed(
        &mut self,
        entry: &Entry,
        slice: OwedLeg<'_>,
        late: bool,
        detail: &mut dyn FnMut(Detail<'_>) -> Result<(), OutOfRange>,
    ) -> Result<(), OutOfRange> {
        let OwedLeg { cohort, redeemer, reason, day, tax, points, amount, .. } = slice;
        self.flow(cohort, redeemer, reason.row().flow, points, amount, late)?;
        let (rulebook, owed, pairs) = (self.rulebook, &mut self.owed, &mut self.pairs);
        let issued = (!rulebook.is_line(&cohort.scheme)).then_some(cohort.issued);
        let at = *self.terms.of(&Parts(&cohort.scheme, redeemer, reason, (issued, day, tax)), || {
            let (scheme, redeemer, tax) = (cohort.scheme.clone(), redeemer.clone(), tax.cloned());
            let key = TermsKey { scheme, redeemer, reason, issued, day, tax };
            let at = terms(rulebook, &key, owed, pairs);
            (key, at)
        });
        let owed = &mut self.owed[at];
        self.details.add(points, if owed.crosses_lines { amount } else { Money::ZERO }, late)?;
        if owed.crosses_lines {
            owed.sum.add(points, amount, late)?;
            for (payer, share, deductible) in &owed.costs {
                let (share, deductible) = (*share, *deductible);
                let of = || Borne { cohort: cohort.clone(), payer: payer.clone() };
                let key = || CostKey { of: of(), line: redeemer.clone(), share, deductible };
                let parts = Parts((cohort, payer), redeemer, share, deductible);
                self.costs.of(&parts, || (key(), Sum::default())).add(points, amount, late)?;
            }
            for pair in &owed.pairs {
                let pair = &mut self.pairs[*pair];
                if std::mem::replace(&mut pair.last, self.entries) != self.entries {
                    count(&mut pair.entries, 1)?;
                }
            }
        }
        if let Some(rate) = owed.deemed
            && let Some(terms) = rulebook.liability(&cohort.scheme, cohort.issued)
        {
            let key = DeemedKey { line: redeemer.clone(), rate, face_value: terms.face_value };
            self.deemed.entry(key).or_default().add(points, Money::ZERO, late)?;
        }
        detail(Detail { entry, slice, rule: &owed.rule, crosses_lines: owed.crosses_lines })
    }

    pub fn finish(self) -> Tally {
        let pairs = self.pairs.into_iter().filter(|pair| pair.entries > 0);
        let pairs = pairs.map(|pair| {
            let Pair { payer, redeemer, entries: events, .. } = pair;
            ((payer, redeemer), Sum { events, ..Sum::default() })
        });
        let owed = self.owed.into_iter().filter(|owed| owed.sum.events > 0);
        Tally {
            entries: self.entries,
            controls: self.controls.slots.into_iter().collect(),
            unearned: self.unearned,
            sales: self.sales,
            sale_days: self.days.slots.into_iter().collect(),
            gross_sales: self.bills.finish(),
            sponsored: sponsored_by_cohort(self.sponsored.slots),
            valued: self
                .issued
                .slots
                .into_iter()
                .flat_map(|(_, issued)| issued.payers)
                .map(|(of, _, valued)| (of, valued))
                .collect(),
            costs: self.costs.slots.into_iter().collect(),
            awarded: self.awarded.into_iter().map(|(key, sum)| (key, of_members(sum))).collect(),
            repaid: self.repaid,
            deemed: self.deemed,
            flows: self.flows.slots.into_iter().collect(),
            obligations: owed.map(|owed| (owed.key, owed.sum)).collect(),
            pairs: pairs.collect(),
            details: self.details,
        }
    }
}

fn of_members((sales, members): (Sum, HashSet<MemberId, FixedState>)) -> AwardSum {
    AwardSum { sales, members: members.len() as u64 }
}

fn sponsored_by_cohort(sums: Vec<((Borne, LineId), Sponsored)>) -> SponsoredSales {
    let mut cohorts = SponsoredSales::new();
    for ((of, seller), sum) in sums {
        cohorts.entry(of).or_default().insert(seller, sum);
    }
    cohorts
}

/// The place of what is owed under the terms of a day, and of those who pay.
fn terms(rulebook: &Rulebook, of: &TermsKey, owed: &mut Vec<Owed>, pairs: &mut Vec<Pair>) -> usize {
    let TermsKey { scheme, redeemer, reason, issued, day, tax } = of.clone();
    let split = || rulebook.split(&scheme, &redeemer, day);
    let terms = reason.row().is_split.then(split).flatten().map(SplitTerms::from);
    let origin = Period::of_day(day);
    let funding = rulebook.funding(&scheme, issued.unwrap_or(origin));
    let vat_from = match reason.row().supply {
        None => rulebook.first_period,
        Some(supply) => {
            let to_redeemer = funding.payers(&redeemer).map(|payer| (payer, &redeemer, supply));
            let mut supplies: Vec<(&LineId, &LineId, Product)> = to_redeemer.collect();
            for (to, _) in terms.iter().flat_map(|terms| &terms.shares) {
                let Some(line) = to.other_than(&redeemer) else { continue };
                match to {
                    Beneficiary::Charged(_) => supplies.push((&redeemer, line, rulebook.split_off(line))),
                    Beneficiary::Line(_) | Beneficiary::Redeemer => {
                        supplies.extend(funding.payers(&redeemer).map(|payer| (payer, line, rulebook.split_off(line))))
                    }
                }
            }
            let since = rulebook.vat_since(&supplies, origin);
            tax.as_ref().map_or(since, |code| since.max(rulebook.tax_code_since(code, origin)))
        }
    };
    let key = ObligationKey { funding, scheme, redeemer, reason, terms, vat_from, origin, tax };
    if let Some(at) = owed.iter().position(|owed| owed.key == key) {
        return at;
    }
    let payers = key.funding.payers(&key.redeemer).map(|payer| {
        let of = |pair: &Pair| pair.payer == *payer && pair.redeemer == key.redeemer;
        pairs.iter().position(of).unwrap_or_else(|| {
            pairs.push(Pair { payer: payer.clone(), redeemer: key.redeemer.clone(), entries: 0, last: 0 });
            pairs.len() - 1
        })
    });
    let payers: Vec<usize> = payers.collect();
    let costs = key.funding.payers(&key.redeemer).map(|payer| cost(rulebook, &key, payer)).collect();
    let is_own = payers.is_empty() && key.reason.row().supply.is_some();
    let deemed = is_own.then(|| rulebook.deemed_sale(&key.redeemer, origin, key.tax.as_ref())).flatten();
    let rule = key.reason.rule_word(key.terms.as_ref()).to_owned();
    owed.push(Owed { crosses_lines: !payers.is_empty(), rule, sum: Sum::default(), costs, deemed, pairs: payers, key });
    owed.len() - 1
}

/// Of what a payer owes the part that is owed to the redeeming line, and VAT that the payer deducts of it.
fn cost(rulebook: &Rulebook, key: &ObligationKey, payer: &LineId) -> (LineId, Rate, Rate) {
    let is_own = |to: &Beneficiary| match to {
        Beneficiary::Redeemer | Beneficiary::Charged(_) => true,
        Beneficiary::Line(line) => *line == key.redeemer,
    };
    let shares = key.terms.as_ref().map(|terms| terms.shares.iter().filter(|(to, _)| is_own(to)));
    let share = shares.map_or(Rate::SCALE, |shares| shares.map(|(_, share)| share.scaled()).sum());
    let rule = match key.reason.row().supply {
        Some(supply) => rulebook.vat_of(payer, &key.redeemer, supply, key.vat_from, key.tax.as_ref()),
        None => VatRule::NONE,
    };
    let deductible = if rule.treatment == VatTreatment::MarketingService { rule.rate } else { Rate::ZERO };
    (payer.clone(), Rate::from_scaled(share).unwrap_or(Rate::ONE), deductible)
}
