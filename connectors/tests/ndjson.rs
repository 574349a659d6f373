//! The NDJSON decoder gives what arrow-json gives, but for fractions that it cuts off, whatever the schema and whatever the bytes; and plain JSON does not need it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast, cast_with_options, concat_batches};
use arrow::datatypes::{DataType, Decimal128Type, Field, Fields, Int64Type, Schema, SchemaRef, TimeUnit};
use arrow::json::ReaderBuilder;
use littoral_connectors::files::ndjson::Decoder;
use proptest::prelude::*;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// What arrow-json gives for a block. Where it stops by a defect of its own, an error is as good.
fn by_arrow(schema: &SchemaRef, block: &[u8]) -> Result<RecordBatch, String> {
    std::panic::catch_unwind(|| whole(schema, block)).unwrap_or_else(|_| Err("a defect".into()))
}

/// With all digits of numbers that columns of decimals and whole numbers have, rounded and checked afterwards.
fn whole(schema: &SchemaRef, block: &[u8]) -> Result<RecordBatch, String> {
    let given = read(schema, block)?;
    let long = |scale: i8| {
        let fields = schema.fields().iter().map(|f| of_long(f, scale));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    let read = read(&long(20), &bare(block))?;
    let strict = CastOptions { safe: false, ..Default::default() };
    let mut columns = Vec::new();
    for (i, field) in schema.fields().iter().enumerate() {
        let column = read.column(i);
        if is_of_whole(field.data_type()) {
            let cut = cast(&cast(column, long(0).field(i).data_type()).unwrap(), column.data_type()).unwrap();
            if &cut != column {
                return Err("a fraction".into());
            }
        }
        columns.push(cast_with_options(column, field.data_type(), &strict).map_err(|e| e.to_string())?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(given.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|e| e.to_string())
}

/// What arrow's decimals do not take, though it is a whole number, as one that they do: `0e0`, and spaces around one in a text.
fn bare(block: &[u8]) -> Vec<u8> {
    let is_of_number = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
    let number = |token: &[u8]| {
        let digits = token.split(|b| matches!(b, b'e' | b'E')).next().unwrap();
        let nought = digits.len() < token.len() && digits.contains(&b'0') && !digits.iter().any(|b| (b'1'..=b'9').contains(b));
        let short: &[u8] = if digits.starts_with(b"-") { b"-0" } else { b"0" };
        if nought { short.to_vec() } else { token.to_vec() }
    };
    let (mut out, mut rest) = (Vec::new(), block);
    while let Some(first) = rest.first() {
        let (token, len) = if *first == b'"' {
            let mut escaped = false;
            let end = rest[1..].iter().position(|b| {
                let after = escaped;
                escaped = *b == b'\\' && !after;
                *b == b'"' && !after
            });
            let len = end.map_or(rest.len(), |end| end + 2);
            let inner = rest[1..end.map_or(len, |end| end + 1)].trim_ascii();
            match inner.iter().all(is_of_number) && !inner.is_empty() {
                true => ([b"\"".to_vec(), number(inner), b"\"".to_vec()].concat(), len),
                false => (rest[..len].to_vec(), len),
            }
        } else if is_of_number(first) {
            let len = rest.iter().position(|b| !is_of_number(b)).unwrap_or(rest.len());
            (number(&rest[..len]), len)
        } else {
            (vec![*first], 1)
        };
        out.extend(token);
        rest = &rest[len..];
    }
    out
}

/// Whether there are whole numbers in a type.
fn is_of_whole(kind: &DataType) -> bool {
    match kind {
        DataType::List(item) => is_of_whole(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| is_of_whole(f.data_type())),
        other => other.is_integer(),
    }
}

/// With decimals that are long, and whole numbers as decimals of a scale.
fn of_long(field: &Field, scale: i8) -> Field {
    let kind = match field.data_type() {
        DataType::List(item) => DataType::List(Arc::new(of_long(item, scale))),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| of_long(f, scale)).collect()),
        DataType::Decimal128(..) => DataType::Decimal256(60, 20),
        kind if kind.is_integer() => DataType::Decimal256(60, scale),
        other => other.clone(),
    };
    Field::new(field.name(), kind, field.is_nullable())
}

fn read(schema: &SchemaRef, block: &[u8]) -> Result<RecordBatch, String> {
    let reader = ReaderBuilder::new(schema.clone()).with_batch_size(1 << 12).build(block).map_err(|e| e.to_string())?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    concat_batches(schema, &batches).map_err(|e| e.to_string())
}

/// Whether the block was read without arrow-json.
fn check(decoder: &mut Decoder, schema: &SchemaRef, block: &[u8]) -> bool {
    let slow = decoder.slow_blocks();
    let (got, expected) = (decoder.decode(block), by_arrow(schema, block));
    let text = String::from_utf8_lossy(block);
    // Broken bytes may have made another pair, which arrow-json may read as another character.
    let pairs_differ = text.matches("\\ud8").count() != text.matches("\\ud83d\\ude00").count();
    match (got, expected) {
        (Ok(Some(_)), Ok(_)) if pairs_differ => {}
        (Ok(Some(got)), Ok(expected)) => {
            assert_eq!(got.schema(), expected.schema(), "{text}");
            assert_eq!(got, expected, "{text}\n{schema:?}");
            // Bits, so that zeros with their signs and NaN are compared too.
            for (a, b) in got.columns().iter().zip(expected.columns()) {
                assert_eq!(a.to_data(), b.to_data(), "{text}");
            }
        }
        (Ok(None), Err(_)) | (Err(_), Err(_)) => {}
        (got, expected) => panic!("{text}\n{schema:?}\nhere: {got:?}\narrow: {expected:?}"),
    }
    decoder.slow_blocks() == slow
}

fn kind(dice: &mut Dice, depth: usize) -> DataType {
    let nested = if depth < 2 { 3 } else { 0 };
    let zone = |dice: &mut Dice| [None, None, Some("+00:00".into()), Some("+05:30".into())][dice.below(4)].clone();
    match dice.below(22 + nested) {
        0 => DataType::Int8,
        1 => DataType::Int16,
        2 => DataType::Int32,
        3..=5 => DataType::Int64,
        6 => DataType::UInt8,
        7 => DataType::UInt32,
        8 => DataType::UInt64,
        9 => DataType::Float32,
        10 | 11 => DataType::Float64,
        12 => DataType::Boolean,
        13 | 14 => DataType::Utf8,
        15 => DataType::LargeUtf8,
        16 => DataType::Date32,
        17 => DataType::Decimal128(10, 2),
        18 => DataType::Timestamp([TimeUnit::Second, TimeUnit::Millisecond][dice.below(2)], zone(dice)),
        19 => DataType::Timestamp(TimeUnit::Nanosecond, zone(dice)),
        20 | 21 => DataType::Timestamp(TimeUnit::Microsecond, zone(dice)),
        22 => DataType::List(Arc::new(Field::new("item", kind(dice, depth + 1), dice.percent(80)))),
        _ => DataType::Struct(fields(dice, depth + 1)),
    }
}

const NAMES: [&str; 8] = ["k", "ts", "v", "a name of more than eight letters", "ü", "", "value", "quote\\\" in it"];

fn fields(dice: &mut Dice, depth: usize) -> Fields {
    let count = 1 + dice.below(4);
    let first = dice.below(NAMES.len());
    (0..count).map(|i| Field::new(NAMES[(first + i) % NAMES.len()], kind(dice, depth), dice.percent(85))).collect()
}

/// Values that no type, or few types, take.
const STRANGE: [&str; 12] = ["null", "true", "[]", "{}", "[1,[2]]", "{\"a\":{\"b\":[null]}}", "\"x\"", "12", "-", "1e", "nul", "\"\\q\""];
const WHOLE: [&str; 8] = ["-0", "007", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "127.9", "-0.5", "1e30"];
const FRACTIONS: [&str; 12] =
    ["-0.0", "-0", "1e400", "-1e-400", "0.1e1", "5e-324", "1.7976931348623157e308", "\"NaN\"", "\"inf\"", "\" 1.5\"", "1.", "00.5"];
const TIMES: [&str; 11] = [
    "1.5e3",
    "1e30",
    "\"2024-01-01\"",
    "\"2024-01-01T000000\"",
    "\"2024-01-01T00:00:60Z\"",
    "\"2024-02-30T00:00:00Z\"",
    "\"2024-01-01T24:00:00Z\"",
    "\"2024-01-01T00:00:00.Z\"",
    "\"1.5\"",
    "\"2024-01-01T00:00:00ZZ\"",
    "\"2024-01-0\\u0031T00:00:00Z\"",
];
const TEXTS: [&str; 12] = [
    "",
    "a",
    "abcdefgh",
    "a text of more than thirty-two bytes, which is looked for in another way",
    "ü€😀",
    "tab\\tand \\\"quotes\\\"",
    "\\u00fc\\ud83d\\ude00",
    "a\nb",
    "back\\\\slash",
    "\\/",
    "ends with \\\\",
    "0123456789abcdef\\n",
];
const BAD_TEXTS: [&str; 5] = ["\\ud83d", "\\ud83dx", "\\u12", "\\x", "\\ud83d\\u0041"];

fn digits(dice: &mut Dice, most: usize) -> String {
    let count = 1 + dice.below(most);
    let text: String = (0..count).map(|_| char::from(b'0' + dice.below(10) as u8)).collect();
    let short = text.trim_start_matches('0');
    format!("{}{}", if dice.percent(20) { "-" } else { "" }, if short.is_empty() { "0" } else { short })
}

/// A value that mostly suits its type, in one of the ways in which it may be written.
fn value(dice: &mut Dice, kind: &DataType, hostile: bool) -> String {
    if hostile && dice.percent(4) {
        return dice.of(&STRANGE).into();
    }
    if dice.percent(if hostile { 10 } else { 3 }) {
        return "null".into();
    }
    match kind {
        kind if kind.is_integer() => whole_number(dice, hostile),
        DataType::Float32 | DataType::Float64 => fraction(dice, hostile),
        DataType::Boolean => dice.of(&["true", "false"]).into(),
        DataType::Decimal128(..) => {
            let most = if dice.percent(90) { 6 } else { 9 };
            let text = format!("{}.{}", digits(dice, most), dice.below(if hostile { 100_000 } else { 100 }));
            if dice.percent(30) { format!("\"{text}\"") } else { text }
        }
        DataType::Date32 => format!("\"{:04}-{:02}-{:02}\"", dice.below(10_000), dice.below(14), dice.below(32)),
        DataType::Timestamp(..) => time(dice, hostile),
        DataType::List(field) => {
            let items: Vec<String> = (0..dice.below(4)).map(|_| value(dice, field.data_type(), hostile)).collect();
            format!("[{}]", items.join(dice.of(&[",", ", ", " ,\n"])))
        }
        DataType::Struct(fields) => object(dice, fields, hostile),
        _ => format!("\"{}\"", if hostile && dice.percent(3) { dice.of(&BAD_TEXTS) } else { dice.of(&TEXTS) }),
    }
}

fn whole_number(dice: &mut Dice, hostile: bool) -> String {
    let most = if dice.percent(70) { 2 } else { 20 };
    let number = digits(dice, most);
    match if hostile { dice.below(12) } else { 9 } {
        0 => format!("\"{number}\""),
        1 => format!("\" {number} \""),
        2 => format!("{number}.{}", dice.below(1000)),
        3 => format!("{number}e{}", dice.below(4)),
        4 => dice.of(&WHOLE).into(),
        _ => number,
    }
}

fn fraction(dice: &mut Dice, hostile: bool) -> String {
    match if hostile { dice.below(10) } else { 9 } {
        0 => dice.of(&FRACTIONS).into(),
        1 => format!("{}e{}", digits(dice, 3), digits(dice, 2)),
        2 => format!("{}.{}", digits(dice, 25), digits(dice, 20).trim_start_matches('-')),
        3 => format!("\"{}.5\"", digits(dice, 3)),
        _ => format!("{}.{}", digits(dice, 6), digits(dice, 6).trim_start_matches('-')),
    }
}

fn time(dice: &mut Dice, hostile: bool) -> String {
    match dice.below(if hostile { 12 } else { 10 }) {
        0 => return digits(dice, 18),
        10 => return dice.of(&TIMES).into(),
        _ => {}
    }
    let fraction: String = (0..dice.below(11)).map(|_| char::from(b'0' + dice.below(10) as u8)).collect();
    let zone = dice.of(&["Z", "Z", "Z", "", "z", "+02:00", "-08", " +01:00"]);
    let sep = dice.of(&["T", "T", "T", " ", "t"]);
    let year = if dice.percent(80) { 1_990 + dice.below(60) } else { dice.below(10_000) };
    let (month, day) = (1 + dice.below(12), 1 + dice.below(if hostile { 31 } else { 28 }));
    let (h, m, s) = (dice.below(24), dice.below(60), dice.below(60));
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("\"{year:04}-{month:02}-{day:02}{sep}{h:02}:{m:02}:{s:02}{dot}{fraction}{zone}\"")
}

fn object(dice: &mut Dice, fields: &Fields, hostile: bool) -> String {
    let mut members: Vec<String> = Vec::new();
    let colon = dice.of(&[":", ":", ":", ": "]);
    for field in fields {
        if dice.percent(if hostile { 90 } else { 97 }) {
            members.push(format!("\"{}\"{colon}{}", field.name(), value(dice, field.data_type(), hostile)));
        }
    }
    if dice.percent(10) {
        let other = value(dice, &kind(&mut Dice(dice.0), 1), hostile);
        members.insert(dice.below(members.len() + 1), format!("\"{}\":{other}", dice.of(&["other", "another", "kk"])));
    }
    if hostile && dice.percent(5) && !members.is_empty() {
        let again = members[dice.below(members.len())].clone();
        members.push(again);
    }
    if dice.percent(10) && members.len() > 1 {
        members.swap(0, 1);
    }
    if hostile && dice.percent(2) {
        return format!("{{{}}}", members.join(dice.of(&[" ", ",,", ";"])));
    }
    let space = dice.of(&["", "", "", " ", "\n  ", "\r\n\t"]);
    format!("{{{space}{}{space}}}", members.join(dice.of(&[",", ",", ", ", " , "])))
}

fn block(dice: &mut Dice, schema: &Schema, hostile: bool) -> Vec<u8> {
    let mut out = String::new();
    for _ in 0..dice.below(12) {
        out.push_str(&object(dice, schema.fields(), hostile));
        out.push_str(dice.of(&["\n", "\n", "\n", "\r\n", "\n\n", " \n"]));
    }
    if dice.percent(20) {
        out.truncate(out.trim_end().len());
    }
    let mut bytes = out.into_bytes();
    for _ in 0..if hostile && dice.percent(40) { 1 + dice.below(3) } else { 0 } {
        let at = dice.below(bytes.len() + 1);
        let byte = [b'"', b'{', b'}', b'[', b']', b',', b':', b'\\', b' ', b'\n', 0, 0xFF, b'9', b'-', b'e', b'n'][dice.below(16)];
        match (dice.below(3), at < bytes.len()) {
            (0, _) => bytes.insert(at, byte),
            (1, true) => bytes[at] = byte,
            (_, true) => drop(bytes.remove(at)),
            _ => {}
        }
    }
    bytes
}

fn cases() -> u32 {
    std::env::var("LITTORAL_NDJSON_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_block_gives_what_arrow_gives(seed: u64, hostile: bool) {
        let mut dice = Dice(seed);
        let schema = Arc::new(Schema::new(fields(&mut dice, 0)));
        let mut decoder = Decoder::new(schema.clone());
        // One decoder for several blocks: what it has learnt of one must not show in the next.
        for _ in 0..4 {
            check(&mut decoder, &schema, &block(&mut dice, &schema, hostile));
        }
    }
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect::<Vec<_>>()))
}

