//! The link between the tiers: bounded, checksummed frames that any byte transport can carry (D10, D16).
//!
//! `frame` is the envelope of every frame; `rows` encodes batches column by column; `schema` is what a stream's columns are
//! agreed to be. Encoder and decoder hold the same session state (schemas, dictionaries), so frames must arrive in order,
//! which their sequence numbers prove. Nothing here trusts a length that it has not checked. Not here: sockets, identities.

mod bytes;
mod frame;
mod rows;
mod schema;
mod session;

pub use frame::{FRAME_BYTES_MAX, Kind as FrameKind};
pub use rows::ROWS_MAX;
pub use session::{Decoder, Encoder, Frame};

/// Why a frame cannot be made or taken.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The bytes are not a frame, or not a whole one.
    #[error("frame is malformed: {0}")]
    Malformed(&'static str),
    /// The checksum does not fit.
    #[error("frame has checksum {found:08x}, but {wanted:08x} is right")]
    Checksum {
        /// What the frame says.
        found: u32,
        /// What its bytes give.
        wanted: u32,
    },
    /// A length is over its limit.
    #[error("frame has {what} of {size}, above the limit of {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much.
        size: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// A frame is missing or came twice.
    #[error("frame has sequence number {found}, but {wanted} is next")]
    Sequence {
        /// What came.
        found: u64,
        /// What should have come.
        wanted: u64,
    },
    /// A stream that was not announced.
    #[error("frame is of stream {0}, which was not announced")]
    UnknownStream(u64),
    /// A column type that the link does not carry.
    #[error("column \"{column}\" is {data_type}, which the link does not carry; cast it in the step")]
    Type {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// Rows that do not fit the announced columns.
    #[error("rows do not fit their stream")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A message that does not encode or decode.
    #[error("frame holds a broken message")]
    Message(#[from] serde_json::Error),
    /// The compressor failed.
    #[error("frame cannot be compressed or expanded")]
    Zstd(#[source] std::io::Error),
}
