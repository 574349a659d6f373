//! Draws the input files of all systems: readings for the window, with their answer, and NEXMark events.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::json::LineDelimitedWriter;

use crate::nexmark::Generator;

/// The seed of all NEXMark events of this bench.
pub const SEED: u64 = 7;
/// Event time of the first reading, in microseconds: 2024-01-01T00:00:00Z.
const START: i64 = 1_704_067_200_000_000;
const KEYS: u64 = 1_000;
/// Readings come 10,000 to a second of event time, each up to 4 seconds back: less than the 5 that a watermark waits.
const STEP: i64 = 100;
const BACK: u64 = 4_000_000;
const WINDOW: i64 = 10_000_000;

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

fn create(folder: &Path, name: &str) -> BufWriter<File> {
    std::fs::create_dir_all(folder).unwrap();
    BufWriter::with_capacity(1 << 20, File::create(folder.join(name)).unwrap())
}

/// Readings as NDJSON, and what each key and window comes to, computed here by hand.
pub fn window(folder: &Path, rows: usize) {
    let mut out = create(folder, &format!("window-{rows}.ndjson"));
    let mut draw = Draw(1);
    let mut groups: BTreeMap<(u64, i64), (i64, f64, f64, f64)> = BTreeMap::new();
    for row in 0..rows as i64 {
        let ts = START + row * STEP - draw.below(BACK) as i64;
        let key = draw.below(KEYS);
        let value = draw.below(1_000_000) as f64 / 100.0;
        writeln!(out, "{{\"ts\":{ts},\"key\":\"k{key:03}\",\"value\":{value:?}}}").unwrap();
        let group = groups.entry((key, ts - ts.rem_euclid(WINDOW))).or_insert((0, 0.0, f64::INFINITY, f64::NEG_INFINITY));
        *group = (group.0 + 1, group.1 + value, group.2.min(value), group.3.max(value));
    }
    out.flush().unwrap();
    let mut answer = create(folder, &format!("window-{rows}.csv"));
    for ((key, start), (n, sum, min, max)) in groups {
        writeln!(answer, "k{key:03},{start},{n},{sum:?},{min:?},{max:?}").unwrap();
    }
    answer.flush().unwrap();
}

/// NEXMark events, a file a table; times are microseconds as numbers, which each system reads without parsing text.
pub fn events(folder: &Path, count: usize, rate: u64) {
    let mut generator = Generator::new(SEED, rate);
    let mut files = ["person", "auction", "bid"].map(|name| LineDelimitedWriter::new(create(folder, &format!("{name}.ndjson"))));
    let mut left = count;
    while left > 0 {
        let n = left.min(50_000);
        left -= n;
        let batch = generator.next_batch(n).unwrap();
        for (file, rows) in files.iter_mut().zip([&batch.person, &batch.auction, &batch.bid]) {
            file.write(&numbered(rows)).unwrap();
        }
    }
    for mut file in files {
        file.finish().unwrap();
        file.into_inner().flush().unwrap();
    }
    let mut side = LineDelimitedWriter::new(create(folder, "side_input.ndjson"));
    side.write(&side_input()).unwrap();
    side.finish().unwrap();
    side.into_inner().flush().unwrap();
}

/// The bounded side table of q13.
pub fn side_input() -> RecordBatch {
    let keys: Int64Array = (0..10_000).collect::<Vec<i64>>().into();
    let values = StringArray::from_iter_values((0..10_000).map(|i| format!("value {i}")));
    RecordBatch::try_from_iter([("key", Arc::new(keys) as ArrayRef), ("value", Arc::new(values))]).unwrap()
}

/// Rows whose times are plain numbers of microseconds.
pub fn numbered(rows: &RecordBatch) -> RecordBatch {
    let schema = rows.schema();
    let column = |(field, column): (&Arc<arrow::datatypes::Field>, &ArrayRef)| match field.data_type() {
        DataType::Timestamp(..) => (field.name().clone(), cast(column, &DataType::Int64).unwrap()),
        _ => (field.name().clone(), column.clone()),
    };
    RecordBatch::try_from_iter(schema.fields().iter().zip(rows.columns()).map(column)).unwrap()
}
