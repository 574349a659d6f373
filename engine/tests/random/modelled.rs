//! Queries over tables with watermarks, held against the batch over what a small model takes in of them: a change is late, and left out,
//! when its time, and more where partners may be later, is below the joint watermark of an earlier epoch.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use littoral_engine::sql::script::Answer;

use super::answers::{Lines, add, counted, difference, state};
use super::check::{Feeds, States, Verdict, batch, compare, run_restored, run_script, states_of};
use super::history::{History, Table};
use super::taken::{Taken, ended, told};
use super::watermark::{Steps, beginning_idle, steps_and_answers};

/// A query, and what the batch says for it.
pub struct Case {
    /// What it reads, by the column `ts`.
    pub tables: Vec<Table>,
    /// The query.
    pub engine: String,
    /// With `{0}`, `{1}` where its tables stand.
    pub batch: String,
    /// With EMIT FINAL: how long after it the column `w` is closed.
    pub last: Option<i64>,
    /// How far the watermark must be past a row of each table for it to be late; none where no row is.
    pub late_after: Vec<Option<i64>>,
    /// Whether every change comes to what lets go of rows, so that late ones can be counted.
    pub unfiltered: bool,
    /// Whether it is also stopped and gone on with.
    pub restored: bool,
}

impl Case {
    /// The query as it is given to the engine.
    pub fn engine_query(&self) -> String {
        self.engine.clone()
    }

    fn batch_query(&self, name: impl Fn(usize, &Table) -> String) -> String {
        let tables = self.tables.iter().enumerate();
        tables.fold(self.batch.clone(), |query, (at, table)| query.replace(&format!("{{{at}}}"), &name(at, table)))
    }

    fn script(&self, history: &History) -> String {
        format!("{}CREATE VIEW v AS {};\nSELECT * FROM v;\nSELECT * FROM late_rows;\n", history.script(false), self.engine)
    }
}

/// What becomes of a case over tables without watermarks.
pub fn check(case: &Case, history: &History, workers: usize) -> Verdict {
    let states: States = match states_of(history) {
        Ok(states) => states,
        Err(error) => return Verdict::NoBatch(format!("history: {error}")),
    };
    match run_script(&format!("{}{};\n", history.script(false), case.engine), &Feeds::new(), workers) {
        Ok(answers) => compare(&answers[0], &case.batch_query(|_, table| table.name.clone()), &states),
        Err(stopped) => Verdict::Wrong(stopped.message),
    }
}

/// What becomes of a case over tables with watermarks.
pub fn check_late(case: &Case, history: &History, workers: usize) -> Verdict {
    let history = if case.restored { &beginning_idle(history, &case.tables) } else { history };
    let (steps, answers) = match steps_and_answers(history, &case.script(history), workers) {
        Ok(both) => both,
        Err(verdict) => return verdict,
    };
    match against_model(case, history, &steps, &answers) {
        Verdict::Clean if case.restored && history.epochs.len() > 1 => {
            gone_on_with(|history| case.script(history), history, &answers, workers)
        }
        verdict => verdict,
    }
}

/// Stops half way, and goes on with another number of workers.
fn gone_on_with(script: impl Fn(&History) -> String, history: &History, whole: &[Answer], workers: usize) -> Verdict {
    let half = History { epochs: history.epochs[..history.epochs.len().div_ceil(2)].to_vec(), ..history.clone() };
    let (short, long) = (script(&half), script(history));
    match run_restored((&short, Feeds::new()), (&long, Feeds::new()), (workers, 1 + workers % 4), false) {
        Err(stopped) => Verdict::Wrong(format!("snapshot or restore: {}", stopped.message)),
        Ok(resumed) => {
            let other = resumed.iter().zip(whole).map(|(r, w)| (counted(&r.rows), counted(&w.rows))).find(|(r, w)| r != w);
            other.map_or(Verdict::Clean, |(r, w)| Verdict::Wrong(format!("restored:\n{}", difference(&r, &w))))
        }
    }
}

fn against_model(case: &Case, history: &History, steps: &Steps, answers: &[Answer]) -> Verdict {
    let place = |table: &Table| history.tables.iter().position(|t| t.name == table.name).unwrap();
    let places: Vec<usize> = case.tables.iter().map(place).collect();
    let mut sides: Vec<Taken> = places.iter().map(|at| Taken::new(steps.answers[*at].schema.clone())).collect();
    let query = case.batch_query(|at, _| format!("m{at}"));
    let (mut view, mut passed) = (Lines::new(), None);
    let epochs = history.epochs.len();
    for epoch in 0..=epochs + 1 {
        answers[0].changes.iter().filter(|(e, _)| *e == epoch as u64).for_each(|(_, updates)| add(&mut view, updates));
        let mut marks = Vec::new();
        for (at, side) in sides.iter_mut().enumerate().filter(|_| epoch <= epochs) {
            let (place, table) = (places[at], &case.tables[at]);
            let answer = &steps.answers[place];
            let before = passed.zip(case.late_after[at]).map(|(w, after): (i64, i64)| w - after);
            let rows = state(&answer.changes, steps.ends[epoch], &answer.schema);
            let times = rows.column_by_name("ts").unwrap().as_primitive::<TimestampMicrosecondType>();
            side.epoch(rows.columns(), times.iter(), |time| before.is_some_and(|w| time < w));
            if !steps.is_idle(place, table.idle, epoch) {
                marks.push(steps.watermark(place, table.watermark.unwrap_or(0), epoch));
            }
        }
        passed = passed.max(marks.into_iter().min().flatten());
        let tables: Vec<(String, RecordBatch)> = sides.iter().enumerate().map(|(i, side)| (format!("m{i}"), side.table())).collect();
        let expected = match (batch(&query, &tables), case.last) {
            (Ok(rows), Some(after)) => ended(&rows, ("w", after), passed, epoch > epochs),
            (Ok(rows), None) => counted(&rows),
            (Err(error), _) => return Verdict::BatchFails(error),
        };
        if view != expected {
            return Verdict::Wrong(format!("epoch {epoch}:\n{}", difference(&view, &expected)));
        }
    }
    let (told, late) = (answers.get(1).map_or(0, told), sides.iter().map(|side| side.late).sum::<i64>());
    if told == late || !case.unfiltered {
        Verdict::Clean
    } else {
        Verdict::Wrong(format!("{told} rows are told as late, but {late} are\n"))
    }
}
