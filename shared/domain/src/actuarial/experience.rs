//! The redemption rate by experience: what part of the points of each age was spent in the
//! last months, in the whole programme, since members spend by expiry and not by line;
//! brought to the level of the last half year and of each scheme's own experience. It may not
//! fall below what the present pace of redemptions implies (Little's law: points to come =
//! pace x mean age), the rulebook's initial rate fades out in the first months, and a margin as
//! large as the programme's own recent shortfalls is added.
//!
//! All of it in integers: rates in 10^-8, points to come in millionths, rounded half up at
//! every step, so that another program finds the same.
//!
//! Source: IFRS 15 B46 and paragraph 56 (what is recognised early must be highly probable not
//! to be taken back); CAS 14 art. 39. The hazards are the occurrence-exposure rates of life
//! tables; the scheme's factor is Buhlmann's credibility with the programme as prior.

use crate::claims::lot::{Cohort, Expiry};
use crate::units::allocate::divide_half_up;
use crate::units::calendar::Period;
use crate::units::id::SchemeId;
use crate::units::micro::{Micro, times};
use crate::units::money::{OutOfRange, Points, Rate};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const S: i128 = Rate::SCALE;
/// Closes whose shortfalls make the margin.
const MARGIN_CLOSES: usize = 12;
/// Closes that one shortfall is of.
const SHORTFALL_CLOSES: usize = 3;
/// A month of which less was expected tells nothing by bringing little.
const IGNORED_FROM: Points = Points::new(5_000);

/// How redemption rates are estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum UrrTerms {
    Experience(Parameters),
    /// What was issued, times the initial rate, until a person says otherwise.
    Initial,
}

impl Default for UrrTerms {
    fn default() -> Self {
        Self::Experience(Parameters::default())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Months whose redemptions tell how points of an age are spent.
    pub window_months: u32,
    /// Months whose pace is the level.
    pub level_months: u32,
    /// Points redeemed of a scheme from which on its own experience counts half.
    pub credibility: Points,
    /// Months from the first redemption on in which the initial rate fades out.
    pub initial_months: u32,
    /// How often the recent shortfall is added.
    pub margin: Rate,
    /// The least part of open points that is expected.
    pub floor: Rate,
    /// A month that brings a smaller part of what was expected teaches nothing.
    pub ignore_below: Rate,
    /// For how long points that never expire are expected to be redeemed.
    pub horizon_months: u32,
    /// From which age on points that never expire are of one age.
    pub open_age: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            window_months: 12,
            level_months: 6,
            credibility: Points::new(300),
            initial_months: 6,
            margin: Rate::ONE,
            floor: Rate::FIVE_PERCENT,
            ignore_below: Rate::QUARTER,
            horizon_months: 60,
            open_age: 24,
        }
    }
}

/// How long points can be spent: to the end of so many months after the month of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    Months(u32),
    Never,
}

impl Life {
    pub fn of(cohort: &Cohort) -> Self {
        match cohort.expires {
            Expiry::On(day) => {
                Life::Months(u32::try_from(Period::of_day(day).months_since(cohort.issued)).unwrap_or_default())
            }
            Expiry::Never => Life::Never,
        }
    }
}

/// What a close knows of a cohort.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    pub cohort: &'a Cohort,
    /// Issued, less what was withdrawn.
    pub issued: Points,
    /// Redeemed from the issue to the end of each age in months, returns deducted.
    pub redeemed: &'a [Points],
    /// What is expected of new points while nothing is known.
    pub initial: Rate,
    /// What the close before had of it, if it expected something of this month.
    pub before: Option<Before>,
}

/// What the close before had and expected of a cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    pub redeemed: Points,
    /// Micro-points to be redeemed in the month after it.
    pub next: Micro,
}

/// What one close expected of the next month, and what came, by scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The month in which it came.
    pub month: Period,
    pub scheme: SchemeId,
    pub actual: Points,
    pub expected: Micro,
}

