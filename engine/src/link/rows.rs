//! Encodes a batch column by column, so that what is small in meaning is small on the wire.
//!
//! Integers and times: zig-zag differences as variable-length integers. Text: indices into a dictionary that the session
//! builds up. Floats: their bytes split into planes, which the frame's compressor likes. Every value comes back bit-exact.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    UInt64Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, SchemaRef, UInt64Type};

use super::LinkError;
use super::bytes::{Reader, put_varint, unzigzag, zigzag};

/// Rows of one frame.
pub const ROWS_MAX: usize = 65_536;
/// Different texts that a session remembers for a column; beyond it texts are sent in full.
const DICTIONARY_MAX: usize = 65_536;
/// Bytes of one text.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Bytes of the values of one column.
const COLUMN_BYTES_MAX: u64 = 128 << 20;

/// Texts that the encoder of one column has sent.
#[derive(Default)]
pub struct Sent(HashMap<String, u64>);

/// Texts that the decoder of one column has received.
#[derive(Default)]
pub struct Received(Vec<String>);

/// The body of a frame of rows.
pub fn encode(rows: &RecordBatch, sent: &mut [Sent]) -> Result<Vec<u8>, LinkError> {
    let mut out = Vec::new();
    put_varint(&mut out, rows.num_rows() as u64);
    for (column, sent) in rows.columns().iter().zip(sent) {
        encode_nulls(column, &mut out);
        encode_column(column, sent, &mut out)?;
    }
    Ok(out)
}

fn encode_nulls(column: &ArrayRef, out: &mut Vec<u8>) {
    match column.nulls().filter(|n| n.null_count() > 0) {
        None => out.push(0),
        Some(nulls) => {
            out.push(1);
            out.extend(packed(nulls.iter()));
        }
    }
}

/// Eight flags a byte, the first in the lowest bit.
fn packed(flags: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, flag) in flags.enumerate() {
        if i % 8 == 0 {
            bytes.push(0u8);
        }
        if let (Some(last), true) = (bytes.last_mut(), flag) {
            *last |= 1 << (i % 8);
        }
    }
    bytes
}

fn encode_column(column: &ArrayRef, sent: &mut Sent, out: &mut Vec<u8>) -> Result<(), LinkError> {
    match column.data_type() {
        DataType::Boolean => out.extend(packed(column.as_boolean().values().iter())),
        DataType::Utf8 => encode_text(column.as_string::<i32>(), sent, out),
        DataType::Float32 => split(&floats(column.as_primitive::<Float32Type>()), out),
        DataType::Float64 => {
            split(&column.as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits().to_le_bytes()).collect::<Vec<_>>(), out)
        }
        DataType::FixedSizeList(_, n) => {
            let list = column.as_fixed_size_list();
            let width = *n as usize;
            let values = list.values().as_primitive::<Float32Type>().slice(list.value_offset(0) as usize, list.len() * width);
            split(&floats(&values), out);
        }
        DataType::UInt64 => differences(column.as_primitive::<UInt64Type>().values().iter().map(|v| *v as i64), out),
        _ => {
            let wide = cast_with_options(column, &DataType::Int64, &CastOptions::default())?;
            differences(wide.as_primitive::<Int64Type>().values().iter().copied(), out);
        }
    }
    Ok(())
}

fn floats(values: &Float32Array) -> Vec<[u8; 4]> {
    values.values().iter().map(|v| v.to_bits().to_le_bytes()).collect()
}

/// All first bytes, then all second bytes, and so on.
fn split<const N: usize>(values: &[[u8; N]], out: &mut Vec<u8>) {
    for plane in 0..N {
        out.extend(values.iter().map(|v| v[plane]));
    }
}

fn differences(values: impl Iterator<Item = i64>, out: &mut Vec<u8>) {
    let mut last = 0i64;
    for value in values {
        put_varint(out, zigzag(value.wrapping_sub(last)));
        last = value;
    }
}

