//! What the tables of a run held up to an epoch, to be compared with what a snapshot has taken in: a digest of the changes
//! that statements made, kept as they are fed, and for a file how far it was read and the sum of its bytes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::stream::{FileRows, Mark, Start, Stream, Walk, ends_at, sum_of};
use super::tables::{FileTable, Tables, passes};
use crate::flow::hash::hash_rows;
use crate::flow::updates::Updates;
use crate::sql::snapshot::{SavedClock, SavedFile, SavedTable, SnapshotError};

/// Digests of tables, from one epoch to the next.
pub struct Digests {
    sums: BTreeMap<String, u64>,
    /// Tables whose changes up to an epoch were in them from the beginning.
    known: HashSet<String>,
    begins_at: u64,
    /// Changes that were looked at.
    taken: usize,
    /// How many more changes of each table are rows of its file.
    of_files: HashMap<String, usize>,
    files: Vec<OwnFile>,
}

/// A file that is part of a snapshot.
struct OwnFile {
    table: String,
    rows: FileRows,
    /// How far rows may jump ahead, where somebody looks at their times.
    jump: Option<Option<i64>>,
    walk: Reader,
}

/// Who knows how far a file was taken in.
enum Reader {
    /// The run that reads it.
    Stream(Arc<Stream>),
    /// A walk beside the run, as its rows are held.
    Walk(Box<Walk>),
    /// It has been summed up as a whole.
    Whole(u32),
}

impl Digests {
    /// Before the first epoch, or as they were in a snapshot of an epoch, which the tables were found to fit.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn new(tables: &Tables, streams: &[Arc<Stream>], restored: Option<(&[SavedTable], u64)>) -> Result<Self, SnapshotError> {
        let (known, begins_at) = restored.unwrap_or_default();
        let digest = |t: &SavedTable| Some((t.name.clone(), u64::from_str_radix(&t.digest, 16).ok()?));
        let sums: BTreeMap<String, u64> = known.iter().filter_map(digest).collect();
        let mut out =
            Digests { known: sums.keys().cloned().collect(), sums, begins_at, taken: 0, of_files: tables.loaded(), files: Vec::new() };
        let files = &mut out.files;
        for FileTable { table, rows, clock, .. } in tables.files() {
            let stream = streams.iter().find(|s| s.table == *table);
            let known = known.iter().find(|t| t.name == *table).and_then(|t| t.file.as_ref());
            let fail = |cause: String| SnapshotError::Unfit(format!("the file of table \"{table}\" cannot be read: {cause}"));
            let walk = match stream {
                _ if !rows.file.is_text() => Reader::Whole(known.map_or_else(|| sum_of(&rows.file), |k| Ok(k.crc32c)).map_err(fail)?),
                Some(stream) => Reader::Stream(stream.clone()),
                None => Reader::Walk(Box::new(Walk::new(rows, known.map(mark).as_ref()).map_err(fail)?)),
            };
            files.push(OwnFile { table: table.clone(), rows: rows.clone(), jump: stream.map(|_| clock.jump()), walk });
        }
        Ok(out)
    }

    /// Lets go of places in files at which epochs before one ended.
    pub fn forget(&self, epoch: u64) {
        for file in &self.files {
            if let Reader::Stream(stream) = &file.walk {
                stream.with_placer(|placer| placer.forget(epoch));
            }
        }
    }

    /// Takes in the changes up to an epoch; what all tables held there.
    ///
    /// # Errors
    /// When a row cannot be hashed, or a file cannot be read.
    pub fn at(&mut self, history: &[(u64, String, Updates)], epoch: u64) -> Result<Vec<SavedTable>, SnapshotError> {
        while let Some((at, table, updates)) = history.get(self.taken).filter(|(at, ..)| *at <= epoch) {
            let known = *at <= self.begins_at && self.known.contains(table);
            if !passes(&mut self.of_files, table) && !known {
                add(self.sums.entry(table.clone()).or_default(), *at, updates)?;
            }
            self.taken += 1;
        }
        let mut out: BTreeMap<&str, SavedTable> = self.sums.iter().map(|(name, sum)| (name.as_str(), saved(name, *sum, None))).collect();
        for file in &mut self.files {
            let found = file.saved(epoch)?;
            out.entry(&file.table).or_insert_with(|| saved(&file.table, 0, None)).file = Some(found);
        }
        Ok(out.into_values().collect())
    }
}

