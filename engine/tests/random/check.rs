//! Runs queries over a history and holds them against the batch at every epoch, and against a run with everything in one epoch and
//! another number of workers. A run that does not end counts as a failure. Cases are made and made smaller elsewhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use arrow::array::RecordBatch;
use littoral_engine::sql::script::{Answer, Every, RestoreOptions, ScriptError, ScriptOptions, SnapshotOptions, batch_answer, run};

use arrow::datatypes::SchemaRef;
use littoral_engine::flow::gather::merge;
use littoral_engine::flow::updates::Updates;

use super::answers::{Lines, add, counted, difference, has_floats, named, state};
use super::history::History;
use super::kept::Kept;

/// How long a script may run.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the batch says.
    Clean,
    /// The batch has no plan for it.
    NoBatch(String),
    /// The batch fails on the data, as on an overflow.
    BatchFails(String),
    /// The engine says that it does not do this.
    Refused(String),
    /// Anything else.
    Wrong(String),
}

/// Tables from memory: name, columns, and what each epoch from 0 changes.
pub type Feeds = Vec<(String, SchemaRef, Vec<Updates>)>;

/// A script that could not be run: at which line, and why.
pub struct Stopped {
    /// The line from 1; none when it is not the fault of a statement.
    pub line: Option<usize>,
    /// What was said.
    pub message: String,
}

/// Runs a script, but not for ever.
pub fn run_script(script: &str, feeds: &Feeds, workers: usize) -> Result<Vec<Answer>, Stopped> {
    run_with(script, ScriptOptions { workers, feeds: feeds.clone(), ..ScriptOptions::default() })
}

/// The answers of a script, with tables from memory, that goes on from the snapshots of a shorter one with another number of workers;
/// `changed_plan` says whether a state that does not fit may be filled anew.
pub fn run_restored(
    short: (&str, Feeds),
    whole: (&str, Feeds),
    workers: (usize, usize),
    changed_plan: bool,
) -> Result<Vec<Answer>, Stopped> {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_path_buf();
    let snapshots = Some(SnapshotOptions { folder: at.clone(), every: Every::Epochs(1000) });
    run_with(short.0, ScriptOptions { workers: workers.0, feeds: short.1, snapshots, ..ScriptOptions::default() })?;
    let restore = Some(RestoreOptions { folder: at, changed_plan });
    run_with(whole.0, ScriptOptions { workers: workers.1, feeds: whole.1, restore, ..ScriptOptions::default() })
}

fn run_with(script: &str, options: ScriptOptions) -> Result<Vec<Answer>, Stopped> {
    let (sender, receiver) = channel();
    let text = script.to_string();
    let work = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| run("random.sql", &text, &options)));
        let _ = sender.send(outcome);
    };
    let thread = std::thread::Builder::new().name("script".into()).stack_size(32 << 20).spawn(work).unwrap();
    let stopped = |line: Option<u64>, message: String| Err(Stopped { line: line.map(|l| l as usize), message });
    match receiver.recv_timeout(PATIENCE) {
        Ok(outcome) => {
            thread.join().unwrap();
            match outcome {
                Ok(Ok(answers)) => Ok(answers),
                Ok(Err(ScriptError::Given(problem))) => stopped(Some(problem.line), problem.message),
                Ok(Err(other)) => stopped(None, other.to_string()),
                Err(_) => stopped(None, "the engine panicked".into()),
            }
        }
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => stopped(None, "the script does not end".into()),
    }
}

/// The batch answer; a panic of the batch is an error like others.
pub fn batch(query: &str, tables: &[(String, RecordBatch)]) -> Result<RecordBatch, String> {
    catch_unwind(AssertUnwindSafe(|| batch_answer(query, tables))).unwrap_or_else(|_| Err("the batch panicked".into()))
}

/// What the statements of a history come to.
pub struct States {
    /// Tables at the end of each epoch from 0: name and rows.
    pub tables: Vec<Vec<(String, RecordBatch)>>,
    /// Tables that each epoch changes.
    changed: Vec<Vec<String>>,
    /// The changes, epoch by epoch.
    many: Feeds,
    /// The changes, all in epoch 1.
    one: Feeds,
}

