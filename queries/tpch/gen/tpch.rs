//! The eight tables of the TPC-H benchmark, made from a seed: the published counts, keys, ranges, words and rules, but its own draws.
//!
//! So that small tables answer the benchmark's queries too, some rare things are more frequent here: parts that queries ask for,
//! orders of more than 300 pieces, complaints about suppliers, requests in orders, short supplies, suppliers of the nations asked for.
//! Answers are therefore not those published with the benchmark. The same seed and scale make the same tables.

#[path = "tpch_rows.rs"]
mod tpch_rows;
#[path = "tpch_words.rs"]
mod tpch_words;

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;

use tpch_words::{Draw, NATIONS, REGIONS, SEGMENTS};

/// Nations that queries ask for: Germany, Saudi Arabia, Canada, France, Brazil, Japan. The first suppliers are one of each; of the
/// others one in four is of one of them, the rest of any nation.
const ASKED_FOR: [i64; 6] = [7, 20, 3, 6, 2, 12];
/// Beyond it, the texts of a column need more than Arrow's `Utf8` can hold.
const LARGEST_SCALE: f64 = 10.0;

/// Rows of the tables that grow with the scale.
#[derive(Clone, Copy)]
struct Counts {
    suppliers: i64,
    customers: i64,
    parts: i64,
    orders: i64,
    clerks: i64,
}

impl Counts {
    fn new(scale: f64) -> Self {
        let rows = |of_one: f64, least: i64| ((of_one * scale).round() as i64).max(least);
        Self {
            suppliers: rows(10_000.0, 6),
            customers: rows(150_000.0, 3),
            parts: rows(200_000.0, 4),
            orders: rows(1_500_000.0, 1),
            clerks: rows(1000.0, 10),
        }
    }

    /// The key of one of a part's four suppliers, `which` being 0 to 3: four different ones, as published where the scale is large.
    fn supplier(self, part: i64, which: i64) -> i64 {
        let lap = (part - 1) / self.suppliers;
        let step = 1 + (self.suppliers / 4 - 1 + lap) % ((self.suppliers - 1) / 3).max(1);
        (part - 1 + which * step) % self.suppliers + 1
    }

    /// The key of one of the two in three customers that order.
    fn ordering_customer(self, draw: &mut Draw) -> i64 {
        let nth = draw.between(0, self.customers - self.customers / 3 - 1);
        nth / 2 * 3 + nth % 2 + 1
    }
}

/// The tables by name, `region` first and `lineitem` last: each after those it refers to. No column has nulls.
///
/// Keys and whole numbers are `Int64`, money and quantities `Decimal128(15, 2)`, days `Date32`, texts `Utf8`.
///
/// # Errors
/// When `scale` is not more than 0 and at most 10, or Arrow refuses to build a table.
pub fn tables(seed: u64, scale: f64) -> Result<Vec<(&'static str, RecordBatch)>, ArrowError> {
    if !(scale > 0.0 && scale <= LARGEST_SCALE) {
        return Err(ArrowError::InvalidArgumentError(format!("scale {scale} is not more than 0 and at most {LARGEST_SCALE}")));
    }
    let counts = Counts::new(scale);
    let draw = |table| Draw::new(seed, table);
    let (orders, lineitem) = tpch_rows::orders_and_lines(&mut draw(7), counts)?;
    Ok(vec![
        ("region", region(&mut draw(1))?),
        ("nation", nation(&mut draw(2))?),
        ("supplier", supplier(&mut draw(3), counts.suppliers)?),
        ("customer", customer(&mut draw(4), counts.customers)?),
        ("part", tpch_rows::part(&mut draw(5), counts.parts)?),
        ("partsupp", tpch_rows::partsupp(&mut draw(6), counts)?),
        ("orders", orders),
        ("lineitem", lineitem),
    ])
}

fn region(draw: &mut Draw) -> Result<RecordBatch, ArrowError> {
    table([
        ("r_regionkey", ints((0..5).collect())),
        ("r_name", texts(REGIONS.map(String::from).into())),
        ("r_comment", texts(REGIONS.map(|_| draw.text(31, 114)).into())),
    ])
}

fn nation(draw: &mut Draw) -> Result<RecordBatch, ArrowError> {
    table([
        ("n_nationkey", ints((0..25).collect())),
        ("n_name", texts(NATIONS.map(|(name, _)| name.to_string()).into())),
        ("n_regionkey", ints(NATIONS.map(|(_, region)| region).into())),
        ("n_comment", texts(NATIONS.map(|_| draw.text(31, 114)).into())),
    ])
}

fn supplier(draw: &mut Draw, count: i64) -> Result<RecordBatch, ArrowError> {
    let (mut addresses, mut nations, mut phones, mut balances, mut comments) = (vec![], vec![], vec![], vec![], vec![]);
    for key in 1..=count {
        let (any, favoured) = (draw.between(0, 24), if draw.once_in(4) { draw.between(1, 6) } else { 0 });
        let asked_for = if key <= 6 { key } else { favoured };
        let nation = usize::try_from(asked_for - 1).ok().and_then(|at| ASKED_FOR.get(at)).copied().unwrap_or(any);
        addresses.push(draw.address());
        nations.push(nation);
        phones.push(draw.phone(nation));
        balances.push(draw.between(-99_999, 999_999));
        comments.push(match key % 20 {
            4 => draw.text_around("Customer", "Complaints"),
            9 => draw.text_around("Customer", "Recommends"),
            _ => draw.text(25, 100),
        });
    }
    table([
        ("s_suppkey", ints((1..=count).collect())),
        ("s_name", texts((1..=count).map(|key| format!("Supplier#{key:09}")).collect())),
        ("s_address", texts(addresses)),
        ("s_nationkey", ints(nations)),
        ("s_phone", texts(phones)),
        ("s_acctbal", money(balances)?),
        ("s_comment", texts(comments)),
    ])
}

fn customer(draw: &mut Draw, count: i64) -> Result<RecordBatch, ArrowError> {
    let (mut addresses, mut nations, mut phones, mut balances) = (vec![], vec![], vec![], vec![]);
    let (mut segments, mut comments) = (vec![], vec![]);
    for _ in 0..count {
        let nation = draw.between(0, 24);
        addresses.push(draw.address());
        nations.push(nation);
        phones.push(draw.phone(nation));
        balances.push(draw.between(-99_999, 999_999));
        segments.push(draw.pick(&SEGMENTS).to_string());
        comments.push(draw.text(29, 116));
    }
    table([
        ("c_custkey", ints((1..=count).collect())),
        ("c_name", texts((1..=count).map(|key| format!("Customer#{key:09}")).collect())),
        ("c_address", texts(addresses)),
        ("c_nationkey", ints(nations)),
        ("c_phone", texts(phones)),
        ("c_acctbal", money(balances)?),
        ("c_mktsegment", texts(segments)),
        ("c_comment", texts(comments)),
    ])
}

fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, false)))
}

fn ints(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn texts(values: Vec<String>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

fn days(values: Vec<i32>) -> ArrayRef {
    Arc::new(Date32Array::from(values))
}

/// A column of hundredths.
fn money(cents: Vec<i64>) -> Result<ArrayRef, ArrowError> {
    let exact = Decimal128Array::from_iter_values(cents.into_iter().map(i128::from));
    Ok(Arc::new(exact.with_precision_and_scale(15, 2)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "tpch_tests.rs"]
mod tests;