impl OwnFile {
    fn saved(&mut self, epoch: u64) -> Result<SavedFile, SnapshotError> {
        let rows = self.rows.rows_at(epoch);
        let mark = match &mut self.walk {
            Reader::Stream(stream) => stream.with_placer(|placer| placer.mark(epoch)),
            Reader::Walk(walk) => walk.to(rows).map_err(SnapshotError::Unfit)?,
            Reader::Whole(crc32c) => Mark { rows, crc32c: *crc32c, ..Mark::default() },
        };
        let clock = self.jump.filter(|_| matches!(self.walk, Reader::Stream(_)));
        Ok(SavedFile {
            base: self.rows.base,
            epoch_rows: self.rows.epoch_rows,
            rows: mark.rows,
            bytes: mark.bytes,
            crc32c: mark.crc32c,
            clock: clock.map(|jump| SavedClock { jump, newest: mark.newest }),
        })
    }
}

/// The place up to which a snapshot has taken a file in.
fn mark(file: &SavedFile) -> Mark {
    Mark { rows: file.rows, bytes: file.bytes, crc32c: file.crc32c, newest: None }
}

fn saved(name: &str, sum: u64, file: Option<SavedFile>) -> SavedTable {
    SavedTable { name: name.to_string(), digest: format!("{sum:016x}"), file }
}

/// Adds changes to a digest, whatever their order within an epoch.
fn add(sum: &mut u64, epoch: u64, updates: &Updates) -> Result<(), SnapshotError> {
    for (row, hash) in hash_rows(updates.rows.columns(), updates.rows.num_rows())?.into_iter().enumerate() {
        let weighed = (hash ^ epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(updates.diff(row) as u64 | 1);
        *sum = sum.wrapping_add(weighed);
    }
    Ok(())
}

/// Whether tables hold what they held when a snapshot was made.
///
/// # Errors
/// With the first that does not.
pub fn fits(saved: &[SavedTable], epoch: u64, tables: &Tables) -> Result<(), SnapshotError> {
    let mut sums: HashMap<&str, u64> = HashMap::new();
    for (at, table, updates) in tables.statements().filter(|(at, ..)| *at <= epoch) {
        add(sums.entry(table).or_default(), *at, updates)?;
    }
    for SavedTable { name, digest, file } in saved {
        let other = || SnapshotError::Unfit(format!("what table \"{name}\" held up to epoch {epoch} is not what it held then"));
        let own = tables.files().find(|f| f.table == name);
        let same = match (file, own) {
            (None, None) => true,
            (Some(saved), Some(own)) => holds(saved, own.rows, epoch).map_err(SnapshotError::Unfit)?,
            _ => false,
        };
        if !same || format!("{:016x}", sums.get(name.as_str()).copied().unwrap_or(0)) != *digest {
            return Err(other());
        }
    }
    Ok(())
}

/// Whether a file holds what a snapshot has taken in of it.
fn holds(saved: &SavedFile, rows: &FileRows, epoch: u64) -> Result<bool, String> {
    if (saved.base, saved.epoch_rows) != (rows.base, rows.epoch_rows) {
        return Ok(false);
    }
    if !rows.file.is_text() {
        return Ok(sum_of(&rows.file)? == saved.crc32c);
    }
    let ends = ends_at(&rows.file, &mark(saved))?;
    // Where it held fewer rows than the epochs have room for, it must hold no more now.
    Ok(ends.is_some_and(|ends| ends || saved.rows == rows.rows_at(epoch)))
}

/// How a run begins to read the file of a table that a snapshot has taken in.
pub fn start(saved: &[SavedTable], epoch: u64, own: &FileTable<'_>, full: bool) -> Start {
    let file = saved.iter().find(|t| &t.name == own.table).and_then(|t| t.file.as_ref());
    let skipped = |file: &SavedFile| {
        let clock = file.clock.as_ref().filter(|clock| clock.jump == own.clock.jump())?;
        Some(Mark { newest: clock.newest, ..mark(file) })
    };
    Start { epoch: Some(epoch), full, skipped: file.filter(|_| !full).and_then(skipped) }
}