/// Index + 1 of a text that was sent before, or 0 and the text; a new text gets the next index while there is room.
fn encode_text(column: &StringArray, sent: &mut Sent, out: &mut Vec<u8>) {
    for text in column.iter() {
        let text = text.unwrap_or_default();
        if let Some(index) = sent.0.get(text) {
            put_varint(out, index + 1);
            continue;
        }
        put_varint(out, 0);
        put_varint(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
        if sent.0.len() < DICTIONARY_MAX {
            let next = sent.0.len() as u64;
            sent.0.insert(text.to_string(), next);
        }
    }
}

/// The rows of a body.
pub fn decode(body: &[u8], schema: &SchemaRef, received: &mut [Received]) -> Result<RecordBatch, LinkError> {
    let mut reader = Reader(body);
    let rows = reader.bounded("rows", ROWS_MAX as u64)?;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (field, received) in schema.fields().iter().zip(received) {
        let nulls = decode_nulls(&mut reader, rows)?;
        columns.push(decode_column(&mut reader, field, rows, nulls, received)?);
    }
    if !reader.0.is_empty() {
        return Err(LinkError::Malformed("bytes follow its rows"));
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

fn decode_nulls(reader: &mut Reader<'_>, rows: usize) -> Result<Option<NullBuffer>, LinkError> {
    match reader.byte()? {
        0 => Ok(None),
        1 => Ok(Some(NullBuffer::new(flags(reader, rows)?))),
        _ => Err(LinkError::Malformed("its nulls are neither there nor absent")),
    }
}

fn flags(reader: &mut Reader<'_>, rows: usize) -> Result<BooleanBuffer, LinkError> {
    let bytes = reader.take(rows.div_ceil(8))?;
    Ok(BooleanBuffer::collect_bool(rows, |i| bytes.get(i / 8).is_some_and(|b| b & (1 << (i % 8)) != 0)))
}

fn decode_column(
    reader: &mut Reader<'_>,
    field: &Field,
    rows: usize,
    nulls: Option<NullBuffer>,
    received: &mut Received,
) -> Result<ArrayRef, LinkError> {
    Ok(match field.data_type() {
        DataType::Boolean => Arc::new(BooleanArray::new(flags(reader, rows)?, nulls)),
        DataType::Utf8 => decode_text(reader, rows, nulls, received)?,
        DataType::Float32 => Arc::new(Float32Array::try_new(join32(reader, rows)?.into(), nulls)?),
        DataType::Float64 => {
            let values: Vec<f64> = join::<8>(reader, rows)?.into_iter().map(|b| f64::from_bits(u64::from_le_bytes(b))).collect();
            Arc::new(Float64Array::try_new(values.into(), nulls)?)
        }
        DataType::FixedSizeList(item, n) => {
            let values = Float32Array::from(join32(reader, rows * (*n).max(0) as usize)?);
            Arc::new(FixedSizeListArray::try_new(item.clone(), *n, Arc::new(values), nulls)?)
        }
        DataType::UInt64 => {
            Arc::new(UInt64Array::try_new(sums(reader, rows)?.into_iter().map(|v| v as u64).collect::<Vec<_>>().into(), nulls)?)
        }
        other => {
            let wide: ArrayRef = Arc::new(Int64Array::try_new(sums(reader, rows)?.into(), nulls)?);
            cast_with_options(&wide, other, &CastOptions { safe: false, ..CastOptions::default() })?
        }
    })
}

fn join<const N: usize>(reader: &mut Reader<'_>, values: usize) -> Result<Vec<[u8; N]>, LinkError> {
    let size = values as u64 * N as u64;
    if size > COLUMN_BYTES_MAX {
        return Err(LinkError::Limit { what: "a column", size, limit: COLUMN_BYTES_MAX });
    }
    let planes = reader.take(values * N)?;
    let mut out = vec![[0u8; N]; values];
    for (plane, bytes) in planes.chunks_exact(values.max(1)).enumerate().take(N) {
        for (value, byte) in out.iter_mut().zip(bytes) {
            value[plane] = *byte;
        }
    }
    Ok(out)
}

fn join32(reader: &mut Reader<'_>, values: usize) -> Result<Vec<f32>, LinkError> {
    Ok(join::<4>(reader, values)?.into_iter().map(|b| f32::from_bits(u32::from_le_bytes(b))).collect())
}

fn sums(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, LinkError> {
    let mut last = 0i64;
    (0..rows)
        .map(|_| {
            last = last.wrapping_add(unzigzag(reader.varint()?));
            Ok(last)
        })
        .collect()
}

fn decode_text(reader: &mut Reader<'_>, rows: usize, nulls: Option<NullBuffer>, received: &mut Received) -> Result<ArrayRef, LinkError> {
    let mut builder = arrow::array::StringBuilder::new();
    let mut size = 0u64;
    for row in 0..rows {
        let index = reader.varint()?;
        if index == 0 {
            let length = reader.bounded("a text", TEXT_BYTES_MAX)?;
            let text = std::str::from_utf8(reader.take(length)?).map_err(|_| LinkError::Malformed("a text is not UTF-8"))?;
            if received.0.len() < DICTIONARY_MAX {
                received.0.push(text.to_string());
            }
            append(&mut builder, text, row, nulls.as_ref());
            size += length as u64;
        } else {
            let known = usize::try_from(index - 1).ok().and_then(|i| received.0.get(i));
            let text = known.ok_or(LinkError::Malformed("a text that was never sent"))?;
            append(&mut builder, text, row, nulls.as_ref());
            size += text.len() as u64;
        }
        if size > COLUMN_BYTES_MAX {
            return Err(LinkError::Limit { what: "a column", size, limit: COLUMN_BYTES_MAX });
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn append(builder: &mut arrow::array::StringBuilder, text: &str, row: usize, nulls: Option<&NullBuffer>) {
    match nulls.is_some_and(|n| n.is_null(row)) {
        true => builder.append_null(),
        false => builder.append_value(text),
    }
}