/// What the estimate carries from close to close.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Of the last twelve closes that had something to compare.
    pub compared: Vec<Compared>,
    /// Months that teach nothing.
    pub ignored: BTreeSet<Period>,
    /// The month of the programme's first redemption.
    pub first_redemption: Option<Period>,
}

/// What the whole programme shows at a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicators {
    /// The pace of the level months to that of the window, in 10^-8.
    #[serde(with = "crate::units::micro::text")]
    pub level: i128,
    /// What the pace x mean age raises the points to come by, in 10^-8.
    #[serde(with = "crate::units::micro::text")]
    pub phi: i128,
    /// What the margin adds, in 10^-8.
    #[serde(with = "crate::units::micro::text")]
    pub margin: i128,
    /// How far experience counts, from 0 to 10^8.
    #[serde(with = "crate::units::micro::text")]
    pub z: i128,
    /// The close's month brought so little that it teaches nothing.
    pub is_ignored: bool,
}

/// What is expected of one cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Micro-points still to be redeemed.
    pub to_come: Micro,
    /// In the next month, before pace, margin and floor; none while the initial rate still counts.
    pub next: Option<Micro>,
}

/// What a close learns.
#[derive(Debug, Clone)]
pub struct Learned {
    terms: Parameters,
    rates: BTreeMap<(Life, u32), i128>,
    top: i128,
    schemes: BTreeMap<SchemeId, i128>,
    pub indicators: Indicators,
}

/// A month's redemptions of a cohort at one age.
struct Cell<'a> {
    cohort: &'a Cohort,
    life: Life,
    age: u32,
    month: Period,
    redeemed: i128,
    open: i128,
}

fn product(factors: &[i128]) -> Result<i128, OutOfRange> {
    factors.iter().try_fold(1, |product, factor| times(product, *factor))
}

impl Parameters {
    /// The last age at which anything is expected.
    fn last_age(&self, life: Life) -> u32 {
        match life {
            Life::Months(months) => months,
            Life::Never => self.horizon_months,
        }
    }

    fn age_key(&self, life: Life, age: u32) -> (Life, u32) {
        match life {
            Life::Months(_) => (life, age),
            Life::Never => (life, age.min(self.open_age)),
        }
    }

    /// Whether the month brought too little to teach anything.
    fn ignores(&self, actual: i128, expected: Micro) -> Result<bool, OutOfRange> {
        let enough = expected >= Micro::of_points(IGNORED_FROM);
        let least = times(expected.get(), self.ignore_below.scaled())?;
        Ok(enough && product(&[actual, Micro::SCALE, S])? < least)
    }
}

fn cells<'a>(observed: &[Observed<'a>]) -> Vec<Cell<'a>> {
    let mut cells = Vec::new();
    for row in observed {
        let life = Life::of(row.cohort);
        let mut before = 0;
        for (age, redeemed) in (0_u32..).zip(row.redeemed) {
            let redeemed = i128::from(redeemed.get());
            cells.push(Cell {
                cohort: row.cohort,
                life,
                age,
                month: row.cohort.issued.plus_months(age),
                redeemed: redeemed - before,
                open: i128::from(row.issued.get()) - before,
            });
            before = redeemed;
        }
    }
    cells
}

/// Actual and expected of one month, by scheme.
fn compare(observed: &[Observed<'_>], month: Period) -> Result<Vec<Compared>, OutOfRange> {
    let mut schemes: BTreeMap<&SchemeId, (Points, Micro)> = BTreeMap::new();
    for row in observed {
        let Some(Before { redeemed, next }) = row.before else { continue };
        let (actual, expected) = schemes.entry(&row.cohort.scheme).or_default();
        actual.add(row.redeemed.last().copied().unwrap_or_default().minus(redeemed)?)?;
        expected.add(next)?;
    }
    let row = |(scheme, (actual, expected)): (&SchemeId, (Points, Micro))| Compared {
        month,
        scheme: scheme.clone(),
        actual,
        expected,
    };
    Ok(schemes.into_iter().map(row).collect())
}

/// The sums of some months.
pub fn compared_sum<'a>(rows: impl Iterator<Item = &'a Compared>) -> Result<(i128, Micro), OutOfRange> {
    let mut sums = (0_i128, Micro::ZERO);
    for row in rows {
        sums.0 += i128::from(row.actual.get());
        sums.1.add(row.expected)?;
    }
    Ok(sums)
}