/// Each text, by the types of columns `k`, `ts` and `v`: whether it is read without arrow-json.
#[test]
fn plain_json_is_read_here_and_the_rest_by_arrow() {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let schema = schema(&[("k", DataType::Int64), ("ts", time), ("v", DataType::Float64)]);
    let mut decoder = Decoder::new(schema.clone());
    let here = [
        "{\"k\":123,\"ts\":\"2024-01-01T00:00:00.123Z\",\"v\":42}\n{\"k\":1,\"ts\":\"1969-12-31T23:59:59.9Z\",\"v\":-0.5}\n",
        "{\"v\": 1.25, \"k\": 7}\r\n\r\n{\"ts\": 1704067200000000}",
        "{\"k\":\"12\",\"v\":1e3,\"more\":{\"a\":[1,2,{\"b\":\"\\u00fc\"}]}}",
        "{\n  \"k\": 1,\n  \"v\": null\n}\n",
        "{\"k\":1.9e1}{\"k\":-0}",
        "",
        "\n \n",
        "{}\n{}",
    ];
    let there = [
        "{\"k\":1,\"k\":2}",
        "{\"k\":1,}",
        "{\"k\":1 \"v\":2}",
        "{\"\\u006b\":1}",
        "{\"k\":1",
        "{\"k\":true}",
        "[1]",
        "null",
        "{\"k\":\"a\"}",
    ];
    for text in here {
        assert!(check(&mut decoder, &schema, text.as_bytes()), "{text}");
    }
    for text in there {
        assert!(!check(&mut decoder, &schema, text.as_bytes()), "{text}");
    }
}

