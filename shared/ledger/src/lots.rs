//! An account's lots in one binary attribute, about eight bytes a lot.
//!
//! A byte [`FORM`], then the lots scheme by scheme: the length of the scheme's name in
//! one byte, the name, the number of its lots, and each lot as three numbers: months
//! since the issue of the lot before (of the first: since January 1970); the days from
//! the first day of its issue to its last, doubled, and one more (for an earlier last
//! day: minus one, and two more; 0: it never expires); its points. The scheme's lots are
//! in the order of issue. Numbers are LEB128: seven bits a byte, the lowest first, the
//! high bit says that more follow. The names lie on the item, so no rulebook is needed
//! to read it.

use chrono::{NaiveDate, TimeDelta};
use interline_domain::claims::lot::{Cohort, Expiry};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::SchemeId;
use interline_domain::units::money::Points;
use std::collections::BTreeMap;

const FORM: u8 = 1;

pub type Lots = BTreeMap<Cohort, Points>;

pub fn pack(lots: &Lots) -> Vec<u8> {
    let mut schemes: BTreeMap<&SchemeId, Vec<(Period, Expiry, Points)>> = BTreeMap::new();
    for (Cohort { expires, issued, scheme }, points) in lots {
        schemes.entry(scheme).or_default().push((*issued, *expires, *points));
    }
    let mut bytes = vec![FORM];
    for (scheme, mut lots) in schemes {
        lots.sort_unstable();
        // A name has at most 16 characters.
        bytes.push(scheme.as_str().len() as u8);
        bytes.extend_from_slice(scheme.as_str().as_bytes());
        put(&mut bytes, lots.len() as u64);
        let mut before = epoch();
        for (issued, expires, points) in lots {
            put(&mut bytes, u64::from(issued.months_since(before).unsigned_abs()));
            put(&mut bytes, last_day(issued, expires));
            put(&mut bytes, points.get().cast_unsigned());
            before = issued;
        }
    }
    bytes
}

/// `None` where the bytes are not what [`pack`] writes.
pub fn unpack(bytes: &[u8]) -> Option<Lots> {
    let (FORM, mut rest) = bytes.split_first().map(|(form, rest)| (*form, rest))? else { return None };
    let mut lots = Lots::new();
    while let Some((length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        let scheme = SchemeId::parse(str::from_utf8(name).ok()?).ok()?;
        rest = after;
        let mut issued = epoch();
        for _ in 0..take(&mut rest)? {
            let months = u32::try_from(take(&mut rest)?).ok()?;
            let later = issued.plus_months(months);
            // Past the calendar's end a period stays what it is.
            if i64::from(later.months_since(issued)) != i64::from(months) {
                return None;
            }
            issued = later;
            let expires = expiry(issued, take(&mut rest)?)?;
            let points = Points::new(take(&mut rest)?.cast_signed());
            let cohort = Cohort { expires, issued, scheme: scheme.clone() };
            if !points.is_positive() || lots.insert(cohort, points).is_some() {
                return None;
            }
        }
    }
    Some(lots)
}

fn epoch() -> Period {
    Period::of_day(NaiveDate::default())
}

fn last_day(issued: Period, expires: Expiry) -> u64 {
    let Expiry::On(last) = expires else { return 0 };
    let days = last.signed_duration_since(issued.first_day()).num_days();
    let doubled = days.unsigned_abs() * 2;
    if days >= 0 { doubled + 1 } else { doubled }
}

fn expiry(issued: Period, number: u64) -> Option<Expiry> {
    if number == 0 {
        return Some(Expiry::Never);
    }
    let days = i64::try_from(number / 2).ok()?;
    let days = TimeDelta::try_days(if number % 2 == 1 { days } else { -days })?;
    issued.first_day().checked_add_signed(days).map(Expiry::On)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_lot() -> impl Strategy<Value = (Cohort, Points)> {
        let day = |days: i32| NaiveDate::from_epoch_days(days).unwrap();
        let issued = (0_i32..84_000).prop_map(move |days| Period::of_day(day(days)));
        let expires = prop_oneof![
            Just(None),
            (0_u32..=120).prop_map(|months| Some((months, true))),
            (0_u32..3_000).prop_map(|days| Some((days, false))),
        ];
        let points = prop_oneof![1_i64..100_000, 1..=i64::MAX];
        ("[a-z]{1,16}", issued, expires, points).prop_map(move |(scheme, issued, expires, points)| {
            let expires = match expires {
                None => Expiry::Never,
                Some((months, true)) => Expiry::On(issued.plus_months(months).last_day()),
                // Before its issue, too: nothing forbids it.
                Some((days, false)) => Expiry::On(issued.first_day() + TimeDelta::days(i64::from(days) - 400)),
            };
            (Cohort { expires, issued, scheme: SchemeId::parse(&scheme).unwrap() }, Points::new(points))
        })
    }

    proptest! {
        #[test]
        fn lots_are_read_back_as_they_were_packed(lots in prop::collection::btree_map(
            any_lot().prop_map(|(cohort, _)| cohort), any_lot().prop_map(|(_, points)| points), 0..80)) {
            prop_assert_eq!(unpack(&pack(&lots)), Some(lots));
        }

        #[test]
        fn bytes_that_were_cut_off_or_go_on_are_never_read_as_the_same_lots(
            lots in prop::collection::btree_map(
                any_lot().prop_map(|(cohort, _)| cohort), any_lot().prop_map(|(_, points)| points), 1..8),
            cut in any::<prop::sample::Index>(), more in any::<u8>(),
        ) {
            let packed = pack(&lots);
            let read = unpack(&packed[..cut.index(packed.len())]);
            prop_assert_ne!(read, Some(lots.clone()));
            prop_assert_ne!(unpack(&[&packed[..], &[more]].concat()), Some(lots));
        }

        #[test]
        fn no_bytes_end_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = unpack(&bytes);
            let _ = unpack(&[&[FORM], &bytes[..]].concat());
        }
    }

    #[test]
    fn sixty_lots_of_five_schemes_take_eight_bytes_each_or_less() {
        let january = Period::parse("2025-01").unwrap();
        let mut lots = Lots::new();
        for scheme in ["dining", "grocery", "hotel", "travel", "garden"] {
            for month in 0..12 {
                let issued = january.plus_months(month);
                let expires = Expiry::On(issued.plus_months(24).last_day());
                let cohort = Cohort { expires, issued, scheme: SchemeId::parse(scheme).unwrap() };
                lots.insert(cohort, Points::new(12_345));
            }
        }
        assert_eq!(lots.len(), 60);
        assert!(pack(&lots).len() <= 60 * 8, "{}", pack(&lots).len());
    }

    #[test]
    fn another_form_and_lots_that_cannot_be_are_not_read() {
        assert_eq!(unpack(&[FORM]), Some(Lots::new()));
        for (bytes, what) in [
            (&[][..], "nothing"),
            (&[FORM + 1], "another form"),
            (&[FORM, 0, 1, 1, 0, 1], "a scheme without a name"),
            (&[FORM, 1, b'#', 1, 1, 0, 1], "a name that is none"),
            (&[FORM, 1, b'd', 1, 1, 0, 0], "a lot without points"),
            (&[FORM, 1, b'd', 2, 1, 0, 1, 0, 0, 1], "the same lot twice"),
            (&[FORM, 1, b'd', 1, 1, 0], "a lot that is cut off"),
            (&[FORM, 1, b'd', 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1], "a month past the calendar"),
            (&[FORM, 1, b'd', 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], "too many bits"),
        ] {
            assert_eq!(unpack(bytes), None, "{what}");
        }
    }
}