/// Actual over expected of some months, in 10^-8; none where nothing was expected.
fn actual_to_expected<'a>(rows: impl Iterator<Item = &'a Compared>) -> Result<Option<i128>, OutOfRange> {
    let (actual, expected) = compared_sum(rows)?;
    if !expected.is_positive() {
        return Ok(None);
    }
    divide_half_up(product(&[actual, Micro::SCALE, S])?, expected.get()).map(Some)
}

impl Memory {
    /// The months compared, the earliest first.
    pub fn months(&self) -> BTreeSet<Period> {
        self.compared.iter().map(|row| row.month).collect()
    }

    /// Actual over expected of the last months before and with `month`, in 10^-8; none where nothing was expected.
    pub fn ratio(&self, month: Period, months: u32, scheme: Option<&SchemeId>) -> Result<Option<i128>, OutOfRange> {
        actual_to_expected(self.recent(month, months, scheme))
    }

    /// What was compared in the last months before and with `month`, of all schemes or of one.
    pub fn recent(&self, month: Period, months: u32, scheme: Option<&SchemeId>) -> impl Iterator<Item = &Compared> {
        let of = month.last_months(months);
        self.compared.iter().filter(move |row| of(row.month) && scheme.is_none_or(|scheme| row.scheme == *scheme))
    }

    /// Takes a close's comparison in: what teaches nothing is only remembered as such.
    fn learn(&mut self, compared: Vec<Compared>, month: Period, terms: &Parameters) -> Result<bool, OutOfRange> {
        let (actual, expected) = compared_sum(compared.iter())?;
        if !compared.is_empty() && terms.ignores(actual, expected)? {
            self.ignored.insert(month);
            return Ok(true);
        }
        self.compared.extend(compared);
        let months = self.months();
        if let Some(first) = months.iter().rev().nth(MARGIN_CLOSES - 1) {
            self.compared.retain(|row| row.month >= *first);
        }
        Ok(false)
    }

    /// The root mean square of the shortfalls, times the terms' margin.
    fn margin(&self, terms: &Parameters) -> Result<i128, OutOfRange> {
        let months: Vec<Period> = self.months().into_iter().collect();
        let mut squares = 0_i128;
        for at in 0..months.len() {
            let of = &months[(at + 1).saturating_sub(SHORTFALL_CLOSES)..=at];
            if let Some(ratio) = actual_to_expected(self.compared.iter().filter(|row| of.contains(&row.month)))? {
                let short = (ratio - S).max(0);
                squares = squares.checked_add(times(short, short)?).ok_or(OutOfRange)?;
            }
        }
        let Ok(count) = i128::try_from(months.len()) else { return Err(OutOfRange) };
        if count == 0 {
            return Ok(0);
        }
        divide_half_up(times(terms.margin.scaled(), divide_half_up(squares, count)?.isqrt())?, S)
    }

    /// How far experience counts after so many months.
    fn z(&self, month: Period, terms: &Parameters) -> Result<i128, OutOfRange> {
        let Some(first) = self.first_redemption.filter(|first| *first <= month) else { return Ok(0) };
        if terms.initial_months == 0 {
            return Ok(S);
        }
        let months = i128::from(month.months_since(first)) + 1;
        Ok(divide_half_up(times(months, S)?, i128::from(terms.initial_months))?.min(S))
    }
}

