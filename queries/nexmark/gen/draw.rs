//! The random numbers, prices and texts of one NEXMark event (SplitMix64).
//!
//! The same on every machine, but for the last digit of a price where a machine's power function differs. Not for secrets.

/// What is drawn for one event, in a fixed order.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
    /// True but for one time in `ratio`.
    pub(super) fn hot(&mut self, ratio: u64) -> bool {
        self.below(ratio) > 0
    }
    pub(super) fn pick<const N: usize>(&mut self, of: &[&'static str; N]) -> &'static str {
        of.get(self.below(N as u64) as usize).copied().unwrap_or_default()
    }
    /// 100 to 100 million, its logarithm drawn evenly.
    pub(super) fn price(&mut self) -> i64 {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (10f64.powf(share * 6.0) * 100.0).round() as i64
    }
    /// Small letters, eight of each number drawn.
    pub(super) fn letters(&mut self, length: usize) -> String {
        let mut out = String::with_capacity(length + 8);
        while out.len() < length {
            let bytes = self.next().to_le_bytes();
            out.extend(bytes.map(|b| char::from(b'a' + (u16::from(b) * 26 / 256) as u8)));
        }
        out.truncate(length);
        out
    }
    /// 3 to `below` letters, one of 13 of them `gap`; no blank at either end.
    pub(super) fn text(&mut self, below: u64, gap: char) -> String {
        let length = 3 + self.below(below - 3);
        let mut one = || if self.below(13) == 0 { gap } else { char::from(b'a' + self.below(26) as u8) };
        let text: String = (0..length).map(|_| one()).collect();
        text.trim().to_string()
    }
    /// What fills a row of `size` bytes up to about `target`: within a fifth of what is missing.
    pub(super) fn extra(&mut self, size: usize, target: usize) -> String {
        let missing = target.saturating_sub(size);
        let spread = (missing + 2) / 5;
        let length = missing - spread + self.below(2 * spread as u64) as usize;
        self.letters(length)
    }
}
