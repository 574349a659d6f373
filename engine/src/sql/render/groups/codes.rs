//! Groups of some batches: a small number for each distinct key of theirs, without hashing where keys lie close together.
//!
//! Key columns become digits: the bits in which values differ where these are few, else the value less the least one where the
//! range is small, else its place in a dictionary of the batches, which costs little where equal values follow each other, as
//! windows of ascending times do. Texts of up to seven bytes are words with their length on top; longer ones are looked up by
//! hash and then compared. The digits of all columns make one number, which indexes a table. Numbers mean nothing beyond their
//! batches; `store::Index` holds the groups that last. Keys that differ in their bits alone may get two numbers.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::flow::hash::{hash_bytes, short_word};
use crate::sql::store::{BLOCK, Words};

const NONE: u32 = u32::MAX;
/// Numbers a row that tables may have.
const SPARSE: u64 = 2;

/// The groups of some batches, whose rows are counted through.
pub struct Local {
    /// The group of each row.
    pub groups: Vec<u32>,
    /// The first row of each group, in order.
    pub first: Vec<u32>,
}

impl Local {
    /// Each row a group of its own.
    pub fn rows(rows: usize) -> Self {
        let all: Vec<u32> = (0..rows as u32).collect();
        Local { groups: all.clone(), first: all }
    }
}

/// Finds the groups of batches; keeps its memory between them.
#[derive(Default)]
pub struct Coder {
    table: Vec<u32>,
    codes: Vec<u32>,
}

impl Coder {
    /// The groups of batches by the key columns of each; none when a column is neither text nor of a fixed width, or when
    /// groups are more than half of the rows.
    pub fn groups(&mut self, batches: &[&[ArrayRef]], rows: usize) -> Option<Local> {
        let mut codes = std::mem::take(&mut self.codes);
        codes.clear();
        codes.resize(rows, 0);
        let mut digits = Digits { codes, range: 1, limit: (rows as u64 * SPARSE).max(1024) };
        for at in 0..batches.first().map_or(0, |columns| columns.len()) {
            digits.column(&batches.iter().filter_map(|columns| columns.get(at)).collect::<Vec<_>>())?;
        }
        self.table.clear();
        self.table.resize(usize::try_from(digits.range).ok()?, NONE);
        let mut first = Vec::new();
        let mut groups = digits.codes;
        for (row, code) in groups.iter_mut().enumerate() {
            let slot = self.table.get_mut(*code as usize)?;
            if *slot == NONE {
                *slot = first.len() as u32;
                first.push(row as u32);
            }
            *code = *slot;
        }
        (first.len() * 2 <= rows.max(2)).then_some(Local { groups, first })
    }

    /// Takes the memory of groups back.
    pub fn take_back(&mut self, local: Local) {
        self.codes = local.groups;
    }
}

/// One number a row, made of the digits of the columns so far.
struct Digits {
    codes: Vec<u32>,
    range: u64,
    limit: u64,
}

impl Digits {
    /// A column, in parts.
    fn column(&mut self, parts: &[&ArrayRef]) -> Option<()> {
        let Some(kind) = parts.first().map(|p| p.data_type()) else { return Some(()) };
        if parts.iter().any(|p| present(p).is_some()) {
            let there = |p: &&ArrayRef| present(p).map_or_else(|| vec![1; p.len()], |n| n.iter().map(u32::from).collect());
            self.add(2, &parts.iter().map(there).collect::<Vec<_>>(), |there| there)?;
        }
        match kind {
            DataType::Null => Some(()),
            DataType::Struct(fields) => (0..fields.len())
                .try_for_each(|at| self.column(&parts.iter().filter_map(|p| p.as_struct().columns().get(at)).collect::<Vec<_>>())),
            DataType::Utf8 => self.texts(&parts.iter().map(|p| p.as_string()).collect::<Vec<_>>()),
            _ => self.words(values(parts)?),
        }
    }

