//! Which rows of a column have no value: noted one by one, as most columns have none.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::NullBuffer;

/// Rows without a value, in order.
#[derive(Default)]
pub struct Nulls(Vec<u32>);

impl Nulls {
    /// Notes a row. Blocks are far smaller than what a number of a row can say.
    pub fn add(&mut self, row: usize) {
        self.0.push(row as u32);
    }

    /// The rows as a bitmap; none when each row has a value.
    pub fn finish(&mut self, rows: usize) -> Option<NullBuffer> {
        if self.0.is_empty() {
            return None;
        }
        let mut bits = BooleanBufferBuilder::new(rows);
        bits.append_n(rows, true);
        self.0.drain(..).for_each(|row| bits.set_bit(row as usize, false));
        Some(NullBuffer::new(bits.finish()))
    }
}
