//! Groups of one batch: a small number for each distinct key of the batch, without hashing where keys lie close together.
//!
//! Key columns become digits: the value less the least one where the range is small, else its place in a dictionary of the
//! batch, which costs little where equal values follow each other, as windows of ascending times do. Texts of up to seven bytes
//! are words with their length on top; longer ones are looked up by hash and then compared. The digits of all columns make one
//! number, which indexes a table. Numbers mean nothing beyond their batch; `store::Index` holds the groups that last. Keys that
//! differ in their bits alone may get two numbers.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::flow::hash::{hash_bytes, short_word};
use crate::sql::store::{BLOCK, Words};

const NONE: u32 = u32::MAX;
/// Numbers a row that tables may have.
const SPARSE: u64 = 2;

/// The groups of a batch.
pub struct Local {
    /// The group of each row.
    pub groups: Vec<u32>,
    /// The first row of each group.
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
    /// The groups of a batch by key columns; none when a column is neither text nor of a fixed width, or when
    /// groups are more than half of the rows.
    pub fn groups(&mut self, columns: &[ArrayRef], rows: usize) -> Option<Local> {
        let mut codes = std::mem::take(&mut self.codes);
        codes.clear();
        codes.resize(rows, 0);
        let mut digits = Digits { codes, range: 1, limit: (rows as u64 * SPARSE).max(1024) };
        columns.iter().try_for_each(|c| digits.column(c))?;
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
}

impl Coder {
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
    fn column(&mut self, column: &ArrayRef) -> Option<()> {
        if let Some(nulls) = column.nulls().filter(|n| n.null_count() > 0) {
            self.add(2, nulls.iter().map(u32::from))?;
        }
        match column.data_type() {
            DataType::Null => Some(()),
            DataType::Struct(_) => column.as_struct().columns().iter().try_for_each(|c| self.column(c)),
            DataType::Utf8 => self.texts(column.as_string()),
            _ => self.words(present(words(column)?, column.nulls())),
        }
    }

    fn words(&mut self, words: ScalarBuffer<i64>) -> Option<()> {
        let Some((least, most)) = bounds(&words) else { return Some(()) };
        let span = (i128::from(most) - i128::from(least)) as u64;
        if span < self.limit {
            return self.add(span + 1, words.iter().map(|w| w.wrapping_sub(least) as u32));
        }
        let (codes, first) = dictionary(&ScalarBuffer::<u64>::from(words.into_inner()))?;
        self.add(first.len() as u64, codes.into_iter())
    }

    fn texts(&mut self, column: &StringArray) -> Option<()> {
        let (words, exact) = text_words(column);
        let (codes, first) = dictionary(&words)?;
        if !exact {
            // Equal hashes of unequal texts leave the batch to those who compare.
            let firsts = codes.iter().map(|code| first.get(*code as usize).copied());
            let same = |(row, first): (usize, Option<u32>)| {
                first.is_some_and(|f| column.is_null(row) || column.is_null(f as usize) || column.value(row) == column.value(f as usize))
            };
            firsts.enumerate().all(same).then_some(())?;
        }
        self.add(first.len() as u64, codes.into_iter())
    }

    /// Adds a digit a row.
    fn add(&mut self, range: u64, digits: impl Iterator<Item = u32>) -> Option<()> {
        let wide = self.range.checked_mul(range)?;
        if wide <= self.limit {
            let range = range as u32;
            self.codes.iter_mut().zip(digits).for_each(|(code, digit)| *code = code.wrapping_mul(range).wrapping_add(digit));
            self.range = wide;
            return Some(());
        }
        let both: Vec<u64> = self.codes.iter().zip(digits).map(|(code, digit)| u64::from(*code) * range + u64::from(digit)).collect();
        let (codes, first) = dictionary(&both)?;
        (self.codes, self.range) = (codes, first.len() as u64);
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

/// Values where they are there, and one value in all other places.
fn present(words: ScalarBuffer<i64>, nulls: Option<&NullBuffer>) -> ScalarBuffer<i64> {
    let Some(nulls) = nulls.filter(|n| n.null_count() > 0) else { return words };
    let any = nulls.valid_indices().next().and_then(|row| words.get(row)).copied().unwrap_or(0);
    words.iter().zip(nulls.iter()).map(|(w, there)| if there { *w } else { any }).collect()
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
fn text_words(column: &StringArray) -> (Vec<u64>, bool) {
    const LONG: u64 = 1 << 63;
    let (bytes, mut exact) = (column.value_data(), true);
    let word = |(row, ends): (usize, &[i32])| {
        let [from, to] = ends else { return 0 };
        let span = *from as usize..*to as usize;
        match short_word(bytes, &span).filter(|_| span.len() < 8) {
            _ if column.is_null(row) => 0,
            Some(word) => word | (span.len() as u64) << 56,
            None => {
                exact = false;
                hash_bytes(0, bytes.get(span).unwrap_or_default()) | LONG
            }
        }
    };
    (column.offsets().windows(2).enumerate().map(word).collect(), exact)
}

/// The place of each value among the distinct ones, and the row that each of these was met in first; none when they are more
/// than half of the rows.
fn dictionary(values: &[u64]) -> Option<(Vec<u32>, Vec<u32>)> {
    let most = values.len().max(2) / 2;
    let (mut table, mut first, mut codes) = (Words::new(), Vec::new(), Vec::with_capacity(values.len()));
    for (block, from) in values.chunks(BLOCK).zip((0u32..).step_by(BLOCK)) {
        let looked_up = match block {
            // Windows of ascending times.
            [one, rest @ ..] if rest.iter().fold(0, |differ, v| differ | (v ^ one)) == 0 => std::slice::from_ref(one),
            block => block,
        };
        let begins = codes.len();
        table.numbers_of(looked_up, &mut codes, |at| {
            first.push(from + at as u32);
            first.len() as u32 - 1
        });
        let code = codes.get(begins).copied().unwrap_or(0);
        codes.resize(begins + block.len(), code);
        if first.len() > most {
            return None;
        }
    }
    Some((codes, first))
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
        let local = Coder::default().groups(columns, rows).unwrap();
        let key = |row: usize| columns.iter().map(|c| format!("{:?}", c.slice(row, 1))).collect::<String>();
        for row in 0..rows {
            assert_eq!(key(row), key(local.first[local.groups[row] as usize] as usize));
        }
        let mut keys: Vec<String> = local.first.iter().map(|r| key(*r as usize)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), local.first.len());
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
        assert!(Coder::default().groups(&[texts([&one, &other])], 100).is_none());
        assert_eq!(Coder::default().groups(&[texts([&one, &one])], 100).unwrap().first, [0]);
    }

    #[test]
    fn many_groups_and_other_types_are_left_to_others() {
        let all: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        assert!(Coder::default().groups(&[all], 100).is_none());
        let text: ArrayRef = Arc::new(LargeStringArray::from(vec!["a"; 100]));
        assert!(Coder::default().groups(&[text], 100).is_none());
    }
}