    fn words(&mut self, parts: Vec<ScalarBuffer<i64>>) -> Option<()> {
        let Some(one) = parts.iter().find_map(|p| p.first().copied()) else { return Some(()) };
        // The bits in which values differ, without those at the end that are the same in all.
        let differ = parts.iter().fold(0, |all, p| p.iter().fold(all, |all, word| all | (word ^ one)));
        let (low, high) = (differ.trailing_zeros(), u64::BITS - differ.leading_zeros());
        let wide = high.checked_sub(low).map_or(1, |bits| 1u64.checked_shl(bits).unwrap_or(u64::MAX));
        if self.range.checked_mul(wide).is_some_and(|range| range <= self.limit) {
            return self.add(wide, &parts, |word| ((word as u64).wrapping_shr(low) & (wide - 1)) as u32);
        }
        let (least, most) = bounds_of(&parts)?;
        let span = (i128::from(most) - i128::from(least)) as u64;
        if span < self.limit {
            return self.add(span + 1, &parts, |word| word.wrapping_sub(least) as u32);
        }
        let (codes, distinct) = dictionary(&parts.into_iter().map(|p| ScalarBuffer::<u64>::from(p.into_inner())).collect::<Vec<_>>())?;
        self.add(distinct, &[codes], |code| code)
    }

    fn texts(&mut self, parts: &[&StringArray]) -> Option<()> {
        let mut exact = true;
        let words: Vec<Vec<u64>> = parts.iter().map(|part| text_words(part, &mut exact)).collect();
        let (codes, distinct) = dictionary(&words)?;
        if !exact {
            // Equal hashes of unequal texts leave the batches to those who compare.
            let mut known: Vec<&str> = Vec::new();
            let texts = parts.iter().flat_map(|part| part.iter().map(Option::unwrap_or_default));
            for (text, code) in texts.zip(&codes) {
                match known.get(*code as usize) {
                    None => known.push(text),
                    Some(known) if *known == text => {}
                    Some(_) => return None,
                }
            }
        }
        self.add(distinct, &[codes], |code| code)
    }

    /// Adds a digit a row, made of its word.
    fn add<W: Copy>(&mut self, range: u64, parts: &[impl AsRef<[W]>], digit: impl Fn(W) -> u32) -> Option<()> {
        let wide = self.range.checked_mul(range)?;
        if range == 1 {
            return Some(());
        }
        if wide > self.limit {
            let digits = parts.iter().flat_map(|p| p.as_ref()).map(|word| u64::from(digit(*word)));
            let both: Vec<u64> = self.codes.iter().zip(digits).map(|(code, digit)| u64::from(*code) * range + digit).collect();
            (self.codes, self.range) = dictionary(&[both])?;
            return Some(());
        }
        let (mut codes, range) = (self.codes.as_mut_slice(), range as u32);
        for part in parts {
            let (own, rest) = codes.split_at_mut_checked(part.as_ref().len())?;
            own.iter_mut().zip(part.as_ref()).for_each(|(code, word)| *code = code.wrapping_mul(range).wrapping_add(digit(*word)));
            codes = rest;
        }
        self.range = wide;
        Some(())
    }
}

/// The least and the greatest of some numbers; four at a time, as each waits for the one before otherwise.
pub fn bounds(numbers: &[i64]) -> Option<(i64, i64)> {
    let first = *numbers.first()?;
    let (mut least, mut most) = ([first; 4], [first; 4]);
    let (fours, rest) = numbers.as_chunks::<4>();
    let mut take_in = |four: &[i64]| {
        for ((number, least), most) in four.iter().zip(&mut least).zip(&mut most) {
            (*least, *most) = ((*least).min(*number), (*most).max(*number));
        }
    };
    fours.iter().for_each(|four| take_in(four));
    take_in(rest);
    Some((least.into_iter().min()?, most.into_iter().max()?))
}

