//! Variable-length integers (LEB128) and a reader that never goes past the end.

use super::LinkError;

/// Appends an unsigned integer, seven bits a byte.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps small negative numbers to small positive ones.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of `zigzag`.
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Bytes being read.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], LinkError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(LinkError::Malformed("it ends early"))?;
        self.0 = tail;
        Ok(head)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, LinkError> {
        self.take(1).map(|b| b.first().copied().unwrap_or_default())
    }

    /// The next unsigned integer.
    pub fn varint(&mut self) -> Result<u64, LinkError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(LinkError::Malformed("an integer of more than 64 bits"))
    }

    /// The next unsigned integer, at most `limit`.
    pub fn bounded(&mut self, what: &'static str, limit: u64) -> Result<usize, LinkError> {
        let size = self.varint()?;
        match size <= limit {
            true => Ok(size as usize),
            false => Err(LinkError::Limit { what, size, limit }),
        }
    }
}
