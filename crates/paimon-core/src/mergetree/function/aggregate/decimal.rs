//! Decimal arithmetic of aggregates (`DecimalUtils`, `Decimal.fromBigDecimal`), on unscaled values of one precision and scale.

use arrow_buffer::i256;

use super::numeric::{Arithmetic, NativeFold, Step};
use crate::{Error, Result};

/// Largest precision that Java keeps in a long.
const COMPACT_PRECISION: u8 = 18;

/// Precision and scale of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimals {
    precision: u8,
    /// 10^precision, the first unscaled value too wide.
    limit: i256,
    /// 10^scale.
    one: i256,
}

impl Decimals {
    pub(super) fn new(precision: u8, scale: i8) -> Result<Self> {
        let power = |digits: u8| (digits <= 38).then(|| i256::from_i128(10i128.pow(digits.into())));
        let scale = u8::try_from(scale).ok();
        match (power(precision), scale.and_then(power)) {
            (Some(limit), Some(one)) => Ok(Self {
                precision,
                limit,
                one,
            }),
            _ => Err(Error::internal(format!(
                "decimal column with precision {precision} and scale {scale:?}"
            ))),
        }
    }

    /// The value, or null when it is wider than the precision.
    fn fit(&self, value: i256) -> Option<i128> {
        (value < self.limit && value > self.limit.wrapping_neg())
            .then(|| value.to_i128())
            .flatten()
    }

    /// Compact decimals only overflow at 64 bits and keep too many digits; wider ones become null.
    fn fit_sum(&self, value: Option<i128>) -> Option<i128> {
        let value = value?;
        if self.precision <= COMPACT_PRECISION && i64::try_from(value).is_ok() {
            return Some(value);
        }
        self.fit(i256::from_i128(value))
    }

    /// numerator / denominator, rounded half away from zero, or null when too wide.
    fn divide(&self, numerator: i256, denominator: i256) -> Option<i128> {
        let quotient = numerator.checked_div(denominator)?;
        let rest = numerator.checked_rem(denominator)?;
        let twice = magnitude(rest).checked_add(magnitude(rest))?;
        let negative = (numerator < i256::ZERO) != (denominator < i256::ZERO);
        let away = match (twice >= magnitude(denominator), negative) {
            (false, _) => i256::ZERO,
            (true, false) => i256::ONE,
            (true, true) => i256::MINUS_ONE,
        };
        self.fit(quotient.checked_add(away)?)
    }
}

fn magnitude(value: i256) -> i256 {
    if value < i256::ZERO {
        value.wrapping_neg()
    } else {
        value
    }
}

/// `sum` of decimals.
pub(super) struct DecimalSum(pub Decimals);

impl NativeFold<i128> for DecimalSum {
    #[inline]
    fn agg(&self, acc: i128, input: i128) -> Step<i128> {
        Ok(self.0.fit_sum(acc.checked_add(input)))
    }

    fn retract(&self, acc: Option<i128>, input: i128) -> Step<i128> {
        Ok(match acc {
            Some(acc) => self.0.fit_sum(acc.checked_sub(input)),
            None => self.0.fit(i256::from_i128(input).wrapping_neg()),
        })
    }
}

/// `product` of decimals.
pub(super) struct DecimalProduct(pub Decimals);

impl NativeFold<i128> for DecimalProduct {
    fn agg(&self, acc: i128, input: i128) -> Step<i128> {
        let product = i256::from_i128(acc).checked_mul(i256::from_i128(input));
        Ok(product.and_then(|p| self.0.divide(p, self.0.one)))
    }

    fn retract(&self, acc: Option<i128>, input: i128) -> Step<i128> {
        let Some(acc) = acc else { return Ok(None) };
        if input == 0 {
            return Err(Arithmetic::DivisionByZero);
        }
        if !terminates(acc, input) {
            return Err(Arithmetic::NonTerminating);
        }
        let scaled = i256::from_i128(acc).checked_mul(self.0.one);
        Ok(scaled.and_then(|n| self.0.divide(n, i256::from_i128(input))))
    }
}

/// Whether a / b has finitely many decimal digits: what is left of b without a's factors is a product of 2s and 5s.
fn terminates(a: i128, b: i128) -> bool {
    if a == 0 {
        return true;
    }
    let (mut x, mut y) = (a.unsigned_abs(), b.unsigned_abs());
    while y != 0 {
        (x, y) = (y, x % y);
    }
    let mut rest = b.unsigned_abs() / x;
    for factor in [2, 5] {
        while rest.is_multiple_of(factor) {
            rest /= factor;
        }
    }
    rest == 1
}