/// The same of numbers in parts.
pub fn bounds_of(parts: &[impl AsRef<[i64]>]) -> Option<(i64, i64)> {
    let of_parts = parts.iter().filter_map(|p| bounds(p.as_ref()));
    of_parts.reduce(|(least, most), (low, high)| (least.min(low), most.max(high)))
}

/// Which values are there, where some are not.
fn present(column: &ArrayRef) -> Option<&NullBuffer> {
    column.nulls().filter(|n| n.null_count() > 0)
}

/// The values of a column's parts, and one of them in all places where there is none.
fn values(parts: &[&ArrayRef]) -> Option<Vec<ScalarBuffer<i64>>> {
    let all: Vec<ScalarBuffer<i64>> = parts.iter().map(|p| words(p)).collect::<Option<_>>()?;
    let first = |(part, words): (&&ArrayRef, &ScalarBuffer<i64>)| {
        let row = present(part).map_or(Some(0), |nulls| nulls.valid_indices().next())?;
        words.get(row).copied()
    };
    let any = parts.iter().zip(&all).find_map(first).unwrap_or(0);
    let filled = |(part, words): (&&ArrayRef, ScalarBuffer<i64>)| match present(part) {
        None => words,
        Some(nulls) => words.iter().zip(nulls).map(|(word, there)| if there { *word } else { any }).collect(),
    };
    Some(parts.iter().zip(all).map(filled).collect())
}

/// The values of a column as 64 bits: equal bits, equal values.
fn words(column: &ArrayRef) -> Option<ScalarBuffer<i64>> {
    match column.data_type() {
        DataType::Boolean | DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            Some(cast(column, &DataType::Int64).ok()?.as_primitive_opt::<Int64Type>()?.values().clone())
        }
        kind => {
            let (width, data) = (kind.primitive_width()?, column.to_data());
            let buffer = data.buffers().first()?.clone();
            match width {
                8 => Some(ScalarBuffer::new(buffer, data.offset(), data.len())),
                4 => Some(ScalarBuffer::<i32>::new(buffer, data.offset(), data.len()).iter().map(|w| i64::from(*w)).collect()),
                _ => None,
            }
        }
    }
}

/// The texts of a column as 64 bits, and whether equal bits mean equal texts. Null ones are as the empty text.
fn text_words(column: &StringArray, exact: &mut bool) -> Vec<u64> {
    const LONG: u64 = 1 << 63;
    let bytes = column.value_data();
    let mut word = |ends: &[i32]| {
        let [from, to] = ends else { return 0 };
        let span = *from as usize..*to as usize;
        match short_word(bytes, &span).filter(|_| span.len() < 8) {
            Some(word) => word | (span.len() as u64) << 56,
            None => {
                *exact = false;
                hash_bytes(0, bytes.get(span).unwrap_or_default()) | LONG
            }
        }
    };
    let ends = column.offsets().windows(2);
    match column.nulls().filter(|n| n.null_count() > 0) {
        None => ends.map(word).collect(),
        Some(nulls) => ends.zip(nulls).map(|(ends, there)| if there { word(ends) } else { 0 }).collect(),
    }
}