impl States {
    /// From the answers to `SELECT *` of each table, and the number of epochs.
    pub fn new(names: &[String], epochs: u64, answers: &[Answer]) -> Self {
        let epochs = 0..=epochs;
        let tables: Vec<(&String, &Answer)> = names.iter().zip(answers).collect();
        let at = |epoch| tables.iter().map(|(name, a)| named(name, state(&a.changes, epoch, &a.schema))).collect();
        let of = |a: &Answer, epoch: u64| {
            let nothing = Updates::insertions(RecordBatch::new_empty(a.schema.clone()));
            a.changes.iter().find(|(e, _)| *e == epoch).map_or(nothing, |(_, u)| u.clone())
        };
        let changed = |epoch| tables.iter().filter(|(_, a)| of(a, epoch).rows.num_rows() > 0).map(|(name, _)| (*name).clone()).collect();
        let many = |(name, a): &(&String, &Answer)| ((*name).clone(), a.schema.clone(), epochs.clone().map(|e| of(a, e)).collect());
        let one = |(name, a): &(&String, &Answer)| {
            let all: Vec<Updates> = a.changes.iter().map(|(_, u)| u.clone()).collect();
            ((*name).clone(), a.schema.clone(), vec![merge(&[], &a.schema).unwrap(), merge(&all, &a.schema).unwrap()])
        };
        States {
            tables: epochs.clone().map(at).collect(),
            changed: epochs.clone().map(changed).collect(),
            many: tables.iter().map(many).collect(),
            one: tables.iter().map(one).collect(),
        }
    }

    /// Epochs from 0 that change a table which a query names.
    fn moved(&self, query: &str) -> Vec<usize> {
        (0..self.tables.len()).filter(|e| *e == 0 || self.changed[*e].iter().any(|t| query.contains(t.as_str()))).collect()
    }
}

/// `SELECT *` of each table, a line each.
pub fn tables_of(history: &History) -> String {
    history.tables.iter().map(|t| format!("SELECT * FROM {};\n", t.name)).collect()
}

/// What a query's answer is against the batch, epoch by epoch.
pub fn compare(answer: &Answer, query: &str, states: &States) -> Verdict {
    let exact = !has_floats(&answer.schema);
    let moved = states.moved(query);
    let mut view = Lines::new();
    let mut wrong = None;
    for epoch in 0..=states.tables.len() {
        let own: Vec<&Updates> = answer.changes.iter().filter(|(e, _)| *e == epoch as u64).map(|(_, u)| u).collect();
        for updates in &own {
            if exact && let Some(line) = twice(updates) {
                wrong = wrong.or(Some(format!("epoch {epoch}: the changes of {line} are not consolidated")));
            }
            add(&mut view, updates);
        }
        if let Some((line, _)) = view.iter().find(|(_, count)| **count < 0) {
            wrong = wrong.or(Some(format!("epoch {epoch}: fewer than no rows {line}")));
        }
        if !moved.contains(&epoch) {
            if own.iter().any(|u| u.rows.num_rows() > 0) {
                wrong = wrong.or(Some(format!("epoch {epoch}: the view changed, and no table did")));
            }
            continue;
        }
        match batch(query, &states.tables[epoch]).map(|rows| counted(&rows)) {
            Ok(expected) if view == expected => {}
            Ok(expected) => wrong = wrong.or(Some(format!("epoch {epoch}:\n{}", difference(&view, &expected)))),
            Err(error) => return refused_by_batch(error),
        }
    }
    if wrong.is_none() && view != counted(&answer.rows) {
        wrong = Some(format!("the rows at the end are not the sum of the changes:\n{}", difference(&view, &counted(&answer.rows))));
    }
    if let Some(wrong) = &mut wrong
        && answer.errors.num_rows() > 0
    {
        *wrong += &format!("    row errors: {:?}\n", super::answers::lines_of(&answer.errors));
    }
    wrong.map_or(Verdict::Clean, Verdict::Wrong)
}

