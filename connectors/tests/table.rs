//! Files of rows cut into blocks give the rows that arrow's own readers give of the whole, wherever they are cut, and from
//! every row on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};
use littoral_connectors::files::table::{Block, Position, TableFile, TableFormat, joined};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

fn schema() -> SchemaRef {
    let column = |(name, kind): (&str, DataType)| Field::new(name, kind, true);
    Arc::new(Schema::new([("k", DataType::Int64), ("t", DataType::Utf8), ("v", DataType::Float64)].map(column).to_vec()))
}

/// The rows from a place on, in blocks of some bytes; for each block its text and rows.
fn blocks(file: &TableFile, from: Position, bytes: usize) -> Result<Vec<(Vec<u8>, RecordBatch)>, String> {
    let fail = |e: arrow::error::ArrowError| e.to_string();
    let mut blocks = file.clone().in_blocks_of(bytes).blocks(from).map_err(fail)?;
    let (mut decoder, mut open, mut out) = (file.decoder(), Vec::new(), Vec::new());
    while let Some(block) = blocks.next(Vec::new()).map_err(fail)? {
        let block = joined(&mut open, block);
        let rows = decoder.decode(&block).map_err(fail)?;
        match (block, rows) {
            (Block::Text(text), Some(rows)) => out.push((text, rows)),
            (Block::Text(text), None) => open = text,
            (Block::Rows(_), rows) => out.push((Vec::new(), rows.unwrap())),
        }
    }
    if open.is_empty() { Ok(out) } else { Err("the file ends within a row".into()) }
}

fn together(file: &TableFile, blocks: &[(Vec<u8>, RecordBatch)]) -> RecordBatch {
    concat_batches(&file.read_columns(), blocks.iter().map(|(_, rows)| rows)).unwrap()
}

/// Reads a file in blocks of some bytes, then again from behind each block and from within it.
fn check(file: &TableFile, whole: &Result<RecordBatch, String>, bytes: usize, text: &str) {
    let got = blocks(file, Position::default(), bytes);
    let (got, whole) = match (got, whole) {
        (Ok(got), Ok(whole)) => (got, whole),
        (Err(_), Err(_)) => return,
        (got, whole) => panic!("{bytes} bytes of {text}\n{got:?}\n{whole:?}"),
    };
    let all = together(file, &got);
    assert_eq!(&all, whole, "{bytes} bytes of {text}");
    let mut at = file.blocks(Position::default()).unwrap().at();
    let mut before = 0;
    for (text, rows) in &got {
        for inside in [0, rows.num_rows() / 2, rows.num_rows()] {
            let end = file.end_of_rows(text, inside).unwrap() as u64;
            let from = Position { rows: (before + inside) as u64, bytes: at + end };
            let rest = together(file, &blocks(file, from, bytes).unwrap());
            assert_eq!(rest, all.slice(before + inside, all.num_rows() - before - inside), "from {from:?}");
        }
        at += text.len() as u64;
        before += rows.num_rows();
    }
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    std::fs::write(folder.join(name), text).unwrap();
    folder.join(name)
}

fn csv_by_arrow(path: &Path) -> Result<RecordBatch, String> {
    let file = std::fs::File::open(path).unwrap();
    let reader = arrow::csv::ReaderBuilder::new(schema()).with_header(true).build(file).map_err(|e| e.to_string())?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    concat_batches(&schema(), &batches).map_err(|e| e.to_string())
}

fn json_by_arrow(text: &str) -> Result<RecordBatch, String> {
    let reader = arrow::json::ReaderBuilder::new(schema()).build(text.as_bytes()).map_err(|e| e.to_string())?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    concat_batches(&schema(), &batches).map_err(|e| e.to_string())
}

/// Fields of a CSV line, some in quotes, with quotes and ends of lines in them.
fn csv_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z]{0,6}",
        "[a-z\"]{1,4}".prop_map(|t| format!("x{t}")),
        Just("\"a\nb\"".to_string()),
        Just("\"\"\"q\"\", \r\n\"".to_string())
    ];
    let end = prop_oneof![Just("\n"), Just("\n"), Just("\r\n"), Just("\n\n"), Just("\r")];
    let line = (any::<i16>(), word, -9.0..9.0f64, end).prop_map(|(k, t, v, end)| format!("{k},{t},{v}{end}"));
    (prop_oneof![Just("k,t,v\n"), Just("\n\"k\",\"t\",v\r\n")], prop::collection::vec(line, 0..30), 0..20usize).prop_map(
        |(header, lines, broken)| {
            let mut text = format!("{header}{}", lines.concat());
            if broken == 0 {
                text.push_str("1,\"open");
            }
            text
        },
    )
}

