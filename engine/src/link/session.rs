//! One direction of a link: an encoder at one end, a decoder at the other, in the same state after every frame.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use super::LinkError;
use super::frame::{Kind, Raw, read, write};
use super::rows::{ROWS_MAX, Received, Sent, decode, encode};
use super::schema::Announced;
use crate::delta::Delta;
use crate::delta::store::Verdict;

/// A frame's content.
#[derive(Debug)]
pub enum Frame {
    /// The streams of the session.
    Hello(Vec<(String, SchemaRef)>),
    /// Rows of one stream.
    Rows {
        /// The stream's number, as announced.
        stream: usize,
        /// The epoch they belong to.
        epoch: u64,
        /// The rows.
        rows: RecordBatch,
    },
    /// An epoch is over.
    Seal {
        /// The epoch.
        epoch: u64,
        /// Upstream: the watermark. Downstream: the newest durable epoch.
        mark: Option<i64>,
    },
    /// Reconfigurations, to be applied at the start of an epoch.
    Deltas {
        /// The epoch.
        apply_at: u64,
        /// The deltas.
        deltas: Vec<Delta>,
    },
    /// Devices' answers.
    Acks(Vec<Verdict>),
    /// No more frames will come.
    End,
}

/// The sending end.
#[derive(Default)]
pub struct Encoder {
    seq: u64,
    streams: Vec<Vec<Sent>>,
}

/// The receiving end.
#[derive(Default)]
pub struct Decoder {
    seq: u64,
    streams: Vec<(SchemaRef, Vec<Received>)>,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    mark: Option<i64>,
}

impl Encoder {
    /// Announces the streams.
    ///
    /// # Errors
    /// When a column has a type that the link does not carry.
    pub fn hello(&mut self, streams: &[(String, SchemaRef)]) -> Result<Vec<u8>, LinkError> {
        let announced: Vec<Announced> = streams.iter().map(|(name, schema)| Announced::new(name, schema)).collect::<Result<_, _>>()?;
        self.streams = streams.iter().map(|(_, s)| s.fields().iter().map(|_| Sent::default()).collect()).collect();
        self.frame(Kind::Hello, 0, 0, &serde_json::to_vec(&announced)?)
    }

    /// Rows of a stream, in as many frames as they need.
    ///
    /// # Errors
    /// When the stream was not announced, or a frame is over its limit.
    pub fn rows(&mut self, stream: usize, epoch: u64, rows: &RecordBatch) -> Result<Vec<Vec<u8>>, LinkError> {
        let mut frames = Vec::new();
        for start in (0..rows.num_rows()).step_by(ROWS_MAX.min(rows_per_frame(rows))) {
            let part = rows.slice(start, ROWS_MAX.min(rows_per_frame(rows)).min(rows.num_rows() - start));
            let sent = self.streams.get_mut(stream).ok_or(LinkError::UnknownStream(stream as u64))?;
            let body = encode(&part, sent)?;
            frames.push(self.frame(Kind::Rows, epoch, stream as u64, &body)?);
        }
        Ok(frames)
    }

    /// The end of an epoch.
    ///
    /// # Errors
    /// Never in practice.
    pub fn seal(&mut self, epoch: u64, mark: Option<i64>) -> Result<Vec<u8>, LinkError> {
        self.frame(Kind::Seal, epoch, 0, &serde_json::to_vec(&Mark { mark })?)
    }

    /// Reconfigurations.
    ///
    /// # Errors
    /// When they are more than a frame holds.
    pub fn deltas(&mut self, apply_at: u64, deltas: &[Delta]) -> Result<Vec<u8>, LinkError> {
        self.frame(Kind::Deltas, apply_at, 0, &serde_json::to_vec(deltas)?)
    }

    /// Devices' answers.
    ///
    /// # Errors
    /// When they are more than a frame holds.
    pub fn acks(&mut self, epoch: u64, verdicts: &[Verdict]) -> Result<Vec<u8>, LinkError> {
        self.frame(Kind::Acks, epoch, 0, &serde_json::to_vec(verdicts)?)
    }

    /// The end.
    ///
    /// # Errors
    /// Never in practice.
    pub fn end(&mut self) -> Result<Vec<u8>, LinkError> {
        self.frame(Kind::End, 0, 0, &[])
    }

    fn frame(&mut self, kind: Kind, epoch: u64, stream: u64, body: &[u8]) -> Result<Vec<u8>, LinkError> {
        let bytes = write(kind, self.seq, epoch, stream, body)?;
        self.seq += 1;
        Ok(bytes)
    }
}

/// Rows of which a frame's body stays far below its limit.
fn rows_per_frame(rows: &RecordBatch) -> usize {
    const BODY_BYTES_AIM: usize = 16 << 20;
    let per_row = rows.get_array_memory_size() / rows.num_rows().max(1);
    (BODY_BYTES_AIM / per_row.max(1)).max(1)
}

impl Decoder {
    /// Takes the next frame.
    ///
    /// # Errors
    /// When the bytes are not the next frame of this session, whole and undamaged.
    pub fn frame(&mut self, bytes: &[u8]) -> Result<Frame, LinkError> {
        let raw = read(bytes)?;
        if raw.seq != self.seq {
            return Err(LinkError::Sequence { found: raw.seq, wanted: self.seq });
        }
        self.seq += 1;
        self.content(raw)
    }

    fn content(&mut self, raw: Raw) -> Result<Frame, LinkError> {
        Ok(match raw.kind {
            Kind::Hello => self.hello(&raw.body)?,
            Kind::Rows => {
                let unknown = LinkError::UnknownStream(raw.stream);
                let stream = usize::try_from(raw.stream).map_err(|_| LinkError::UnknownStream(raw.stream))?;
                let (schema, received) = self.streams.get_mut(stream).ok_or(unknown)?;
                Frame::Rows { stream, epoch: raw.epoch, rows: decode(&raw.body, schema, received)? }
            }
            Kind::Seal => Frame::Seal { epoch: raw.epoch, mark: serde_json::from_slice::<Mark>(&raw.body)?.mark },
            Kind::Deltas => Frame::Deltas { apply_at: raw.epoch, deltas: serde_json::from_slice(&raw.body)? },
            Kind::Acks => Frame::Acks(serde_json::from_slice(&raw.body)?),
            Kind::End => Frame::End,
        })
    }

    fn hello(&mut self, body: &[u8]) -> Result<Frame, LinkError> {
        let announced: Vec<Announced> = serde_json::from_slice(body)?;
        let mut streams = Vec::with_capacity(announced.len());
        self.streams.clear();
        for one in announced {
            let schema = one.schema()?;
            self.streams.push((schema.clone(), schema.fields().iter().map(|_| Received::default()).collect()));
            streams.push((one.stream, schema));
        }
        Ok(Frame::Hello(streams))
    }
}