/// A row that comes and goes in the changes of one epoch.
fn twice(updates: &Updates) -> Option<String> {
    let lines = super::answers::lines_of(&updates.rows);
    let gone: std::collections::BTreeSet<&String> =
        lines.iter().enumerate().filter(|(r, _)| updates.diff(*r) < 0).map(|(_, l)| l).collect();
    lines.iter().enumerate().find(|(row, line)| updates.diff(*row) > 0 && gone.contains(line)).map(|(_, line)| line.clone())
}

/// Whether a message says that something is not there, rather than that it went wrong.
pub fn is_refusal(message: &str) -> bool {
    ["not supported", "not implemented", "NotImplemented", "without a constant", "needs "].iter().any(|part| message.contains(part))
}

/// What a history's statements come to.
pub fn states_of(history: &History) -> Result<States, String> {
    let script = format!("{}{}", history.script(false), tables_of(history));
    let names: Vec<String> = history.tables.iter().map(|t| t.name.clone()).collect();
    let answers = run_script(&script, &Feeds::new(), 1).map_err(|stopped| stopped.message)?;
    Ok(States::new(&names, history.epochs.len() as u64, &answers))
}

/// The verdict on a case that is kept as text.
pub fn check_kept(kept: &Kept) -> Verdict {
    let names: Vec<String> = kept.tables.iter().map(|t| (*t).to_string()).collect();
    let selects: String = names.iter().map(|t| format!("SELECT * FROM {t};\n")).collect();
    let answers = match run_script(&format!("{}\n{}{};\n", kept.history, selects, kept.query), &Feeds::new(), 2) {
        Ok(answers) => answers,
        Err(stopped) => return Verdict::Wrong(stopped.message),
    };
    let (answer, tables) = answers.split_last().unwrap();
    let epochs = tables.iter().flat_map(|a| a.changes.iter().map(|(e, _)| *e)).max().unwrap_or(0);
    let mut rows = super::answers::lines_of(&answer.rows);
    rows.sort();
    match kept.rows {
        Some(expected) if rows != expected => Verdict::Wrong(format!("{rows:#?}")),
        expected => match compare(answer, kept.query, &States::new(&names, epochs, tables)) {
            Verdict::NoBatch(_) if expected.is_some() => Verdict::Clean,
            verdict => verdict,
        },
    }
}

/// A question as the engine is asked it, and as the batch is.
#[derive(Clone, Debug)]
pub struct Pair {
    /// For the engine.
    pub engine: String,
    /// For the batch: the same where it answers that rightly, and otherwise what means the same.
    pub batch: String,
}

/// Verdicts of several queries over one history.
pub fn check(history: &History, queries: &[String], workers: (usize, usize)) -> Vec<Verdict> {
    check_as(history, queries, queries, workers)
}

/// The verdict on a question that the batch is asked in another form.
pub fn check_pair(pair: &Pair, history: &History, workers: (usize, usize)) -> Verdict {
    check_as(history, std::slice::from_ref(&pair.engine), std::slice::from_ref(&pair.batch), workers).remove(0)
}

/// Verdicts of several queries over one history, each with what the batch is asked in its place.
pub fn check_as(history: &History, queries: &[String], of_batch: &[String], workers: (usize, usize)) -> Vec<Verdict> {
    let states = match states_of(history) {
        Ok(states) => states,
        Err(error) => return vec![Verdict::NoBatch(format!("history: {error}")); queries.len()],
    };
    let mut verdicts = vec![None; queries.len()];
    let many = answers_of(&states.many, queries, &mut verdicts, workers.0);
    for (at, answer) in &many {
        verdicts[*at] = Some(compare(answer, &of_batch[*at], &states));
    }
    // What the engine does not take, the batch may not take either.
    for (verdict, query) in verdicts.iter_mut().zip(of_batch).filter(|(v, _)| !matches!(v, Some(Verdict::Clean))) {
        if let Some(Err(error)) = states.tables.last().map(|tables| batch(query, tables)) {
            *verdict = Some(refused_by_batch(error));
        }
    }
    let mut again: Vec<Option<Verdict>> = verdicts.iter().map(|v| v.clone().filter(|v| *v != Verdict::Clean)).collect();
    for (at, answer) in answers_of(&states.one, queries, &mut again, workers.1) {
        let first = many.iter().find(|(i, _)| *i == at).map(|(_, a)| counted(&a.rows)).unwrap_or_default();
        let other = counted(&answer.rows);
        if first != other {
            let why = format!("in one epoch with {} workers (as \"batch\"):\n{}", workers.1, difference(&first, &other));
            again[at] = Some(Verdict::Wrong(why));
        }
    }
    for (at, why) in restored(&states.many, queries, &many, &again, workers) {
        again[at] = Some(Verdict::Wrong(why));
    }
    verdicts.into_iter().zip(again).map(|(first, again)| again.or(first).unwrap_or(Verdict::Clean)).collect()
}

