//! Runs a view of a SQL file within this process, on one worker, epoch by epoch; the rows that come out are dropped, or written.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{RecordBatch, new_null_array};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{Field, Schema, SchemaRef};
use littoral_connectors::files::table::{Block, BlockDecoder, Blocks, Position, TableFile, TableFormat};
use littoral_engine::flow::gather::merge;
use littoral_engine::flow::updates::Updates;
use littoral_engine::pipeline::SqlFile;
use littoral_engine::sql::{InputTable, Program};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::generate::{SEED, numbered, side_input};
use crate::nexmark::{Batch, Generator};

type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;
/// What one epoch adds to each table.
type Epoch = Vec<(&'static str, RecordBatch)>;

/// Events of one epoch.
const EPOCH: usize = 40_000;

/// Where events come from.
pub enum Feeds {
    /// Drawn beforehand.
    Drawn { events: usize, rate: u64 },
    /// NDJSON files, read and decoded as part of the run.
    Files(PathBuf),
}

/// What a run took.
pub struct Run {
    pub seconds: f64,
    pub cpu: f64,
    /// Changes that came out.
    pub rows: usize,
}

impl Run {
    pub fn print(&self) {
        println!("{{\"seconds\": {:.6}, \"cpu\": {:.3}, \"rows\": {}}}", self.seconds, self.cpu, self.rows);
    }
}

/// Runs a view; with `answer` its rows at the end are written, as CSV.
pub fn run(view: &str, sql: &Path, feeds: Feeds, answer: Option<PathBuf>) -> Run {
    let program = compile(sql);
    let tables = tables_of(&program, view);
    let schema = program.schema(view).unwrap();
    let epochs: Box<dyn Iterator<Item = Epoch>> = match feeds {
        Feeds::Drawn { events, rate } => Box::new(drawn(events, rate, &tables).into_iter()),
        Feeds::Files(folder) => Box::new(files(&program, view, &folder, &tables)),
    };
    let (run, out) = flow(&program, view, &tables, epochs, answer.is_some());
    if let Some(path) = answer {
        let all = merge(&out, &schema).unwrap();
        assert!((0..all.rows.num_rows()).all(|row| all.diff(row) > 0), "a row is taken away that never came");
        let rows = (0..all.rows.num_rows() as u32).flat_map(|row| std::iter::repeat_n(row, all.diff(row as usize) as usize));
        let rows = arrow::compute::take_record_batch(&all.rows, &arrow::array::UInt32Array::from_iter_values(rows)).unwrap();
        WriterBuilder::new().with_header(false).build(File::create(path).unwrap()).write(&numbered(&rows)).unwrap();
    }
    run
}

fn schemas() -> Vec<(&'static str, SchemaRef)> {
    let Batch { person, auction, bid } = Generator::new(SEED, 1).next_batch(0).unwrap();
    vec![("person", person.schema()), ("auction", auction.schema()), ("bid", bid.schema()), ("side_input", side_input().schema())]
}

fn compile(path: &Path) -> Program {
    let table = |(name, schema): (&str, SchemaRef)| InputTable { name: name.to_string(), schema, append_only: true, event_time: None };
    let inputs: Vec<InputTable> = schemas().into_iter().map(table).collect();
    let file = SqlFile { path: path.to_path_buf(), text: std::fs::read_to_string(path).unwrap() };
    Program::compile(&[file], &inputs).unwrap()
}

/// All epochs, drawn; only of tables that are read.
fn drawn(events: usize, rate: u64, tables: &[String]) -> Vec<Epoch> {
    let mut generator = Generator::new(SEED, rate);
    let mut epochs = Vec::new();
    let mut left = events;
    while left > 0 {
        let n = left.min(EPOCH);
        left -= n;
        let Batch { person, auction, bid } = generator.next_batch(n).unwrap();
        epochs.push(vec![("person", person), ("auction", auction), ("bid", bid)]);
    }
    if let Some(first) = epochs.first_mut() {
        first.push(("side_input", side_input()));
    }
    epochs.iter_mut().for_each(|epoch| epoch.retain(|(name, _)| tables.iter().any(|t| t == name)));
    epochs
}

/// Epochs of a folder's files as they are decoded; each table's share of an epoch is what 40,000 events hold of it. Blocks of files,
/// their decoder and the columns that the view reads are those of `littoral sql`.
fn files(program: &Program, view: &str, folder: &Path, tables: &[String]) -> impl Iterator<Item = Epoch> + use<> {
    let share = |name: &str| match name {
        "person" => EPOCH / 50,
        "auction" => EPOCH / 50 * 3,
        "bid" => EPOCH / 50 * 46,
        _ => EPOCH,
    };
    let mut readers = Vec::new();
    for (name, schema) in schemas().into_iter().filter(|(name, _)| tables.iter().any(|t| t == name)) {
        let file = TableFile::known(&folder.join(format!("{name}.ndjson")), TableFormat::Json, &schema).unwrap();
        let columns = program.columns_read(view, name).unwrap();
        readers.push((name, Decoded::new(&file.reading(&columns), &schema), share(name)));
    }
    std::iter::from_fn(move || {
        let mut epoch = Epoch::new();
        for (name, decoded, share) in &mut readers {
            epoch.extend(decoded.rows(*share).into_iter().map(|rows| (*name, rows)));
        }
        (!epoch.is_empty()).then_some(epoch)
    })
}

/// Rows of a file as they are decoded, with nulls for columns that are not read.
struct Decoded {
    blocks: Blocks,
    decoder: BlockDecoder,
    buffer: Vec<u8>,
    schema: SchemaRef,
    nulls: RecordBatch,
    rest: Option<RecordBatch>,
}

impl Decoded {
    fn new(file: &TableFile, schema: &SchemaRef) -> Self {
        let fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let (blocks, decoder) = (file.blocks(Position::default()).unwrap(), file.decoder());
        Decoded { blocks, decoder, buffer: Vec::new(), nulls: RecordBatch::new_empty(schema.clone()), schema, rest: None }
    }

    /// So many rows, in batches as they come; fewer at the end.
    fn rows(&mut self, mut wanted: usize) -> Vec<RecordBatch> {
        let mut out = Vec::new();
        while wanted > 0 {
            let Some(rows) = self.rest.take().or_else(|| self.next()) else { break };
            let taken = rows.num_rows().min(wanted);
            self.rest = (taken < rows.num_rows()).then(|| rows.slice(taken, rows.num_rows() - taken));
            out.push(rows.slice(0, taken));
            wanted -= taken;
        }
        out
    }

    fn next(&mut self) -> Option<RecordBatch> {
        loop {
            let block = self.blocks.next(std::mem::take(&mut self.buffer)).unwrap()?;
            let rows = self.decoder.decode(&block).unwrap();
            if let Block::Text(text) = block {
                self.buffer = text;
            }
            if let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) {
                return Some(self.complete(&rows));
            }
        }
    }

    fn complete(&mut self, rows: &RecordBatch) -> RecordBatch {
        let count = rows.num_rows();
        if self.nulls.num_rows() < count {
            let nulls = self.schema.fields().iter().map(|f| new_null_array(f.data_type(), count)).collect();
            self.nulls = RecordBatch::try_new(self.schema.clone(), nulls).unwrap();
        }
        let column = |(i, field): (usize, &Arc<Field>)| match rows.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => self.nulls.column(i).slice(0, count),
        };
        let columns = self.schema.fields().iter().enumerate().map(column).collect();
        RecordBatch::try_new(self.schema.clone(), columns).unwrap()
    }
}

