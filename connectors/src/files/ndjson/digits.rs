//! Decimal digits, eight at a time in one word, whose lowest byte is the first digit.

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// What makes a byte above nine reach its highest bit.
const ABOVE_NINE: u64 = 0x7676_7676_7676_7676;

/// How many of the word's first bytes are digits, and the number that they are.
#[inline]
pub fn leading(word: u64) -> (usize, u64) {
    let values = word ^ ZEROS;
    let others = (values.wrapping_add(ABOVE_NINE) | values) & HIGH;
    let count = others.trailing_zeros() as usize / 8;
    (count, if count == 0 { 0 } else { eight(values << (64 - 8 * count)) })
}

/// Whether every byte of some is a digit's value.
#[inline]
pub fn are_values(values: u64) -> bool {
    (values.wrapping_add(ABOVE_NINE) | values) & HIGH == 0
}

/// The number of eight digits' values.
#[inline]
pub fn eight(values: u64) -> u64 {
    let pairs = (values.wrapping_mul(10)).wrapping_add(values >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100)).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    (fours.wrapping_mul(10_000)).wrapping_add(fours >> 32) & 0xFFFF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_and_read() {
        for (text, count, number) in
            [("12345678", 8, 12_345_678), ("7,\"ts\":1", 1, 7), ("00420}\n{", 5, 420), ("x1234567", 0, 0), ("99999999", 8, 99_999_999)]
        {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(text.as_bytes());
            assert_eq!(leading(u64::from_le_bytes(bytes)), (count, number), "{text}");
        }
        assert_eq!(leading(u64::from_le_bytes([b'1', b'2', 0xB3, 0x3A, b'4', 0, 0, 0])), (2, 12));
    }
}