/// Stops a run of the queries that are well so far in the middle of their history, goes on from its snapshot with another number
/// of workers, and says which then have other rows at the end. A history that is cut may be planned otherwise: what does not fit
/// is filled anew.
fn restored(
    feeds: &Feeds,
    queries: &[String],
    many: &[(usize, Answer)],
    verdicts: &[Option<Verdict>],
    workers: (usize, usize),
) -> Vec<(usize, String)> {
    let well: Vec<&(usize, Answer)> = many.iter().filter(|(at, _)| verdicts[*at].is_none()).collect();
    let script: String = well.iter().map(|(at, _)| queries[*at].clone() + ";\n").collect();
    let middle = feeds.iter().map(|(_, _, epochs)| epochs.len()).max().unwrap_or(0) / 2 + 1;
    let short = feeds.iter().map(|(name, schema, epochs)| (name.clone(), schema.clone(), epochs[..middle.min(epochs.len())].to_vec()));
    match run_restored((&script, short.collect()), (&script, feeds.clone()), (workers.1, workers.0), true) {
        Err(Stopped { message, .. }) => well.iter().take(1).map(|(at, _)| (*at, format!("snapshot or restore: {message}"))).collect(),
        Ok(answers) => {
            let both = well.into_iter().zip(answers);
            let other = both.filter(|((_, whole), resumed)| counted(&whole.rows) != counted(&resumed.rows));
            other.map(|((at, w), r)| (*at, format!("restored:\n{}", difference(&counted(&r.rows), &counted(&w.rows))))).collect()
        }
    }
}

/// Whether the batch failed on data or on the query.
fn refused_by_batch(error: String) -> Verdict {
    let on_data = ["verflow", "Divide by zero", "Cast error", "Arrow error", "Execution error", "out of range"];
    if on_data.iter().any(|e| error.contains(e)) { Verdict::BatchFails(error) } else { Verdict::NoBatch(error) }
}

/// Answers of the queries that have no verdict yet; a query that stops the script gets one.
fn answers_of(feeds: &Feeds, queries: &[String], verdicts: &mut [Option<Verdict>], workers: usize) -> Vec<(usize, Answer)> {
    loop {
        let open: Vec<usize> = (0..queries.len()).filter(|i| verdicts[*i].is_none()).collect();
        if open.is_empty() {
            return Vec::new();
        }
        let script: String = open.iter().map(|i| queries[*i].clone() + ";\n").collect();
        match run_script(&script, feeds, workers) {
            Ok(answers) => return open.into_iter().zip(answers).collect(),
            Err(Stopped { line, message }) => {
                let culprit = line.and_then(|l| open.get(l.checked_sub(1)?).copied());
                let verdict = if is_refusal(&message) { Verdict::Refused(message) } else { Verdict::Wrong(format!("error: {message}\n")) };
                match culprit.or(open.first().copied().filter(|_| open.len() == 1)) {
                    Some(at) => verdicts[at] = Some(verdict),
                    None => return one_by_one(feeds, queries, &open, verdicts, workers),
                }
            }
        }
    }
}

fn one_by_one(feeds: &Feeds, queries: &[String], open: &[usize], verdicts: &mut [Option<Verdict>], workers: usize) -> Vec<(usize, Answer)> {
    let mut out = Vec::new();
    for &at in open {
        let mut own = vec![None];
        let answers = answers_of(feeds, &queries[at..=at], &mut own, workers);
        out.extend(answers.into_iter().map(|(_, answer)| (at, answer)));
        if let Some(verdict) = own.remove(0) {
            verdicts[at] = Some(verdict);
        }
    }
    out
}