/// The tables that a view is made of, through other views too.
fn tables_of(program: &Program, view: &str) -> Vec<String> {
    let through = |name: String| if program.schema(&name).is_some() { tables_of(program, &name) } else { vec![name] };
    let mut tables: Vec<String> = program.reads(view).into_iter().flat_map(through).collect();
    tables.sort();
    tables.dedup();
    tables
}

type Kept = (Run, Vec<Updates>);

fn flow(program: &Program, view: &str, tables: &[String], epochs: Box<dyn Iterator<Item = Epoch>>, keep: bool) -> Kept {
    let mut worker = timely::worker::Worker::new(
        timely::WorkerConfig::default(),
        timely::communication::Allocator::Thread(timely::communication::allocator::Thread::default()),
        Some(Instant::now()),
    );
    let out = Rc::new(RefCell::new((0usize, Vec::new())));
    let seen = out.clone();
    let (mut inputs, probe) = worker.dataflow::<u64, _, _>(|scope| {
        let (mut inputs, mut streams): (HashMap<String, Input>, HashMap<_, _>) = Default::default();
        for name in tables {
            let mut input = Input::new_with_builder();
            streams.insert(name.clone(), input.to_stream(scope));
            inputs.insert(name.clone(), input);
        }
        let mut rendered = program.render(scope, streams, &[view.to_string()]);
        let probe = ProbeHandle::new();
        let take = move |updates: Updates| {
            let (count, kept) = &mut *seen.borrow_mut();
            *count += updates.rows.num_rows();
            if keep {
                kept.push(updates);
            }
        };
        let stream = rendered.views.remove(view).unwrap();
        stream
            .unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "take", move |_, _| {
                move |input, _output| input.for_each_stamp(|_, data| data.for_each(|u| take(std::mem::take(u))))
            })
            .probe_with(&probe);
        (inputs, probe)
    });
    let (started, cpu) = (Instant::now(), cpu_seconds());
    for (epoch, changes) in epochs.enumerate() {
        for (table, rows) in changes {
            inputs.get_mut(table).unwrap().send_batch(&mut Updates::insertions(rows));
        }
        inputs.values_mut().for_each(|input| input.advance_to(epoch as u64 + 1));
        worker.step_while(|| probe.less_than(&(epoch as u64 + 1)));
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    drop(inputs);
    let (rows, kept) = out.take();
    (Run { seconds, cpu, rows }, kept)
}

/// CPU time of this process, of all its threads.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
