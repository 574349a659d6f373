//! Hashes of rows, a column at a time: for arrangement keys, row identities and the exchange between workers.
//!
//! The hash is the same in every process and on every processor, so that workers of several processes agree. It is not a
//! proof of equality: whoever uses it compares values where hashes meet. The mixing step is the folded multiplication of
//! wyhash (Wang Yi 2019). Floats are hashed by their bits; callers that hold −0.0 and 0.0 equal make them equal first.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const NULL: u64 = 0xD6E8_FEB8_6659_FD93;
const FACTOR: u64 = 0xA076_1D64_78BD_642F;

/// The bits that tests leave of every hash, so that unequal rows meet.
#[cfg(test)]
pub static COLLIDE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(u64::MAX);
/// Held by tests that set those bits, and by tests that keep hashes while others might set them.
#[cfg(test)]
pub static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// One hash a row over some columns; 0 for every row when there are none.
///
/// # Errors
/// When a column's type has no row encoding.
pub fn hash_rows(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>, ArrowError> {
    let mut hashes = vec![if columns.is_empty() { 0 } else { SEED }; rows];
    for column in columns {
        add_column(&mut hashes, column)?;
    }
    #[cfg(test)]
    hashes.iter_mut().for_each(|h| *h &= COLLIDE.load(std::sync::atomic::Ordering::Relaxed));
    Ok(hashes)
}

/// The hash of one value of 32 or 64 bits that is not null, as `hash_rows` gives it for a column alone.
pub fn hash_word(word: u64) -> u64 {
    let hash = mix(SEED, word);
    #[cfg(test)]
    return hash & COLLIDE.load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(test))]
    hash
}

fn mix(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value.wrapping_mul(SEED)) * u128::from(FACTOR);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Two texts of sixteen bytes with one hash: the second word of each takes the first one's hash to nought.
#[cfg(test)]
pub fn texts_of_one_hash() -> [String; 2] {
    // The inverse of an odd number, by Newton's steps: each doubles the bits that are right.
    let inverse = (0..6).fold(SEED, |x, _| x.wrapping_mul(2u64.wrapping_sub(SEED.wrapping_mul(x))));
    let text = |first: u64| {
        let second = mix(16, first).wrapping_mul(inverse);
        String::from_utf8([first.to_le_bytes(), second.to_le_bytes()].concat()).ok()
    };
    let mut found = (0..1u64 << 24).filter_map(|i| text(0x6161_6161_6100_0000 | i));
    std::array::from_fn(|_| found.next().unwrap_or_default())
}

/// The hash of some bytes.
pub fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(seed ^ bytes.len() as u64, |h, w| mix(h, u64::from_le_bytes(*w)));
    if rest.is_empty() {
        return hash;
    }
    mix(hash, padded(rest))
}

/// Fewer than eight bytes as a word, zeros behind them.
fn padded(bytes: &[u8]) -> u64 {
    let mut word = [0u8; 8];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(word)
}

fn add_column(hashes: &mut [u64], column: &ArrayRef) -> Result<(), ArrowError> {
    match column.data_type() {
        DataType::Null => hashes.iter_mut().for_each(|h| *h = mix(*h, NULL)),
        DataType::Boolean => {
            let values = column.as_boolean();
            each(hashes, column, |h, row| mix(h, u64::from(values.value(row))));
        }
        DataType::Utf8 => add_bytes::<i32>(hashes, column),
        DataType::LargeUtf8 => add_bytes::<i64>(hashes, column),
        DataType::Struct(_) => {
            // What a null hides does not count.
            let before = column.nulls().filter(|n| n.null_count() > 0).map(|_| hashes.to_vec());
            for field in column.as_struct().columns() {
                add_column(hashes, field)?;
            }
            if let (Some(nulls), Some(before)) = (column.nulls(), before) {
                let rows = hashes.iter_mut().zip(before).enumerate().filter(|(row, _)| nulls.is_null(*row));
                rows.for_each(|(_, (hash, before))| *hash = mix(before, NULL));
            }
        }
        kind => match kind.primitive_width() {
            Some(width) => add_fixed(hashes, column, width),
            None => {
                let rows = RowConverter::new(vec![SortField::new(kind.clone())])?.convert_columns(std::slice::from_ref(column))?;
                hashes.iter_mut().zip(rows.iter()).for_each(|(h, row)| *h = hash_bytes(*h, row.data()));
            }
        },
    }
    Ok(())
}

fn each(hashes: &mut [u64], column: &ArrayRef, of: impl Fn(u64, usize) -> u64) {
    match column.nulls().filter(|n| n.null_count() > 0) {
        None => hashes.iter_mut().enumerate().for_each(|(row, h)| *h = of(*h, row)),
        Some(nulls) => {
            hashes.iter_mut().enumerate().for_each(|(row, h)| *h = if nulls.is_valid(row) { of(*h, row) } else { mix(*h, NULL) })
        }
    }
}

fn add_bytes<O: OffsetSizeTrait>(hashes: &mut [u64], column: &ArrayRef) {
    let values = column.as_string::<O>();
    let (bytes, offsets) = (values.value_data(), values.offsets());
    each(hashes, column, |h, row| {
        let Some([from, to]) = offsets.get(row..row + 2) else { return h };
        let span = from.as_usize()..to.as_usize();
        match short_word(bytes, &span) {
            Some(_) if span.is_empty() => h,
            Some(word) => mix(h ^ span.len() as u64, word),
            None => hash_bytes(h, bytes.get(span).unwrap_or_default()),
        }
    });
}

/// Up to eight bytes at a place as one little-endian word, zeros behind them: read at once where eight are there. None for more.
pub fn short_word(bytes: &[u8], span: &Range<usize>) -> Option<u64> {
    let len = span.len();
    if len > 8 {
        return None;
    }
    if let Some(word) = bytes.get(span.start..).and_then(|rest| rest.first_chunk::<8>()) {
        let bits = 8 * len as u32;
        return Some(u64::from_le_bytes(*word) & u64::MAX.checked_shr(u64::BITS - bits).unwrap_or(0));
    }
    Some(padded(bytes.get(span.clone()).unwrap_or_default()))
}

/// Values of a fixed width, from their bytes.
fn add_fixed(hashes: &mut [u64], column: &ArrayRef, width: usize) {
    let data = column.to_data();
    let Some(buffer) = data.buffers().first() else { return };
    let bytes: Buffer = buffer.slice_with_length(data.offset() * width, data.len() * width);
    let value = |row: usize| bytes.get(row * width..(row + 1) * width).unwrap_or_default();
    match width {
        8 => {
            let (words, _) = bytes.as_chunks::<8>();
            each(hashes, column, |h, row| words.get(row).map_or(h, |w| mix(h, u64::from_le_bytes(*w))));
        }
        4 => {
            let (words, _) = bytes.as_chunks::<4>();
            each(hashes, column, |h, row| words.get(row).map_or(h, |w| mix(h, u64::from(u32::from_le_bytes(*w)))));
        }
        _ => each(hashes, column, |h, row| hash_bytes(h, value(row))),
    }
}
