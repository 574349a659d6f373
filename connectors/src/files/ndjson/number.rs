//! Numbers: short whole ones and decimal fractions from their digits, all else by the parsers that arrow-json uses, so that
//! every value is the one that it would give. Where a column is of whole numbers, a fraction is none of them.

use super::cursor::{Cursor, is_of_number};
use super::digits::leading;

/// Digits of which a 64-bit number surely is made.
const DIGITS_SURE: usize = 18;

/// A whole number of few digits; none when it is another number, which leaves the cursor where it is.
#[inline(always)]
fn whole(cursor: &mut Cursor<'_>) -> Option<i64> {
    let sign = usize::from(cursor.peek()? == b'-');
    let (mut digits, mut number) = leading(cursor.word(sign));
    if digits == 8 {
        (digits, number) = long(cursor, sign, number)?;
    }
    if digits == 0 || is_of_number(cursor.byte(sign + digits)) {
        return None;
    }
    cursor.skip(sign + digits);
    let number = number as i64;
    Some(if sign == 1 { -number } else { number })
}

/// The digits behind the first eight.
#[inline]
fn long(cursor: &Cursor<'_>, sign: usize, first: u64) -> Option<(usize, u64)> {
    let (more, low) = leading(cursor.word(sign + 8));
    let number = first * TENS.get(more)? + low;
    if more < 8 {
        return Some((8 + more, number));
    }
    let (more, low) = leading(cursor.word(sign + 16));
    (16 + more <= DIGITS_SURE).then(|| TENS.get(more).map(|ten| (16 + more, number * ten + low)))?
}

const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A whole number that is written with a point or an exponent.
fn written_long(text: &[u8]) -> Option<i128> {
    // Whether it is a number at all is for the parser to say.
    lexical_core::parse::<f64>(text).ok()?;
    let at = text.iter().position(|b| matches!(b, b'e' | b'E'));
    let (digits, exponent) = text.split_at(at.unwrap_or(text.len()));
    let exponent: i32 = exponent.get(1..).map_or(Some(0), |e| std::str::from_utf8(e).ok()?.parse().ok())?;
    let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
    let point = unsigned.iter().position(|b| *b == b'.').unwrap_or(unsigned.len());
    let whole = i32::try_from(point).ok()?.checked_add(exponent)?;
    let (mut value, mut places) = (0_i128, 0);
    for digit in unsigned.iter().filter(|b| b.is_ascii_digit()).map(|b| i128::from(b - b'0')) {
        if places < whole {
            value = value.checked_mul(10)?.checked_add(digit)?;
        } else if digit != 0 {
            return None;
        }
        places += 1;
    }
    let missing = u32::try_from((whole - places).max(0)).ok()?;
    let value = if value == 0 { 0 } else { value.checked_mul(10_i128.checked_pow(missing)?)? };
    Some(if unsigned.len() < digits.len() { -value } else { value })
}

/// The whole number of a text; none when it is no number, or too great a one.
///
/// # Errors
/// When it is a number with a fraction.
pub fn whole_number(text: &str) -> Result<Option<i128>, String> {
    match (written_long(text.as_bytes()), lexical_core::parse::<f64>(text.as_bytes())) {
        (None, Ok(number)) if number.abs() < i128::MAX as f64 => Err(format!("{text} is not a whole number")),
        (number, _) => Ok(number),
    }
}

/// A number of some width.
pub trait Number: Sized {
    /// The number here.
    fn number(cursor: &mut Cursor<'_>) -> Option<Self>;
}

macro_rules! whole_numbers {
    ($($t:ty),+) => {
        $(impl Number for $t {
            #[inline]
            fn number(cursor: &mut Cursor<'_>) -> Option<Self> {
                if let Some(number) = whole(cursor) {
                    return Self::try_from(number).ok();
                }
                let text = cursor.number();
                lexical_core::parse(text).ok().or_else(|| Self::try_from(written_long(text)?).ok())
            }
        })+
    };
}

whole_numbers!(i8, i16, i32, i64, u8, u16, u32, u64);

/// A number of microseconds and the like: what does not fit is the nearest that does.
#[inline]
pub fn moment(cursor: &mut Cursor<'_>) -> Option<i64> {
    match whole(cursor) {
        Some(number) => Some(number),
        None => {
            let text = cursor.number();
            lexical_core::parse(text).ok().or_else(|| lexical_core::parse::<f64>(text).ok().map(|v| v as i64))
        }
    }
}

/// Whole numbers up to this one are exact in 64 bits of float.
const EXACT_MAX: u64 = 1 << 53;
/// Powers of ten that are exact.
const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

impl Number for f64 {
    #[inline]
    fn number(cursor: &mut Cursor<'_>) -> Option<Self> {
        short_fraction(cursor).or_else(|| lexical_core::parse(cursor.number()).ok())
    }
}

impl Number for f32 {
    fn number(cursor: &mut Cursor<'_>) -> Option<Self> {
        lexical_core::parse(cursor.number()).ok()
    }
}

/// A fraction of few digits: two exact numbers divided give the nearest there is, as the parser does.
#[inline]
fn short_fraction(cursor: &mut Cursor<'_>) -> Option<f64> {
    let sign = usize::from(cursor.peek()? == b'-');
    let (before, mut number) = leading(cursor.word(sign));
    if before == 0 || before == 8 {
        return None;
    }
    let mut end = sign + before;
    let mut places = 0;
    if cursor.byte(end) == b'.' {
        let (first, low) = leading(cursor.word(end + 1));
        number = number * TENS.get(first)? + low;
        places = first;
        if first == 8 {
            let (second, low) = leading(cursor.word(end + 9));
            number = number.checked_mul(*TENS.get(second)?)?.checked_add(low)?;
            places += second;
        }
        end += 1 + places;
        if places == 0 {
            return None;
        }
    }
    let power = POWERS.get(places)?;
    if number > EXACT_MAX || is_of_number(cursor.byte(end)) {
        return None;
    }
    cursor.skip(end);
    let value = number as f64 / power;
    Some(if sign == 1 { -value } else { value })
}
