//! Queries over tables with watermarks, held against the batch over what a small model takes in of them: a change is late, and left out,
//! when its time is below the joint watermark of an earlier epoch.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use littoral_engine::sql::script::Answer;

use super::answers::{Lines, add, counted, difference, state};
use super::check::{Feeds, States, Verdict, batch, compare, run_script, states_of};
use super::history::{History, Table};
use super::intervals::gone_on_with;
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
    /// With EMIT FINAL: how long after it the column `w` ends.
    pub last: Option<i64>,
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
            let before = passed;
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
