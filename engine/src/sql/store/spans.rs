//! Bytes of any length by slot, one after the other in one buffer. What is overwritten is garbage until the buffer is put
//! together anew, which happens when garbage is more than what lives.

/// Garbage that is not worth putting a buffer together anew.
const GARBAGE_BYTES_MIN: usize = 1 << 20;

/// Bytes by slot.
#[derive(Debug, Default)]
pub struct Spans {
    /// Start and length of each slot's bytes.
    spans: Vec<(u64, u32)>,
    bytes: Vec<u8>,
    live: usize,
}

impl Spans {
    /// Makes room for so many slots.
    pub fn grow(&mut self, slots: usize) {
        self.spans.resize(slots, (0, 0));
    }

    /// The bytes of a slot.
    pub fn get(&self, slot: u32) -> &[u8] {
        let (start, len) = self.spans.get(slot as usize).copied().unwrap_or_default();
        self.bytes.get(start as usize..start as usize + len as usize).unwrap_or_default()
    }

    /// Overwrites the bytes of a slot.
    pub fn put(&mut self, slot: u32, value: &[u8]) {
        let start = self.bytes.len() as u64;
        if let Some(span) = self.spans.get_mut(slot as usize) {
            self.live = self.live - span.1 as usize + value.len();
            *span = (start, value.len() as u32);
            self.bytes.extend_from_slice(value);
        }
        if self.bytes.len() > 2 * self.live + GARBAGE_BYTES_MIN {
            self.compact();
        }
    }

    /// Lets the bytes of a slot go.
    pub fn clear(&mut self, slot: u32) {
        if let Some(span) = self.spans.get_mut(slot as usize) {
            self.live -= span.1 as usize;
            *span = (0, 0);
        }
    }

    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.live + self.live / 2);
        for span in &mut self.spans {
            let start = bytes.len() as u64;
            bytes.extend_from_slice(self.bytes.get(span.0 as usize..span.0 as usize + span.1 as usize).unwrap_or_default());
            span.0 = start;
        }
        self.bytes = bytes;
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.spans.len() * size_of::<(u64, u32)>() + self.bytes.len()
    }
}
