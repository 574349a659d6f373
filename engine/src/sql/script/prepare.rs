//! Prepares a run: what is known of watermarks, changes in the order of their epochs, files opened. Not here: the run (`job.rs`).

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::digests::Digests;
use super::durable::Durable;
use super::failure::Failure;
use super::job::Job;
use super::outlet::Outlet;
use super::stream::{Placer, Stream};
use super::tables::Tables;
use super::workers::Shared;
use crate::sql::Program;
use crate::sql::watermark::{NOW, Watermarks};

/// Files that are read, and the threads that read them.
type Opened = (Vec<Arc<Stream>>, Vec<JoinHandle<()>>);

/// A run of a view, and the threads that read its files.
///
/// # Errors
/// When a file cannot be opened, or there is no such view.
pub fn prepare(
    program: &Program,
    tables: &Tables,
    view: &str,
    workers: usize,
    (durable, outlet): (Durable, Option<Outlet>),
) -> Result<(Job, Vec<JoinHandle<()>>), Failure> {
    let schema = program.schema(view).ok_or_else(|| "the view is not there".to_string())?;
    let mut program = program.clone();
    let begins_at = durable.begins_at();
    // What is known of watermarks belongs to this run. One that goes on from a snapshot knows how they stood there.
    program.watermarks = Watermarks::default();
    for (table, epoch, micros) in &tables.watermarks {
        program.watermarks.set_in_run(table, *epoch, begins_at.unwrap_or(0), *micros);
    }
    for (epoch, micros) in &tables.clock {
        program.watermarks.set_in_run(NOW, *epoch, begins_at.unwrap_or(0), *micros);
    }
    let shared = Arc::new(Shared::new(workers, begins_at.unwrap_or(0)));
    let (streams, readers) = open_files(&program, tables, view, &durable, &shared)?;
    let mut history = tables.history.clone();
    // Epochs are looked up in order: there may be as many as there are rows.
    history.sort_by_key(|(epoch, ..)| *epoch);
    let digests = durable.every().map(|_| Digests::new(tables, &streams, durable.saved_tables()));
    let digests = digests.transpose().map_err(|e| e.to_string())?;
    let job = Job {
        program,
        tables: tables.schemas().map(|(name, _)| name.clone()).collect(),
        streams,
        history: Arc::new(history),
        digests: Mutex::new(digests),
        last: tables.epoch,
        ended: tables.ended,
        durable,
        shared,
        schema,
        workers,
        view: view.to_string(),
        outlet: Mutex::new(outlet),
        out: Mutex::default(),
    };
    Ok((job, readers))
}

/// Begins to read the files of tables that the view reads and nothing holds.
fn open_files(program: &Program, tables: &Tables, view: &str, durable: &Durable, shared: &Arc<Shared>) -> Result<Opened, Failure> {
    let full = program.wanted_whole(view, &durable.states(), &durable.anew(view));
    let (mut streams, mut readers) = (Vec::new(), Vec::new());
    for file in tables.files().filter(|f| !f.held) {
        let Some(wanted) = program.columns_read(view, file.table) else { continue };
        let columns = file.rows.reading(|column| wanted.contains(&column) || file.event_time == Some(column));
        let start = durable.start(&file, full.contains(file.table));
        let later = tables.history.iter().filter(|(_, table, _)| table == file.table);
        let later = later.map(|(epoch, _, updates)| (*epoch, updates.rows.clone())).collect();
        let watermarks = program.watermarks.clone();
        let placer = Placer::new(file.table, file.rows, start.clone(), file.clock.clone(), watermarks, durable.every());
        let opened = Stream::open(file.table, columns, &start, placer.with_later(later), shared);
        let (stream, reader) = opened.map_err(|e| Failure::File {
            table: file.table.clone(),
            path: file.rows.file.path().display().to_string(),
            cause: e.to_string(),
        })?;
        streams.push(Arc::new(stream));
        readers.extend(reader);
    }
    Ok((streams, readers))
}
