//! Multilateral netting: net positions and the payments that settle them.

use crate::terms::rulebook::Netting;
use crate::units::id::LineId;
use crate::units::limits::EXACT_NETTING_MAX;
use crate::units::money::{Money, OutOfRange};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Receivables less payables of every line. They sum to zero.
pub type Nets = BTreeMap<LineId, Money>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Payment {
    pub payer: LineId,
    pub payee: LineId,
    /// Positive.
    pub amount: Money,
}

/// Net positions from gross obligations (payer, payee, amount).
pub fn nets<'a>(obligations: impl IntoIterator<Item = (&'a LineId, &'a LineId, Money)>) -> Result<Nets, OutOfRange> {
    let mut nets = Nets::new();
    for (payer, payee, amount) in obligations {
        nets.entry(payer.clone()).or_default().add(amount.negated()?)?;
        nets.entry(payee.clone()).or_default().add(amount)?;
    }
    Ok(nets)
}

/// What has to be paid at least: half the sum of the absolute nets.
pub fn settled(nets: &Nets) -> Result<Money, OutOfRange> {
    Money::sum(nets.values().copied().filter(|net| net.is_positive()))
}

pub fn payments(nets: &Nets, netting: Netting, hub: &LineId) -> Result<Vec<Payment>, OutOfRange> {
    match netting {
        Netting::Hub => through_hub(nets, hub),
        Netting::Direct => direct(nets),
    }
}

/// Every line pays its net to the hub or receives it from there.
pub fn through_hub(nets: &Nets, hub: &LineId) -> Result<Vec<Payment>, OutOfRange> {
    let mut payments = Vec::new();
    for (line, net) in nets.iter().filter(|(line, net)| *line != hub && !net.is_zero()) {
        let (payer, payee) = if net.is_negative() { (line, hub) } else { (hub, line) };
        payments.push(Payment { payer: payer.clone(), payee: payee.clone(), amount: net.abs() });
    }
    payments.sort_by_key(|payment| payment.payee != *hub);
    Ok(payments)
}

/// Lines pay each other with the fewest payments: n lines in the largest number
/// of groups that each sum to zero need n less the groups. Found exactly up to
/// [`EXACT_NETTING_MAX`] lines with a net; beyond, as one group, which needs at
/// most n - 1. In a group the largest debtor pays the largest creditor, equal
/// ones in the order of their names.
pub fn direct(nets: &Nets) -> Result<Vec<Payment>, OutOfRange> {
    let open: Vec<(LineId, Money)> =
        nets.iter().filter(|(_, net)| !net.is_zero()).map(|(line, net)| (line.clone(), *net)).collect();
    let groups = if open.len() <= EXACT_NETTING_MAX { zero_sum_groups(&open)? } else { vec![open] };
    let mut payments = Vec::new();
    for group in groups {
        payments.extend(greedy(group)?);
    }
    payments
        .sort_by(|one, other| (other.amount, &one.payer, &one.payee).cmp(&(one.amount, &other.payer, &other.payee)));
    Ok(payments)
}

fn greedy(mut group: Vec<(LineId, Money)>) -> Result<Vec<Payment>, OutOfRange> {
    let mut payments = Vec::new();
    loop {
        // `min_by_key` takes the first of equals; the group is in the order of names.
        let debtor =
            group.iter().enumerate().filter(|(_, (_, net))| net.is_negative()).min_by_key(|(_, (_, net))| *net);
        let creditor = group
            .iter()
            .enumerate()
            .filter(|(_, (_, net))| net.is_positive())
            .min_by_key(|(_, (_, net))| std::cmp::Reverse(*net));
        let (Some((from, (payer, owed))), Some((to, (payee, due)))) = (debtor, creditor) else { break };
        let amount = owed.abs().min(*due);
        payments.push(Payment { payer: payer.clone(), payee: payee.clone(), amount });
        group[from].1.add(amount)?;
        group[to].1 = group[to].1.minus(amount)?;
    }
    Ok(payments)
}

