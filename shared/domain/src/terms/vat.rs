//! VAT: gross = net + tax, always.

use crate::units::allocate::divide_half_up;
use crate::units::money::{Money, OutOfRange, Rate};

/// An amount in its parts. Either sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    pub gross: Money,
    pub net: Money,
    pub tax: Money,
}

/// The parts of an amount that contains its VAT: `net = gross / (1 + rate)`,
/// rounded half up; the tax is the rest.
pub fn contained(gross: Money, rate: Rate) -> Result<Amount, OutOfRange> {
    let exact = i128::from(gross.minor()).checked_mul(Rate::SCALE).ok_or(OutOfRange)?;
    let net = Money::from_minor_wide(divide_half_up(exact, Rate::SCALE + rate.scaled())?)?;
    Ok(Amount { gross, net, tax: gross.minus(net)? })
}

/// An amount with the VAT that comes on top of it: `tax = net x rate`, rounded half up.
pub fn added(net: Money, rate: Rate) -> Result<Amount, OutOfRange> {
    let exact = i128::from(net.minor()).checked_mul(rate.scaled()).ok_or(OutOfRange)?;
    let tax = Money::from_minor_wide(divide_half_up(exact, Rate::SCALE)?)?;
    Ok(Amount { gross: net.plus(tax)?, net, tax })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tax_is_what_the_net_leaves_of_the_gross() {
        let rate = |text: &str| Rate::parse(text).unwrap();
        for (gross, percent, net) in [(11_300, "0.13", 10_000), (1, "0.06", 1), (-106, "0.06", -100), (500, "0", 500)] {
            let amount = contained(Money::from_minor(gross), rate(percent)).unwrap();
            assert_eq!((amount.net.minor(), amount.tax.minor()), (net, gross - net), "{gross} at {percent}");
        }
        let amount = added(Money::from_minor(10_000), rate("0.13")).unwrap();
        assert_eq!((amount.gross.minor(), amount.tax.minor()), (11_300, 1_300));
    }

    proptest! {
        #[test]
        fn gross_is_net_and_tax_and_signs_mirror(minor in -1_000_000_000_i64..1_000_000_000, scaled in 0_i64..=100_000_000) {
            let rate = Rate::parse(&rust_decimal::Decimal::new(scaled, 8).to_string()).unwrap();
            let amount = Money::from_minor(minor);
            let inside = contained(amount, rate).unwrap();
            let on_top = added(amount, rate).unwrap();
            for Amount { gross, net, tax } in [inside, on_top] {
                prop_assert_eq!(net.plus(tax), Ok(gross));
            }
            let mirrored = contained(amount.negated().unwrap(), rate).unwrap();
            prop_assert_eq!(mirrored.net, inside.net.negated().unwrap());
        }
    }
}