/// arrow-json reads this pair as U+10000; a key that stands twice takes the block there.
#[test]
fn characters_escaped_as_pairs_are_those_that_they_are_on_both_ways() {
    let schema = schema(&[("a", DataType::Utf8), ("k", DataType::Int64)]);
    let mut decoder = Decoder::new(schema);
    for (text, slow) in [(r#"{"a":"\ud840\udc00","k":1}"#, 0), (r#"{"a":"\ud840\udc00","k":1,"k":2}"#, 1)] {
        let rows = decoder.decode(text.as_bytes()).unwrap().unwrap();
        assert_eq!(rows.column(0).as_string::<i32>().value(0), "\u{20000}");
        assert_eq!(decoder.slow_blocks(), slow);
    }
}

#[test]
fn what_lies_deep_needs_no_stack() {
    let schema = schema(&[("k", DataType::Int64)]);
    let deep = |levels: usize| format!("{{\"x\":{}1{},\"k\":5}}", "[".repeat(levels), "]".repeat(levels));
    assert!(!check(&mut Decoder::new(schema.clone()), &schema, deep(500).as_bytes()));
    for name in ["k", "x"] {
        let text = deep(200_000).replace("\"x\"", &format!("\"{name}\""));
        let error = Decoder::new(schema.clone()).decode(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 512 deep"), "{error}");
    }
}

#[test]
fn a_long_value_is_told_by_its_ends() {
    let long = format!("{{\"k\":\"{}\"}}", "ü".repeat(1 << 20));
    let error = Decoder::new(schema(&[("k", DataType::Int64)])).decode(long.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("[…]") && error.contains("field 'k'") && error.len() < 1000, "{error}");
}

#[test]
fn columns_of_rare_types_and_no_columns_are_read_too() {
    let rare = schema(&[("k", DataType::Int64), ("t", DataType::Time64(TimeUnit::Microsecond))]);
    assert!(!check(&mut Decoder::new(rare.clone()), &rare, b"{\"k\":1,\"t\":\"10:00:00\"}\n"));
    let none = schema(&[]);
    assert!(check(&mut Decoder::new(none.clone()), &none, b"{\"k\":1}\n{}\n"));
}

/// Each decimal, and what it is with two digits behind the point; on both ways, as a key that stands twice takes the block to arrow.
#[test]
fn decimals_are_rounded_and_whole_numbers_have_no_fraction() {
    let decimals = schema(&[("d", DataType::Decimal128(5, 2)), ("k", DataType::Int64)]);
    let read = |text: &str, number: &str| {
        let mut decoder = Decoder::new(decimals.clone());
        let rows = decoder.decode(format!("{{{text},\"k\":{number}}}").as_bytes()).map_err(|e| e.to_string())?.unwrap();
        let columns = (rows.column(0).as_primitive::<Decimal128Type>().value(0), rows.column(1).as_primitive::<Int64Type>().value(0));
        Ok::<_, String>((columns.0, columns.1, decoder.slow_blocks() > 0))
    };
    for (number, value) in
        [("0.009", 1), ("0.005", 1), ("-0.005", -1), ("0.00499999999999999999999999999999999999999", 0), ("999.994", 99_999)]
    {
        for number in [number.to_string(), format!("\"{number}\"")] {
            assert_eq!(read(&format!("\"d\":{number}"), "1"), Ok((value, 1, false)), "{number}");
            assert_eq!(read(&format!("\"d\":1,\"d\":{number}"), "1"), Ok((value, 1, true)), "{number}");
        }
    }
    assert!(read("\"d\":999.995", "1").is_err());
    for (number, value) in [("1e3", 1000), ("12.50e1", 125), ("-3.000", -3), ("9007199254740993.0", 9_007_199_254_740_993)] {
        assert_eq!(read("\"d\":1", number), Ok((100, value, false)), "{number}");
        assert_eq!(read("\"d\":1,\"d\":1", number), Ok((100, value, true)), "{number}");
    }
    for number in ["1.5", "-0.5", "15e-1", "9007199254740993.5"] {
        let error = read("\"d\":1", number).unwrap_err();
        assert!(error.contains("whilst decoding field 'k'") && error.ends_with("is not a whole number"), "{error}");
    }
}
