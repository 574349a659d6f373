//! Runs queries over a history and holds them against the batch at every epoch, and against a run with everything in one epoch and
//! another number of workers. A run that does not end counts as a failure. Cases are made and made smaller elsewhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use arrow::array::RecordBatch;
use littoral_engine::sql::script::{Answer, ScriptError, ScriptOptions, batch_answer, run};

use super::answers::{Lines, add, counted, difference, has_floats, named, state};
use super::history::History;

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

/// A script that could not be run: at which line, and why.
pub struct Stopped {
    /// The line from 1; none when it is not the fault of a statement.
    pub line: Option<usize>,
    /// What was said.
    pub message: String,
}

/// Runs a script, but not for ever.
pub fn run_script(script: &str, workers: usize) -> Result<Vec<Answer>, Stopped> {
    let (sender, receiver) = channel();
    let text = script.to_string();
    let work = move || {
        let options = ScriptOptions { workers, ..ScriptOptions::default() };
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

/// The tables of a history at the end of each epoch from 0.
pub struct States {
    /// By epoch: name and rows.
    pub tables: Vec<Vec<(String, RecordBatch)>>,
    /// Epochs in which some table changed, and 0.
    pub moved: Vec<usize>,
}

impl States {
    /// From the answers to `SELECT *` of each table.
    pub fn new(history: &History, answers: &[Answer]) -> Self {
        let epochs = history.epochs.len();
        let at = |epoch: usize| {
            let of = |(t, a): (&super::history::Table, &Answer)| named(&t.name, state(&a.changes, epoch as u64, &a.schema));
            history.tables.iter().zip(answers).map(of).collect()
        };
        let moved =
            |e: &usize| *e == 0 || answers.iter().any(|a| a.changes.iter().any(|(at, u)| *at == *e as u64 && u.rows.num_rows() > 0));
        States { tables: (0..=epochs).map(at).collect(), moved: (0..=epochs).filter(moved).collect() }
    }

    /// The tables at the end.
    pub fn last(&self) -> &[(String, RecordBatch)] {
        self.tables.last().unwrap()
    }
}

/// `SELECT *` of each table, a line each.
pub fn tables_of(history: &History) -> String {
    history.tables.iter().map(|t| format!("SELECT * FROM {};\n", t.name)).collect()
}

/// What a query's answer is against the batch, epoch by epoch.
pub fn compare(answer: &Answer, query: &str, states: &States) -> Verdict {
    let exact = !has_floats(&answer.schema);
    let mut view = Lines::new();
    let mut wrong = None;
    for epoch in 0..=states.tables.len() {
        for (_, updates) in answer.changes.iter().filter(|(e, _)| *e == epoch as u64) {
            if exact && let Some(line) = twice(updates) {
                wrong = wrong.or(Some(format!("epoch {epoch}: the changes of {line} are not consolidated")));
            }
            add(&mut view, updates);
        }
        if let Some((line, _)) = view.iter().find(|(_, count)| **count < 0) {
            wrong = wrong.or(Some(format!("epoch {epoch}: fewer than no rows {line}")));
        }
        // An epoch that changes no table must not change the view; the batch of the epoch before still holds.
        let at = states.moved.iter().rev().find(|m| **m <= epoch).copied().unwrap_or(0);
        let quiet = at != epoch;
        if quiet && answer.changes.iter().any(|(e, u)| *e == epoch as u64 && u.rows.num_rows() > 0) {
            wrong = wrong.or(Some(format!("epoch {epoch}: the view changed, and no table did")));
        }
        if quiet {
            continue;
        }
        let expected = match batch(query, &states.tables[epoch]) {
            Ok(rows) => counted(&rows),
            Err(error) => return Verdict::BatchFails(error),
        };
        if view != expected {
            wrong = wrong.or(Some(format!("epoch {epoch}:\n{}", difference(&view, &expected))));
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
fn twice(updates: &littoral_engine::flow::updates::Updates) -> Option<String> {
    let lines = super::answers::lines_of(&updates.rows);
    let gone: std::collections::BTreeSet<&String> =
        lines.iter().enumerate().filter(|(r, _)| updates.diff(*r) < 0).map(|(_, l)| l).collect();
    lines.iter().enumerate().find(|(row, line)| updates.diff(*row) > 0 && gone.contains(line)).map(|(_, line)| line.clone())
}

/// Whether a message says that something is not there, rather than that it went wrong.
pub fn is_refusal(message: &str) -> bool {
    ["not supported", "not implemented", "NotImplemented", "without a constant", "needs "].iter().any(|part| message.contains(part))
}

/// Verdicts of several queries over one history.
pub fn check(history: &History, queries: &[String], workers: (usize, usize)) -> Vec<Verdict> {
    let fixed = format!("{}{}", history.script(false), tables_of(history));
    let states = match run_script(&fixed, 1) {
        Ok(answers) => States::new(history, &answers),
        Err(stopped) => return vec![Verdict::NoBatch(format!("history: {}", stopped.message)); queries.len()],
    };
    let mut verdicts: Vec<Option<Verdict>> = queries
        .iter()
        .map(|q| batch(q, states.last()).err().map(|e| if states_matter(&e) { Verdict::BatchFails(e) } else { Verdict::NoBatch(e) }))
        .collect();
    let many = answers_of(&history.script(false), queries, &mut verdicts, workers.0);
    for (at, answer) in &many {
        verdicts[*at] = Some(compare(answer, &queries[*at], &states));
    }
    let clean: Vec<usize> = (0..queries.len()).filter(|i| verdicts[*i] == Some(Verdict::Clean)).collect();
    let mut again: Vec<Option<Verdict>> = (0..queries.len()).map(|i| (!clean.contains(&i)).then_some(Verdict::Clean)).collect();
    for (at, answer) in answers_of(&history.script(true), queries, &mut again, workers.1) {
        let first = &many.iter().find(|(i, _)| *i == at).unwrap().1;
        let (one, other) = (counted(&first.rows), counted(&answer.rows));
        if one != other {
            verdicts[at] =
                Some(Verdict::Wrong(format!("in one epoch with {} workers (as \"batch\"):\n{}", workers.1, difference(&one, &other))));
        }
    }
    for (verdict, again) in verdicts.iter_mut().zip(again) {
        if let (Some(Verdict::Clean), Some(other @ (Verdict::Wrong(_) | Verdict::Refused(_)))) = (&verdict, again) {
            *verdict = Some(other);
        }
    }
    verdicts.into_iter().map(|v| v.unwrap_or(Verdict::Clean)).collect()
}

/// Whether the batch failed on data and not on the query.
fn states_matter(error: &str) -> bool {
    ["Overflow", "overflow", "Divide by zero", "Cast error", "Arrow error", "Execution error", "out of range"]
        .iter()
        .any(|e| error.contains(e))
}

/// Answers of the queries that have no verdict yet; a query that stops the script gets one.
fn answers_of(history: &str, queries: &[String], verdicts: &mut [Option<Verdict>], workers: usize) -> Vec<(usize, Answer)> {
    loop {
        let open: Vec<usize> = (0..queries.len()).filter(|i| verdicts[*i].is_none()).collect();
        if open.is_empty() {
            return Vec::new();
        }
        let first_line = history.lines().count() + 1;
        let script = open.iter().fold(history.to_string(), |script, i| script + &queries[*i] + ";\n");
        match run_script(&script, workers) {
            Ok(answers) => return open.into_iter().zip(answers).collect(),
            Err(Stopped { line, message }) => {
                let culprit = line.and_then(|l| open.get(l.checked_sub(first_line)?).copied());
                let verdict = if is_refusal(&message) { Verdict::Refused(message) } else { Verdict::Wrong(format!("error: {message}\n")) };
                match culprit.or(open.first().copied().filter(|_| open.len() == 1)) {
                    Some(at) => verdicts[at] = Some(verdict),
                    None => return one_by_one(history, queries, &open, verdicts, workers),
                }
            }
        }
    }
}

fn one_by_one(history: &str, queries: &[String], open: &[usize], verdicts: &mut [Option<Verdict>], workers: usize) -> Vec<(usize, Answer)> {
    let mut out = Vec::new();
    for &at in open {
        let mut own = vec![None];
        let answers = answers_of(history, &queries[at..=at], &mut own, workers);
        out.extend(answers.into_iter().map(|(_, answer)| (at, answer)));
        if let Some(verdict) = own.remove(0) {
            verdicts[at] = Some(verdict);
        }
    }
    out
}