/// The largest number of disjoint groups that each sum to zero, by dynamic
/// programming over subsets: `most[set]` is how many of the prefixes of the best
/// order of `set` sum to zero.
fn zero_sum_groups(open: &[(LineId, Money)]) -> Result<Vec<Vec<(LineId, Money)>>, OutOfRange> {
    let sets = 1_usize << open.len();
    let mut sums = vec![Money::ZERO; sets];
    let mut most = vec![0_u8; sets];
    let mut last = vec![0_usize; sets];
    for set in 1..sets {
        let lowest = set.trailing_zeros() as usize;
        sums[set] = sums[set & (set - 1)].plus(open[lowest].1)?;
        for index in (0..open.len()).filter(|index| set & (1 << index) != 0) {
            let without = most[set & !(1 << index)];
            if index == lowest || without > most[set] {
                most[set] = without;
                last[set] = index;
            }
        }
        if sums[set].is_zero() {
            most[set] += 1;
        }
    }
    let mut groups = Vec::new();
    let mut group = Vec::new();
    let mut set = sets - 1;
    while set != 0 {
        if sums[set].is_zero() && !group.is_empty() {
            groups.push(std::mem::take(&mut group));
        }
        group.push(open[last[set]].clone());
        set &= !(1 << last[set]);
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups.iter_mut().for_each(|group| group.sort());
    groups.sort();
    Ok(groups)
}

/// What is left of the nets once the payments are made: zero everywhere.
pub fn residual(nets: &Nets, payments: &[Payment]) -> Result<Nets, OutOfRange> {
    let mut left = nets.clone();
    for payment in payments {
        left.entry(payment.payer.clone()).or_default().add(payment.amount)?;
        let payee = left.entry(payment.payee.clone()).or_default();
        *payee = payee.minus(payment.amount)?;
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &str) -> LineId {
        LineId::parse(name).unwrap()
    }

    /// The fewest payments by brute force over every way to group.
    fn fewest(nets: &[i64]) -> usize {
        fn groups(nets: &[i64], at: usize, sums: &mut Vec<i64>) -> usize {
            if at == nets.len() {
                return if sums.iter().all(|sum| *sum == 0) { sums.len() } else { 0 };
            }
            let mut best = 0;
            for index in 0..sums.len() {
                sums[index] += nets[at];
                best = best.max(groups(nets, at + 1, sums));
                sums[index] -= nets[at];
            }
            sums.push(nets[at]);
            best = best.max(groups(nets, at + 1, sums));
            sums.pop();
            best
        }
        nets.len() - groups(nets, 0, &mut Vec::new())
    }

    fn balanced(mut nets: Vec<i64>) -> Nets {
        let rest: i64 = nets.iter().sum();
        nets.push(-rest);
        nets.iter().enumerate().map(|(at, net)| (line(&format!("l{at:02}")), Money::from_minor(*net))).collect()
    }

    #[test]
    fn what_payments_leave_open_of_a_net_is_shown() {
        let nets = balanced(vec![700, -200]);
        let paid = Payment { payer: line("l01"), payee: line("l00"), amount: Money::from_minor(150) };
        let left = residual(&nets, &[paid]).unwrap();
        let left: Vec<i64> = left.values().map(|net| net.minor()).collect();
        assert_eq!(left, [550, -50, -500]);
    }

    #[test]
    fn of_equally_good_groups_the_same_are_always_taken() {
        // The first and fourth with each other would do as well.
        let payments = direct(&balanced(vec![-3, -3, 1, 3])).unwrap();
        let pairs: Vec<_> = payments.iter().map(|payment| (payment.payer.as_str(), payment.payee.as_str())).collect();
        assert_eq!(pairs, [("l01", "l03"), ("l00", "l04"), ("l00", "l02")]);
    }

    proptest! {
        #[test]
        fn payments_settle_every_net_both_ways(nets in prop::collection::vec(-1_000_i64..1_000, 1..25)) {
            let nets = balanced(nets);
            for netting in [Netting::Hub, Netting::Direct] {
                let payments = payments(&nets, netting, &line("l00")).unwrap();
                prop_assert!(payments.iter().all(|payment| payment.amount.is_positive()));
                prop_assert!(payments.len() < nets.len());
                prop_assert!(residual(&nets, &payments).unwrap().values().all(|net| net.is_zero()));
                if netting == Netting::Direct {
                    let paid = Money::sum(payments.iter().map(|payment| payment.amount)).unwrap();
                    prop_assert_eq!(paid, settled(&nets).unwrap());
                }
            }
        }

        #[test]
        fn direct_payments_are_the_fewest(nets in prop::collection::vec(-4_i64..5, 1..8)) {
            let nets = balanced(nets);
            let open: Vec<i64> = nets.values().filter(|net| !net.is_zero()).map(|net| net.minor()).collect();
            prop_assert_eq!(direct(&nets).unwrap().len(), fewest(&open));
        }
    }
}