/// The place of each value among the distinct ones, by which was met first, and how many these are; none when they are more than
/// half of the rows.
fn dictionary(parts: &[impl AsRef<[u64]>]) -> Option<(Vec<u32>, u64)> {
    let rows: usize = parts.iter().map(|p| p.as_ref().len()).sum();
    let (mut table, mut distinct, mut codes) = (Words::new(), 0, Vec::with_capacity(rows));
    for block in parts.iter().flat_map(|p| p.as_ref().chunks(BLOCK)) {
        let looked_up = match block {
            // Windows of ascending times.
            [one, rest @ ..] if rest.iter().fold(0, |differ, v| differ | (v ^ one)) == 0 => std::slice::from_ref(one),
            block => block,
        };
        let begins = codes.len();
        table.numbers_of(looked_up, &mut codes, |_| {
            distinct += 1;
            distinct - 1
        });
        let code = codes.get(begins).copied().unwrap_or(0);
        codes.resize(begins + block.len(), code);
        if distinct as usize > rows.max(2) / 2 {
            return None;
        }
    }
    Some((codes, u64::from(distinct)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Float32Array, Int64Array, LargeStringArray, TimestampMicrosecondArray};
    use std::sync::{Arc, PoisonError};

    use crate::flow::hash::{ALONE, texts_of_one_hash};

    /// Groups by the text of their keys.
    fn check(columns: &[ArrayRef]) {
        let rows = columns[0].len();
        let local = Coder::default().groups(&[columns], rows).unwrap();
        let key = |row: usize| columns.iter().map(|c| format!("{:?}", c.slice(row, 1))).collect::<String>();
        for row in 0..rows {
            assert_eq!(key(row), key(local.first[local.groups[row] as usize] as usize));
        }
        let mut keys: Vec<String> = local.first.iter().map(|r| key(*r as usize)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), local.first.len());
        // In parts, one of them without rows, it is the same.
        let part = |from: usize, to: usize| columns.iter().map(|c| c.slice(from, to - from)).collect::<Vec<_>>();
        let parts = [part(0, rows / 3), part(rows / 3, rows / 3), part(rows / 3, rows / 2), part(rows / 2, rows)];
        let parts: Vec<&[ArrayRef]> = parts.iter().map(Vec::as_slice).collect();
        let again = Coder::default().groups(&parts, rows).unwrap();
        assert_eq!((again.groups, again.first), (local.groups, local.first));
    }

    #[test]
    fn equal_keys_share_a_group() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = 4_000i64;
        let near: ArrayRef = Arc::new(Int64Array::from_iter((0..rows).map(|i| (i % 7 != 0).then_some(i * 31 % 13 - 5))));
        let far: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|i| [i64::MIN, 0, i64::MAX, 9][(i * i % 4) as usize])));
        let runs: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(|i| i / 1500 * 60_000_000)));
        let floats: ArrayRef = Arc::new(Float32Array::from_iter_values((0..rows).map(|i| (i % 5) as f32 - 0.5)));
        let short: ArrayRef = Arc::new(StringArray::from_iter((0..rows).map(|i| (i % 11 != 0).then(|| "k".repeat((i % 8) as usize)))));
        let long: ArrayRef =
            Arc::new(StringArray::from_iter((0..rows).map(|i| (i % 5 != 0).then(|| format!("{:_>1$}", i % 3, i as usize % 12)))));
        let mixed = vec![long.clone(), near.clone()];
        for columns in [
            vec![near.clone()],
            vec![far.clone()],
            vec![short],
            vec![long],
            mixed,
            vec![near.clone(), runs.clone()],
            vec![far, near, runs, floats],
        ] {
            check(&columns);
            check(&columns.iter().map(|c| c.slice(100, 2_000)).collect::<Vec<_>>());
        }
    }

    /// Whoever compares takes the batch then.
    #[test]
    fn texts_of_one_hash_are_not_one_key() {
        let [one, other] = texts_of_one_hash();
        assert_ne!(one, other);
        assert_eq!(hash_bytes(0, one.as_bytes()), hash_bytes(0, other.as_bytes()));
        let texts = |all: [&String; 2]| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..100).map(|i| all[i % 2]))) };
        assert!(Coder::default().groups(&[&[texts([&one, &other])]], 100).is_none());
        assert_eq!(Coder::default().groups(&[&[texts([&one, &one])]], 100).unwrap().first, [0]);
    }

    #[test]
    fn many_groups_and_other_types_are_left_to_others() {
        let all: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        assert!(Coder::default().groups(&[&[all]], 100).is_none());
        let text: ArrayRef = Arc::new(LargeStringArray::from(vec!["a"; 100]));
        assert!(Coder::default().groups(&[&[text]], 100).is_none());
    }
}
