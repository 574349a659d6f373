//! Rows as lines of JSON, whatever is in them: a late row must not end the run because JSON has no word for it.
//!
//! Arrow's writer has none for maps whose keys are not text, writes NaN as null, and an error in place of a time that the calendar does
//! not have. Here keys are text, NaN and the infinities are text, and such a time is its number.

use std::sync::LazyLock;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// How Arrow writes a value that it has a word for.
static PLAIN: LazyLock<EncoderOptions> = LazyLock::new(EncoderOptions::default);

/// Each row as a JSON object, nulls left out; one that cannot be written says why in its place.
pub fn lines(rows: &RecordBatch) -> Vec<String> {
    let why = |error: ArrowError| {
        let why = serde_json::json!({ "error": format!("the row cannot be written as JSON: {error}") });
        vec![why.to_string(); rows.num_rows()]
    };
    written(rows).unwrap_or_else(why)
}

fn written(rows: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    let mut writer = WriterBuilder::new().with_encoder_factory(std::sync::Arc::new(Words)).build::<_, LineDelimited>(Vec::new());
    writer.write(rows)?;
    writer.finish()?;
    let bytes = writer.into_inner();
    let lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_string).collect();
    match lines.len() == rows.num_rows() {
        true => Ok(lines),
        false => Err(ArrowError::JsonError(format!("{} lines were written for {} rows", lines.len(), rows.num_rows()))),
    }
}

/// Chooses how a column is written.
#[derive(Debug)]
struct Words;

impl EncoderFactory for Words {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            t if t.is_floating() => Box::new(Checked { plain: make_encoder(field, array, &PLAIN)?, odd: odd_number(array)? }),
            t if t.is_temporal() => Box::new(Checked { plain: make_encoder(field, array, &PLAIN)?, odd: odd_time(array)? }),
            DataType::Map(_, _) => Box::new(entries(field, array, options)?),
            DataType::Union(_, _) => Box::new(Shown(formatter(array)?)),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

fn formatter(array: &dyn Array) -> Result<ArrayFormatter<'_>, ArrowError> {
    ArrayFormatter::try_new(array, &FormatOptions::new())
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend(serde_json::Value::from(text).to_string().into_bytes());
}

/// Says how an odd value of a column is written; none where Arrow can write it.
type Odd<'a> = Box<dyn Fn(usize) -> Option<String> + 'a>;

/// A column in which some values have no word of Arrow's.
struct Checked<'a> {
    plain: NullableEncoder<'a>,
    odd: Odd<'a>,
}

impl Encoder for Checked<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        match (self.odd)(row) {
            Some(text) => put_text(&text, out),
            None => self.plain.encode(row, out),
        }
    }
}

/// Numbers that are none.
fn odd_number(array: &dyn Array) -> Result<Odd<'_>, ArrowError> {
    let numbers = cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone();
    Ok(Box::new(move |row| match numbers.value(row) {
        number if number.is_nan() => Some("NaN".into()),
        f64::INFINITY => Some("Infinity".into()),
        f64::NEG_INFINITY => Some("-Infinity".into()),
        _ => None,
    }))
}

/// Times that the calendar does not have.
fn odd_time(array: &dyn Array) -> Result<Odd<'_>, ArrowError> {
    let shown = formatter(array)?;
    let number = move |row: usize| {
        let data = array.slice(row, 1).to_data();
        match array.data_type().primitive_width() {
            Some(4) => data.buffer::<i32>(0).first().map(i32::to_string),
            Some(8) => data.buffer::<i64>(0).first().map(i64::to_string),
            _ => None,
        }
    };
    Ok(Box::new(move |row| match shown.value(row).try_to_string() {
        Ok(_) => None,
        Err(error) => Some(number(row).unwrap_or_else(|| error.to_string())),
    }))
}

/// Values as they are shown.
struct Shown<'a>(ArrayFormatter<'a>);

impl Encoder for Shown<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        put_text(&self.0.value(row).to_string(), out);
    }
}

/// Maps, keys as they are shown.
struct Entries<'a> {
    offsets: OffsetBuffer<i32>,
    keys: ArrayFormatter<'a>,
    values: NullableEncoder<'a>,
}

fn entries<'a>(field: &'a FieldRef, array: &'a dyn Array, options: &'a EncoderOptions) -> Result<Entries<'a>, ArrowError> {
    let map = array.as_map();
    let values = make_encoder(field, map.values(), options)?;
    Ok(Entries { offsets: map.offsets().clone(), keys: formatter(map.keys())?, values })
}

impl Encoder for Entries<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let (from, to) = match self.offsets.get(row..row + 2) {
            Some([from, to]) => (*from as usize, *to as usize),
            _ => (0, 0),
        };
        out.push(b'{');
        let mut first = true;
        for at in from..to {
            if self.values.is_null(at) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            put_text(&self.keys.value(at).to_string(), out);
            out.push(b':');
            self.values.encode(at, out);
        }
        out.push(b'}');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Float32Array, Float64Array, Int64Builder, ListArray, MapBuilder, StringBuilder, TimestampMicrosecondArray,
    };

    use super::*;

    fn check(column: ArrayRef, expected: &[&str]) {
        let rows = RecordBatch::try_from_iter_with_nullable([("v", column)].map(|(name, c)| (name, c, true))).unwrap();
        assert_eq!(lines(&rows), expected);
    }

    #[test]
    fn numbers_that_are_none_are_text() {
        let all = vec![Some(1.5), Some(f64::NAN), Some(f64::INFINITY), None, Some(f64::NEG_INFINITY), Some(0.25)];
        let expected = [r#"{"v":1.5}"#, r#"{"v":"NaN"}"#, r#"{"v":"Infinity"}"#, "{}", r#"{"v":"-Infinity"}"#, r#"{"v":0.25}"#];
        check(Arc::new(Float64Array::from(all)), &expected);
        check(Arc::new(Float32Array::from(vec![0.1, f32::NAN])), &[r#"{"v":0.1}"#, r#"{"v":"NaN"}"#]);
        let nested = ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(f64::NAN), Some(2.0), None])]);
        check(Arc::new(nested), &[r#"{"v":["NaN",2.0,null]}"#]);
    }

    #[test]
    fn a_time_that_the_calendar_does_not_have_is_its_number() {
        let times = TimestampMicrosecondArray::from(vec![0, i64::MAX]);
        check(Arc::new(times), &[r#"{"v":"1970-01-01T00:00:00"}"#, r#"{"v":"9223372036854775807"}"#]);
    }

    #[test]
    fn keys_of_maps_are_text() {
        let mut numbers = MapBuilder::new(None, Int64Builder::new(), Int64Builder::new());
        numbers.keys().append_slice(&[7, 8, 9]);
        numbers.values().append_value(1);
        numbers.values().append_null();
        numbers.values().append_value(3);
        numbers.append(true).unwrap();
        numbers.append(true).unwrap();
        check(Arc::new(numbers.finish()), &[r#"{"v":{"7":1,"9":3}}"#, r#"{"v":{}}"#]);
        let mut texts = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        texts.keys().append_value("a \"word\"");
        texts.values().append_value(1);
        texts.append(true).unwrap();
        check(Arc::new(texts.finish()), &[r#"{"v":{"a \"word\"":1}}"#]);
    }
}
