//! The envelope of a frame: magic, kind, sequence number, epoch, stream, lengths, body, CRC-32C of all before it.
//!
//! The body is zstd where that is smaller, raw otherwise; the length it expands to is declared and checked first.

use super::LinkError;
use super::bytes::{Reader, put_varint};

/// The first byte of every frame of this protocol version.
const MAGIC: u8 = 0xC1;
/// Bytes of a whole frame on the wire.
pub const FRAME_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a body once expanded.
const BODY_BYTES_MAX: u64 = 128 << 20;
/// A body smaller than this is not worth compressing.
const COMPRESS_FROM_BYTES: usize = 48;
/// zstd's default level.
const LEVEL: i32 = 3;
/// Marks a compressed body, in the byte of the kind.
const ZSTD: u8 = 0x80;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The streams of a session with their columns.
    Hello = 1,
    /// Rows of one stream and epoch.
    Rows = 2,
    /// The end of an epoch.
    Seal = 3,
    /// Reconfigurations for devices.
    Deltas = 4,
    /// Devices' answers.
    Acks = 5,
    /// The end of the stream.
    End = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        [Kind::Hello, Kind::Rows, Kind::Seal, Kind::Deltas, Kind::Acks, Kind::End].into_iter().find(|k| *k as u8 == byte)
    }
}

/// A frame taken apart.
#[derive(Debug)]
pub struct Raw {
    /// What it carries.
    pub kind: Kind,
    /// Counts up from 0 in each direction.
    pub seq: u64,
    /// The epoch it belongs to.
    pub epoch: u64,
    /// The stream it is of, 0 where none.
    pub stream: u64,
    /// Its body, expanded.
    pub body: Vec<u8>,
}

/// The bytes of a frame.
pub fn write(kind: Kind, seq: u64, epoch: u64, stream: u64, body: &[u8]) -> Result<Vec<u8>, LinkError> {
    limit("a body", body.len() as u64, BODY_BYTES_MAX)?;
    let packed = match body.len() >= COMPRESS_FROM_BYTES {
        true => Some(zstd::bulk::compress(body, LEVEL).map_err(LinkError::Zstd)?).filter(|p| p.len() < body.len()),
        false => None,
    };
    let sent = packed.as_deref().unwrap_or(body);
    let mut out = Vec::with_capacity(sent.len() + 32);
    out.push(MAGIC);
    out.push(kind as u8 | if packed.is_some() { ZSTD } else { 0 });
    for value in [seq, epoch, stream, body.len() as u64, sent.len() as u64] {
        put_varint(&mut out, value);
    }
    out.extend_from_slice(sent);
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    limit("its whole", out.len() as u64, FRAME_BYTES_MAX)?;
    Ok(out)
}

/// Takes a frame apart, checking every length before it is believed.
pub fn read(bytes: &[u8]) -> Result<Raw, LinkError> {
    limit("its whole", bytes.len() as u64, FRAME_BYTES_MAX)?;
    let (content, sum) = bytes.split_last_chunk::<4>().ok_or(LinkError::Malformed("it ends early"))?;
    let (found, wanted) = (u32::from_le_bytes(*sum), crc32c::crc32c(content));
    if found != wanted {
        return Err(LinkError::Checksum { found, wanted });
    }
    let mut reader = Reader(content);
    if reader.byte()? != MAGIC {
        return Err(LinkError::Malformed("it is of another protocol"));
    }
    let tag = reader.byte()?;
    let kind = Kind::of(tag & !ZSTD).ok_or(LinkError::Malformed("its kind is unknown"))?;
    let (seq, epoch, stream) = (reader.varint()?, reader.varint()?, reader.varint()?);
    let expanded = reader.bounded("a body", BODY_BYTES_MAX)?;
    let sent = reader.bounded("a body", FRAME_BYTES_MAX)?;
    let body = reader.take(sent)?;
    if !reader.0.is_empty() {
        return Err(LinkError::Malformed("bytes follow its body"));
    }
    let body = match tag & ZSTD != 0 {
        true => zstd::bulk::decompress(body, expanded).map_err(LinkError::Zstd)?,
        false => body.to_vec(),
    };
    if body.len() != expanded {
        return Err(LinkError::Malformed("its body has another length than it says"));
    }
    Ok(Raw { kind, seq, epoch, stream, body })
}

fn limit(what: &'static str, size: u64, limit: u64) -> Result<(), LinkError> {
    if size <= limit { Ok(()) } else { Err(LinkError::Limit { what, size, limit }) }
}
