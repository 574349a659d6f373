//! Rows as text that can be compared: sorted, with floats to a number of digits that any order of summing gives.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Rows as sorted text; floats to twelve digits, as sums may be taken in another order.
pub fn text(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> = rows.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    let cell = |f: &ArrayFormatter<'_>, row: usize| {
        let text = f.value(row).to_string();
        match text.parse::<f64>() {
            Ok(number) if text.contains(['.', 'e', 'E']) => format!("{:.12e}", number + 0.0),
            _ => text.trim_end_matches('Z').to_string(),
        }
    };
    let mut lines: Vec<String> =
        (0..rows.num_rows()).map(|row| columns.iter().map(|f| cell(f, row)).collect::<Vec<_>>().join(" | ")).collect();
    lines.sort();
    lines
}