fn json_text() -> impl Strategy<Value = String> {
    let word = prop_oneof!["[a-z{}]{0,6}", Just("}\n{".to_string()), Just("\\\\".to_string()), Just("\\\"".to_string())];
    let space = prop_oneof![Just(""), Just(" "), Just("\n  ")];
    let end = prop_oneof![Just("\n"), Just("\n"), Just("\r\n"), Just("\n\n"), Just("")];
    let row = (any::<i16>(), word, space, end)
        .prop_map(|(k, t, s, end)| format!("{{{s}\"k\":{k},{s}\"t\":\"{t}\",{s}\"x\":[{{}},\n{{}}]{s}}}{end}"));
    (prop::collection::vec(row, 0..30), 0..20usize).prop_map(|(rows, broken)| {
        let mut text = rows.concat();
        if broken == 0 {
            text.push_str("{\"k\":");
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_in_blocks_is_csv_as_a_whole(text in csv_text(), bytes in 1..300usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "t.csv", &text);
        match TableFile::known(&path, TableFormat::Csv, &schema()) {
            Ok(file) => check(&file, &csv_by_arrow(&path), bytes, &text),
            Err(error) => assert!(csv_by_arrow(&path).is_err(), "{error} {text}"),
        }
    }

    #[test]
    fn json_in_blocks_is_json_as_a_whole(text in json_text(), bytes in 1..300usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "t.json", &text);
        let file = TableFile::known(&path, TableFormat::Json, &schema()).unwrap();
        check(&file, &json_by_arrow(&text), bytes, &text);
    }
}

#[test]
fn only_the_columns_that_are_asked_for_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let csv = write(folder.path(), "t.csv", "k,t,v\n1,a,0.5\n2,b,1.5\n");
    let json = write(folder.path(), "t.json", "{\"k\":1,\"t\":\"a\",\"v\":0.5}\n{\"k\":2,\"t\":\"b\",\"v\":1.5}\n");
    let parquet = folder.path().join("t.parquet");
    let rows = csv_by_arrow(&csv).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&parquet).unwrap(), schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    for (path, format) in [(&csv, TableFormat::Csv), (&json, TableFormat::Json), (&parquet, TableFormat::Parquet)] {
        let file = TableFile::known(path, format, &schema()).unwrap();
        assert_eq!(together(&file, &blocks(&file, Position::default(), 100).unwrap()), rows, "{format:?}");
        let some = file.reading(&[2, 0]);
        assert_eq!(together(&some, &blocks(&some, Position::default(), 100).unwrap()), rows.project(&[0, 2]).unwrap(), "{format:?}");
        let none = file.reading(&[]);
        assert_eq!(together(&none, &blocks(&none, Position::default(), 100).unwrap()).num_rows(), 2, "{format:?}");
        assert_eq!(file.whole().unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 2, "{format:?}");
    }
    let file = TableFile::known(&parquet, TableFormat::Parquet, &schema()).unwrap();
    assert_eq!(together(&file, &blocks(&file, Position { rows: 1, bytes: 0 }, 100).unwrap()), rows.slice(1, 1));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..50_000).map(|i| format!("{i},text number {i},0.5\n")).collect();
    let path = write(folder.path(), "t.csv", &format!("k,t,v\n{lines}x,y,z\n"));
    let error = TableFile::known(&path, TableFormat::Csv, &schema()).unwrap().whole().unwrap_err().to_string();
    assert_eq!(error, "Parser error: line 50002: Error while parsing value 'x' as type 'Int64' for column 0. Row data: '[x,y,z]'");

    // Blank lines, and texts that go over lines, count.
    let path = write(folder.path(), "u.csv", "k,t,v\n\n1,\"a\nb\",0.5\n\n2,c\n");
    let error = TableFile::known(&path, TableFormat::Csv, &schema()).unwrap().whole().unwrap_err().to_string();
    assert!(error.contains("line 6: "), "{error}");
    for (broken, line) in [("{\"k\":\"x\"}", 5), ("{\"k\":1,", 5), ("[1]", 5)] {
        let path = write(folder.path(), "t.json", &format!("{{\"k\":1}}\n{{\"k\":\n2}}\n\n{broken}\n{{\"k\":3}}\n"));
        let error = TableFile::known(&path, TableFormat::Json, &schema()).unwrap().whole().unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}: ")), "{broken}: {error}");
    }
}

#[test]
fn what_lies_too_deep_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.json");
    std::fs::write(&path, format!("{{\"name\":\"a\"}}\n{{\"name\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000))).unwrap();
    let columns = Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, true)]));
    let error = TableFile::known(&path, TableFormat::Json, &columns).unwrap().whole().unwrap_err().to_string();
    assert_eq!(error, "Json error: line 2: objects and lists lie within each other more than 512 deep");
}

/// Whoever wrote the file may have held texts as codes; they are texts.
#[test]
fn dictionaries_of_parquet_are_read_as_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes.parquet");
    let codes: DictionaryArray<Int32Type> = [Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    let nested = StructArray::from(vec![(Arc::new(Field::new("t", codes.data_type().clone(), true)), Arc::new(codes.clone()) as ArrayRef)]);
    let numbers =
        cast(&Int64Array::from(vec![7, 7, 8, 9]), &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64))).unwrap();
    let k: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let rows = [("k", k.clone()), ("t", Arc::new(codes.clone()) as ArrayRef), ("n", numbers), ("s", Arc::new(nested))];
    let rows = RecordBatch::try_from_iter_with_nullable(rows.map(|(name, column)| (name, column, true))).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let file = TableFile::found(&path).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), Some("a")]));
    let read = file.whole().unwrap();
    assert_eq!(file.columns().field(1).data_type(), &DataType::Utf8);
    assert_eq!(read[0].schema().fields(), file.columns().fields());
    assert_eq!((read[0].column(0), read[0].column(1)), (&k, &texts));
    assert_eq!(read[0].column(2).as_primitive::<Int64Type>().values(), &[7, 7, 8, 9]);
    assert_eq!(read[0].column(3).as_struct().column(0), &texts);
    assert_eq!(file.reading(&[1]).whole().unwrap()[0].column(0), &texts);
}
