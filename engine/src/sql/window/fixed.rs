//! Windows of fixed length: multiples of it since 1970, moved by an offset.

use arrow::array::{Array, TimestampMicrosecondArray};

/// Beyond this from 1970 the bounds of windows are not taken over from one row to the next.
const FAR: u64 = 1 << 62;

/// Starts of windows; times that follow each other are mostly in one.
pub fn starts(micros: &TimestampMicrosecondArray, size: i64, offset: i64) -> TimestampMicrosecondArray {
    let (mut start, mut inside) = (0i64, 0..0);
    let times = micros.values().iter().map(|t| {
        if !inside.contains(t) {
            start = floor(*t, size, offset);
            // At the ends of time a window is cut off, and its neighbour has other bounds.
            inside = if start.unsigned_abs() < FAR { start..start.saturating_add(size) } else { 0..0 };
        }
        start
    });
    TimestampMicrosecondArray::new(times.collect(), micros.nulls().cloned())
}

/// The start of the window that a time is in.
pub fn floor(t: i64, size: i64, offset: i64) -> i64 {
    t.saturating_sub(offset).div_euclid(size).saturating_mul(size).saturating_add(offset)
}

/// The windows that a time is in: multiples of the slide, from the first to the last.
pub fn hop(t: i64, slide: i64, size: i64, offset: i64, out: &mut Vec<(i64, i64)>) {
    let from = out.len();
    let mut start = floor(t, slide, offset);
    while start > t.saturating_sub(size) {
        out.push((start, start.saturating_add(size)));
        start = start.saturating_sub(slide);
    }
    if let Some(own) = out.get_mut(from..) {
        own.reverse();
    }
}

/// The windows that a time is in: from the start, each a step longer, up to the size.
pub fn cumulate(t: i64, step: i64, size: i64, offset: i64, out: &mut Vec<(i64, i64)>) {
    let start = floor(t, size, offset);
    let first = (t - start) / step + 1;
    out.extend((first..=size / step).map(|k| (start, start.saturating_add(k * step))));
}
