//! A place within a block of text that only moves on: what lies before it is neither looked through nor summed up again, however
//! many places of the block are asked for.

use littoral_connectors::files::table::TableFile;

/// A place between two rows of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Rows of the block before it.
    pub rows: usize,
    /// Bytes of the block before it.
    pub bytes: usize,
    /// CRC-32C of all text before it.
    pub crc32c: u32,
}

impl Reached {
    /// The beginning of a block, with the sum of what stands before it.
    pub fn start(crc32c: u32) -> Self {
        Reached { crc32c, ..Reached::default() }
    }

    /// Moves on behind so many rows of the block; what lies behind is where it stays.
    ///
    /// # Errors
    /// When the block does not hold so many.
    pub fn go_on(&mut self, rows: usize, text: &[u8], file: &TableFile) -> Result<(), String> {
        let Some(more) = rows.checked_sub(self.rows).filter(|more| *more > 0) else { return Ok(()) };
        let rest = text.get(self.bytes..).unwrap_or_default();
        let bytes = file.end_of_rows(rest, more).map_err(|e| e.to_string())?;
        self.pass(bytes, text);
        self.rows = rows;
        Ok(())
    }

    /// Moves on to the end of the block.
    pub fn end(&mut self, text: &[u8]) {
        self.pass(text.len().saturating_sub(self.bytes), text);
    }

    fn pass(&mut self, bytes: usize, text: &[u8]) {
        let passed = text.get(self.bytes..self.bytes + bytes).unwrap_or_default();
        #[cfg(test)]
        tests::SUMMED.with(|summed| summed.set(summed.get() + passed.len()));
        self.crc32c = crc32c::crc32c_append(self.crc32c, passed);
        self.bytes += bytes;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;
    use std::fmt::Write;

    use littoral_connectors::files::table::TableFile;

    use super::super::{FileRows, Walk, ends_at};
    use super::Reached;

    thread_local! {
        pub static SUMMED: Cell<usize> = const { Cell::new(0) };
    }

    const ROWS: usize = 300;

    fn file(folder: &tempfile::TempDir, ending: &str) -> (TableFile, Vec<u8>) {
        let mut text = String::new();
        for i in 0..ROWS {
            match ending {
                // Ends of lines within texts, of one byte and of two.
                "csv" => write!(text, "{i},\"a\n{i}\"{}", if i % 3 == 0 { "\n" } else { "\r\n" }).unwrap(),
                _ => write!(text, "{{\"k\":{i},\"t\":\"}}{{\"}}{}", if i % 3 == 0 { "\n\n" } else { " \n" }).unwrap(),
            }
        }
        let path = folder.path().join(format!("t.{ending}"));
        let header = if ending == "csv" { "k,t\n" } else { "" };
        std::fs::write(&path, format!("{header}{text}")).unwrap();
        (TableFile::found(&path).unwrap(), text.into_bytes())
    }

    /// Each place is the one that is found from the beginning, and each byte is summed up once.
    #[test]
    fn places_are_found_from_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        for ending in ["csv", "json"] {
            let (file, text) = file(&folder, ending);
            let (mut reached, before) = (Reached::start(7), SUMMED.get());
            for rows in 0..=ROWS {
                reached.go_on(rows, &text, &file).unwrap();
                let end = file.end_of_rows(&text, rows).unwrap();
                let crc32c = crc32c::crc32c_append(7, &text[..end]);
                assert_eq!(reached, Reached { rows, bytes: end, crc32c }, "{ending}");
            }
            assert_eq!(SUMMED.get() - before, reached.bytes, "{ending}");
        }
    }

    /// A walk goes on from a place that a walk from the beginning has found; each byte is summed up once.
    #[test]
    fn a_walk_goes_on_from_where_another_was() {
        let folder = tempfile::tempdir().unwrap();
        for ending in ["csv", "json"] {
            let (file, text) = file(&folder, ending);
            let schema = file.columns().clone();
            let rows = FileRows::by_position(file.clone().in_blocks_of(500), schema, 0, Some(1));
            let mut whole = Walk::new(&rows, None).unwrap();
            for count in 1..=ROWS as u64 + 2 {
                let mark = whole.to(count).unwrap();
                assert_eq!(mark.rows, count.min(ROWS as u64));
                if count % 50 == 0 || count > ROWS as u64 {
                    assert!(ends_at(&file, &mark).unwrap().is_some());
                    let (mut again, before) = (Walk::new(&rows, Some(&mark)).unwrap(), SUMMED.get());
                    assert_eq!(again.to(count).unwrap(), mark, "{ending}");
                    assert_eq!(SUMMED.get(), before, "{ending}: what was known is read again");
                    let mut next = Walk::new(&rows, None).unwrap();
                    assert_eq!(again.to(count + 20).unwrap(), next.to(count + 20).unwrap(), "{ending} behind {count} rows");
                }
            }
            let (mut once, before_once) = (Walk::new(&rows, None).unwrap(), SUMMED.get());
            for count in 1..=ROWS as u64 + 2 {
                once.to(count).unwrap();
            }
            // The end of the header's line is in the first block.
            assert!(SUMMED.get() - before_once <= text.len() + 1, "{ending}");
        }
    }
}
