//! Reading and decoding NDJSON alone, by Littoral's decoder or by arrow-json: what the window from a file is held against.

use std::fs::File;
use std::hint::black_box;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::json::ReaderBuilder;
use littoral_connectors::files::table::{Block, Position, TableFile, TableFormat};

use crate::engine::{Run, cpu_seconds};

/// Decodes a file of readings, as `generate::window` writes them.
pub fn decode(file: &Path, by: &str) -> Run {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let fields = [("ts", time), ("key", DataType::Utf8), ("value", DataType::Float64)];
    let schema = Arc::new(Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
    let (started, cpu, mut rows) = (Instant::now(), cpu_seconds(), 0);
    if by == "arrow" {
        let text = BufReader::with_capacity(1 << 20, File::open(file).unwrap());
        for batch in ReaderBuilder::new(schema).with_batch_size(8192).build(text).unwrap() {
            rows += black_box(batch.unwrap()).num_rows();
        }
    } else {
        let table = TableFile::known(file, TableFormat::Json, &schema).unwrap();
        let (mut blocks, mut decoder, mut buffer) = (table.blocks(Position::default()).unwrap(), table.decoder(), Vec::new());
        while let Some(block) = blocks.next(std::mem::take(&mut buffer)).unwrap() {
            rows += black_box(decoder.decode(&block).unwrap()).map_or(0, |batch| batch.num_rows());
            if let Block::Text(text) = block {
                buffer = text;
            }
        }
    }
    Run { seconds: started.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu, rows }
}