impl Learned {
    /// What the cohorts show at the close of `month`. `begun`: the programme's first month.
    /// The memory is brought up to it.
    pub fn of(
        terms: Parameters,
        observed: &[Observed<'_>],
        month: Period,
        begun: Period,
        memory: &mut Memory,
    ) -> Result<Self, OutOfRange> {
        let is_ignored = memory.learn(compare(observed, month)?, month, &terms)?;
        let cells = cells(observed);
        let taught = |cell: &&Cell<'_>| !memory.ignored.contains(&cell.month);
        let (in_window, in_level) = (month.last_months(terms.window_months), month.last_months(terms.level_months));
        let window = || cells.iter().filter(taught).filter(|cell| in_window(cell.month));
        let recent = || cells.iter().filter(taught).filter(|cell| in_level(cell.month));

        let mut ages: BTreeMap<(Life, u32), (i128, i128)> = BTreeMap::new();
        for cell in window() {
            let sums = ages.entry(terms.age_key(cell.life, cell.age)).or_default();
            sums.0 += cell.redeemed;
            sums.1 += cell.open;
        }
        let mut rates = BTreeMap::new();
        for (key, (redeemed, open)) in ages.into_iter().filter(|(_, (_, open))| *open > 0) {
            rates.insert(key, divide_half_up(times(redeemed.max(0), S)?, open)?.min(S));
        }
        let top = rates.values().copied().max().filter(|top| *top > 0).unwrap_or(S);
        let mut this = Self {
            terms,
            rates,
            top,
            schemes: BTreeMap::new(),
            indicators: Indicators { level: S, phi: S, margin: 0, z: memory.z(month, &terms)?, is_ignored },
        };

        let (mut actual, mut expected) = (0, 0);
        for cell in recent() {
            actual += cell.redeemed;
            expected += times(cell.open, this.rate(cell.life, cell.age))?;
        }
        if expected > 0 {
            this.indicators.level = divide_half_up(product(&[actual.max(0), S, S])?, expected)?;
        }

        let mut schemes: BTreeMap<&SchemeId, (i128, i128)> = BTreeMap::new();
        for cell in window() {
            let sums = schemes.entry(&cell.cohort.scheme).or_default();
            sums.0 += cell.redeemed;
            sums.1 += times(cell.open, this.rate(cell.life, cell.age))?;
        }
        let credibility = i128::from(terms.credibility.get());
        for (scheme, (actual, expected)) in schemes {
            let expected = expected + times(credibility, S)?;
            if expected > 0 {
                let factor = divide_half_up(product(&[actual.max(0) + credibility, S, S])?, expected)?;
                this.schemes.insert(scheme.clone(), factor);
            }
        }

        this.indicators.phi = this.pace(observed, recent(), month, begun, memory)?;
        this.indicators.margin = memory.margin(&terms)?;
        Ok(this)
    }

    /// What the pace of redemptions times their mean age raises the points to come by.
    fn pace<'c>(
        &self,
        observed: &[Observed<'_>],
        recent: impl Iterator<Item = &'c Cell<'c>>,
        month: Period,
        begun: Period,
        memory: &Memory,
    ) -> Result<i128, OutOfRange> {
        let in_level = month.last_months(self.terms.level_months);
        let months = std::iter::successors(Some(month), |month| Some(month.previous()));
        let months = months.take_while(|of| *of >= begun && in_level(*of));
        let months =
            i128::try_from(months.filter(|of| !memory.ignored.contains(of)).count()).map_err(|_| OutOfRange)?;
        if months == 0 {
            return Ok(S);
        }
        let mut moved = 0_i128;
        for cell in recent {
            moved = moved.checked_add(times(i128::from(cell.age), cell.redeemed)?).ok_or(OutOfRange)?;
        }
        let flow = divide_half_up(times(moved, Micro::SCALE)?, months)?.max(0);
        let to_come = Micro::sum(observed.iter().map(|row| self.by_rates(row)).collect::<Result<Vec<_>, _>>()?)?.get();
        if 0 < to_come && to_come < flow { divide_half_up(times(flow, S)?, to_come) } else { Ok(S) }
    }

    /// The part of open points that is redeemed at an age.
    fn rate(&self, life: Life, age: u32) -> i128 {
        self.rates.get(&self.terms.age_key(life, age)).copied().unwrap_or(self.top)
    }

    /// So of a scheme.
    fn scheme_rate(&self, scheme: &SchemeId, life: Life, age: u32) -> Result<i128, OutOfRange> {
        let own = self.schemes.get(scheme).copied().unwrap_or(S);
        let exact = product(&[self.rate(life, age), self.indicators.level])?;
        Ok(divide_half_up(times(exact, own)?, times(S, S)?)?.min(S))
    }

    /// The part of open points that is not redeemed at some ages. It is rounded age by age, so their order counts.
    fn left(&self, scheme: &SchemeId, life: Life, ages: impl IntoIterator<Item = u32>) -> Result<i128, OutOfRange> {
        ages.into_iter()
            .try_fold(S, |left, age| divide_half_up(times(left, S - self.scheme_rate(scheme, life, age)?)?, S))
    }

    /// Micro-points to come by the rates of the ages.
    fn by_rates(&self, row: &Observed<'_>) -> Result<Micro, OutOfRange> {
        let Some((age, open)) = self.open(row)? else { return Ok(Micro::ZERO) };
        let life = Life::of(row.cohort);
        let left = self.left(&row.cohort.scheme, life, (age + 1..=self.terms.last_age(life)).rev())?;
        open.share(S - left, S)
    }

    /// A cohort's age and open points, unless they have expired.
    fn open(&self, row: &Observed<'_>) -> Result<Option<(u32, Micro)>, OutOfRange> {
        let age = u32::try_from(row.redeemed.len().saturating_sub(1)).map_err(|_| OutOfRange)?;
        if matches!(Life::of(row.cohort), Life::Months(months) if age >= months) {
            return Ok(None);
        }
        let redeemed = row.redeemed.last().copied().unwrap_or_default();
        Ok(Some((age, Micro::of_points(row.issued.minus(redeemed)?))))
    }

    pub fn expected(&self, row: &Observed<'_>) -> Result<Expected, OutOfRange> {
        let Indicators { phi, margin, z, .. } = self.indicators;
        let Some((age, open)) = self.open(row)? else {
            return Ok(Expected { to_come: Micro::ZERO, next: None });
        };
        let scheme = &row.cohort.scheme;
        let rated = self.by_rates(row)?;
        let paced = rated.share(phi, S)?.min(open);
        let margined = paced.share(S + margin, S)?.min(open);
        let floored = margined.max(open.part(self.terms.floor)?);
        let redeemed = Micro::of_points(row.issued).minus(open)?;
        let initial = Micro::of_points(row.issued).part(row.initial)?.minus(redeemed)?.max(Micro::ZERO);
        let mixed = times(z, floored.get())?.checked_add(times(S - z, initial.get())?).ok_or(OutOfRange)?;
        let to_come = Micro::new(divide_half_up(mixed, S)?).min(open);
        let next = match z == S {
            true => Some(open.share(self.scheme_rate(scheme, Life::of(row.cohort), age + 1)?, S)?),
            false => None,
        };
        Ok(Expected { to_come, next })
    }

    /// Micro-points to come in so many months, by the rates of the ages.
    pub fn within(&self, row: &Observed<'_>, months: u32) -> Result<i128, OutOfRange> {
        let Some((age, open)) = self.open(row)? else { return Ok(0) };
        let life = Life::of(row.cohort);
        let last = self.terms.last_age(life).min(age.saturating_add(months));
        let left = self.left(&row.cohort.scheme, life, age + 1..=last)?;
        Ok(open.share(S - left, S)?.get())
    }

    /// The part that will be redeemed of points that a scheme issues in the next month.
    pub fn of_new(&self, scheme: &SchemeId, life: Life, initial: Rate) -> Result<Rate, OutOfRange> {
        let Indicators { phi, margin, z, .. } = self.indicators;
        let left = self.left(scheme, life, (0..=self.terms.last_age(life)).rev())?;
        let paced = divide_half_up(times(S - left, phi)?, S)?;
        let margined = divide_half_up(times(paced, S + margin)?, S)?.min(S).max(self.terms.floor.scaled());
        let mixed = times(z, margined)? + times(S - z, initial.scaled())?;
        Rate::from_scaled(divide_half_up(mixed, S)?)
    }
}
