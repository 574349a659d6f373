//! Windows of tables with watermarks, against a small model of what is late, made without the engine: windows are computed here,
//! a change is left out when its window's end is at or below the watermark of an earlier epoch, and the batch groups what is left.
//! With EMIT FINAL a row must come when the watermark reaches its window's end, and at the end of the input at the latest.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use littoral_engine::sql::script::Answer;

use super::answers::{Lines, add, counted, difference, state};
use super::check::{Feeds, Stopped, Verdict, batch, is_refusal, run_script, tables_of};
use super::dice::Dice;
use super::expression::{Column, Expressions};
use super::history::{Change, History, Kind, Table};
use super::sessions::Accepted;
use super::taken::{Taken, ended, told};

const SECOND: i64 = 1_000_000;

/// Windows of a table, sizes in seconds.
#[derive(Clone, Copy, Debug)]
enum Windows {
    Tumble { size: i64, offset: i64 },
    Hop { slide: i64, size: i64, offset: i64 },
    Cumulate { step: i64, size: i64, offset: i64 },
    Session { gap: i64, by_key: bool },
}

/// A query over windows.
pub struct Case {
    sources: Vec<(Table, Windows)>,
    /// The query with `{0}` and `{1}` where its windows stand.
    query: String,
    /// Of each source the part of the query that is over it.
    parts: Vec<String>,
    emit_final: bool,
    /// Whether every change of the windows comes to the groups, so that late rows can be counted.
    unfiltered: bool,
}

impl Windows {
    fn random(dice: &mut Dice) -> Self {
        let (a, b) = (dice.between(2, 9), dice.between(1, 4));
        let offset = if dice.percent(25) { dice.between(1, 5) } else { 0 };
        match dice.below(7) {
            // Long windows that begin often: late rows are in some that are closed and in some that are not.
            5 | 6 => Windows::Hop { slide: dice.between(1, 3), size: dice.between(10, 40), offset },
            0 => Windows::Tumble { size: a, offset },
            1 | 2 => Windows::Hop { slide: a, size: a + dice.between(-1, 12), offset },
            3 => Windows::Cumulate { step: a, size: a * b, offset },
            _ => Windows::Session { gap: a, by_key: dice.percent(50) },
        }
    }

    fn text(self, table: &Table) -> String {
        let name = &table.name;
        let more = |offset: i64| if offset == 0 { String::new() } else { format!(", INTERVAL '{offset}' SECOND") };
        match self {
            Windows::Tumble { size, offset } => format!("tumble({name}, ts, INTERVAL '{size}' SECOND{})", more(offset)),
            Windows::Hop { slide, size, offset } => {
                format!("hop({name}, ts, INTERVAL '{slide}' SECOND, INTERVAL '{size}' SECOND{})", more(offset))
            }
            Windows::Cumulate { step, size, offset } => {
                format!("cumulate({name}, ts, INTERVAL '{step}' SECOND, INTERVAL '{size}' SECOND{})", more(offset))
            }
            Windows::Session { gap, by_key: false } => format!("session({name}, ts, INTERVAL '{gap}' SECOND)"),
            Windows::Session { gap, by_key: true } => format!("session({name}, ts, INTERVAL '{gap}' SECOND, {})", table.columns[0].0),
        }
    }

    /// The windows of each row, given its time and its key.
    fn of(self, times: &[Option<i64>], keys: &[Vec<u8>]) -> Vec<Vec<Option<(i64, i64)>>> {
        let one = |t: &Option<i64>| match (self, *t) {
            (Windows::Tumble { .. }, None) => vec![None],
            (_, None) | (Windows::Session { .. }, _) => Vec::new(),
            (Windows::Tumble { size, offset }, Some(t)) => {
                let start = t - (t - offset * SECOND).rem_euclid(size * SECOND);
                vec![Some((start, start + size * SECOND))]
            }
            (Windows::Hop { slide, size, offset }, Some(t)) => {
                let last = t - (t - offset * SECOND).rem_euclid(slide * SECOND);
                let starts = (0..).map(|k| last - k * slide * SECOND).take_while(|start| start + size * SECOND > t);
                starts.map(|start| Some((start, start + size * SECOND))).collect()
            }
            (Windows::Cumulate { step, size, offset }, Some(t)) => {
                let start = t - (t - offset * SECOND).rem_euclid(size * SECOND);
                let ends = (1..=size / step).map(|k| start + k * step * SECOND).filter(|end| *end > t);
                ends.map(|end| Some((start, end))).collect()
            }
        };
        let Windows::Session { gap, by_key } = self else { return times.iter().map(one).collect() };
        let mut order: Vec<usize> = (0..times.len()).filter(|r| times[*r].is_some()).collect();
        let key = |r: usize| if by_key { keys[r].clone() } else { Vec::new() };
        order.sort_by_key(|r| (key(*r), times[*r]));
        let mut out = vec![Vec::new(); times.len()];
        for session in order.chunk_by(|a, b| key(*a) == key(*b) && times[*b].unwrap() - times[*a].unwrap() < gap * SECOND) {
            let (first, last) = (times[session[0]].unwrap(), times[*session.last().unwrap()].unwrap());
            session.iter().for_each(|r| out[*r] = vec![Some((first, last + gap * SECOND))]);
        }
        out
    }
}

/// A random query over windows of a history's tables.
pub fn random_case(seed: u64, history: &History) -> Case {
    case_of(seed, history, Windows::random)
}

/// The same over sessions, whose gaps are short.
pub fn of_sessions(seed: u64, history: &History) -> Case {
    case_of(seed, history, |dice| Windows::Session { gap: dice.between(2, 5), by_key: dice.percent(70) })
}

fn case_of(seed: u64, history: &History, windows: impl Fn(&mut Dice) -> Windows) -> Case {
    let mut dice = Dice::new(seed, 3);
    let emit_final = dice.percent(50);
    let two = dice.percent(20);
    let mut unfiltered = true;
    let mut sources = Vec::new();
    let windows = windows(&mut dice);
    let mut parts = Vec::new();
    for at in 0..1 + usize::from(two) {
        let table = dice.pick(&history.tables);
        sources.push((table.clone(), windows));
        // Those whose states merge, of which sliding windows are put together, and sessions keep no rows.
        let merges = matches!(windows, Windows::Hop { .. } | Windows::Session { .. });
        let kinds = if merges && dice.percent(60) { 4 } else { 9 };
        let (text, filtered) = grouped(&mut dice, &table, (at, kinds));
        unfiltered &= !filtered;
        parts.push(text);
    }
    let query = match parts.as_slice() {
        [one] => one.clone(),
        [left, right, ..] => format!(
            "SELECT l.window_start, l.window_end, l.c0, r.c1 FROM ({left}) AS l JOIN ({right}) AS r \
             ON l.window_start = r.window_start AND l.window_end = r.window_end"
        ),
        [] => String::new(),
    };
    Case { sources, query, parts, emit_final, unfiltered: unfiltered && !two }
}

/// A grouping by windows, with aggregates of the first so many kinds; and whether rows are filtered before.
fn grouped(dice: &mut Dice, table: &Table, (at, kinds): (usize, usize)) -> (String, bool) {
    let columns: Vec<Column> = table.columns.iter().map(|(name, kind, _)| Column { name: format!("a.{name}"), kind: *kind }).collect();
    let mut items = Vec::new();
    for i in 0..2 {
        let filter = if dice.percent(15) {
            format!(" FILTER (WHERE {})", Expressions { dice, columns: &columns, outer: &[] }.of(Kind::Bool, 1))
        } else {
            String::new()
        };
        let any = dice.pick(&columns);
        let number = Expressions { dice, columns: &columns, outer: &[] }.of(Kind::Int, 1);
        let call = match dice.below(kinds) {
            0 | 1 => "count(*)".to_string(),
            2 => format!("sum({number})"),
            3 => format!("avg({number})"),
            4 => format!("count(DISTINCT {})", any.name),
            5 => format!("sum(DISTINCT {number})"),
            // Groups that are computed anew.
            6 => format!("median({number})"),
            7 => format!("bit_xor({number})"),
            _ if any.kind == Kind::Double => format!("count({})", any.name),
            _ => format!("{}({})", dice.of(&["min", "max"]), any.name),
        };
        items.push(format!("{call}{filter} AS c{i}"));
    }
    let key = if dice.percent(50) { format!(", a.{}", table.columns[dice.below(table.columns.len() - 1)].0) } else { String::new() };
    let filtered = dice.percent(30);
    let condition = match filtered {
        true => format!(" WHERE {}", Expressions { dice, columns: &columns, outer: &[] }.of(Kind::Bool, 1)),
        false => String::new(),
    };
    let having = if dice.percent(15) { " HAVING count(*) > 1" } else { "" };
    let named = if key.is_empty() { String::new() } else { format!("{key} AS k") };
    let text = format!(
        "SELECT window_start, window_end, {}{named} FROM {{{at}}} AS a{condition} GROUP BY window_start, window_end{key}{having}",
        items.join(", ")
    );
    (text, filtered)
}

impl Case {
    fn text(&self, names: impl Fn(usize) -> String) -> String {
        (0..self.sources.len()).fold(self.query.clone(), |text, i| text.replace(&format!("{{{i}}}"), &names(i)))
    }

    /// The query as it is given to the engine.
    pub fn engine_query(&self) -> String {
        let text = self.text(|i| self.sources[i].1.text(&self.sources[i].0));
        if self.emit_final { text + " EMIT FINAL" } else { text }
    }
}

/// One table in windows, as the model sees it: a row a window, late when the window's end is over.
struct Model {
    windows: Windows,
    /// What comes in time for sessions.
    sessions: Option<Accepted>,
    /// Whether groups take in every change of what comes in time: a session may become one that was over before.
    keeps: bool,
    taken: Taken,
}

impl Model {
    fn new(windows: Windows, table: &SchemaRef, part: &str, emit_final: bool) -> Self {
        let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        let bounds = ["window_start", "window_end"].map(|n| Arc::new(Field::new(n, time.clone(), true)));
        let schema = Schema::new(table.fields().iter().cloned().chain(bounds).collect::<Vec<_>>());
        let sessions = match windows {
            Windows::Session { gap, by_key } => Some(Accepted::new(gap * SECOND, by_key, table.clone(), part)),
            _ => None,
        };
        let keeps = sessions.is_some() && !emit_final;
        Model { windows, sessions, keeps, taken: Taken::new(Arc::new(schema)) }
    }

    /// Takes in a table as it is at the end of an epoch, given its own watermark before, and the one that lets go of its windows.
    fn epoch(&mut self, rows: &RecordBatch, own: Option<i64>, watermark: Option<i64>) {
        let in_time = self.sessions.as_mut().map(|sessions| sessions.epoch(rows, own));
        let rows = in_time.as_ref().unwrap_or(rows);
        let ts = rows.schema().index_of("ts").unwrap();
        let times: Vec<Option<i64>> = rows.column(ts).as_primitive::<TimestampMicrosecondType>().iter().collect();
        let key = RowConverter::new(vec![SortField::new(rows.column(0).data_type().clone())]).unwrap();
        let keys = key.convert_columns(&rows.columns()[..1]).unwrap();
        let keys: Vec<Vec<u8>> = keys.iter().map(|k| k.as_ref().to_vec()).collect();
        let (mut picked, mut bounds) = (Vec::new(), Vec::new());
        for (row, windows) in self.windows.of(&times, &keys).into_iter().enumerate() {
            for window in windows {
                picked.push(row as u32);
                bounds.push(window);
            }
        }
        let repeated = take_record_batch(rows, &UInt32Array::from(picked)).unwrap();
        let bound =
            |f: fn((i64, i64)) -> i64| -> ArrayRef { Arc::new(bounds.iter().map(|b| b.map(f)).collect::<TimestampMicrosecondArray>()) };
        let columns: Vec<ArrayRef> = repeated.columns().iter().cloned().chain([bound(|b| b.0), bound(|b| b.1)]).collect();
        let ends = bounds.iter().map(|bounds| bounds.map(|b| b.1));
        self.taken.epoch(&columns, ends, |end| !self.keeps && watermark.is_some_and(|w| end <= w));
    }
}

/// A history run a statement an epoch: tables after each, and watermarks.
pub struct Steps {
    /// What each table's statements changed.
    pub answers: Vec<Answer>,
    /// How many statements have been run at the end of each epoch from 0.
    pub ends: Vec<u64>,
}

impl Steps {
    /// Runs a history.
    pub fn new(history: &History) -> Result<Self, Stopped> {
        let mut single = history.clone();
        single.epochs = history.epochs.iter().flatten().map(|change| vec![change.clone()]).collect();
        let answers = run_script(&format!("{}{}", single.script(false), tables_of(history)), &Feeds::new(), 1)?;
        let counts = history.epochs.iter().map(|epoch| epoch.len() as u64);
        let ends = counts.fold(vec![0], |mut ends, n| {
            ends.push(ends.last().copied().unwrap_or(0) + n);
            ends
        });
        Ok(Steps { answers, ends })
    }

    /// The watermark of a table at the end of an epoch.
    pub fn watermark(&self, table: usize, lateness: i64, epoch: usize) -> Option<i64> {
        let answer = &self.answers[table];
        let ts = answer.schema.index_of("ts").unwrap();
        let mut newest = None;
        for (_, updates) in answer.changes.iter().filter(|(statement, _)| *statement <= self.ends[epoch]) {
            let times = updates.rows.column(ts).as_primitive::<TimestampMicrosecondType>();
            let come = (0..times.len()).filter(|r| updates.diff(*r) > 0 && times.is_valid(*r)).map(|r| times.value(r)).max();
            newest = newest.max(come);
        }
        newest.map(|t| t - lateness * SECOND)
    }

    /// Whether no rows with a time have come to a table for so many epochs.
    pub fn is_idle(&self, table: usize, epochs: Option<u64>, epoch: usize) -> bool {
        let Some(epochs) = epochs else { return false };
        let comes = |e: &usize| {
            let within = |at: u64| at > self.ends[e - 1] && at <= self.ends[*e];
            let changes = self.answers[table].changes.iter().filter(|(at, _)| within(*at));
            let ts = self.answers[table].schema.index_of("ts").unwrap();
            changes.into_iter().any(|(_, u)| (0..u.rows.num_rows()).any(|r| u.diff(r) > 0 && u.rows.column(ts).is_valid(r)))
        };
        let last = (1..=epoch).rev().find(comes).unwrap_or(0);
        (epoch - last) as u64 >= epochs
    }
}

/// A history run a statement an epoch, and the answers of a script over it; else what becomes of the case.
pub fn steps_and_answers(history: &History, script: &str, workers: usize) -> Result<(Steps, Vec<Answer>), Verdict> {
    let steps = Steps::new(history).map_err(|stopped| Verdict::NoBatch(format!("history: {}", stopped.message)))?;
    match run_script(script, &Feeds::new(), workers) {
        Ok(answers) => Ok((steps, answers)),
        Err(stopped) if is_refusal(&stopped.message) => Err(Verdict::Refused(stopped.message)),
        Err(stopped) => Err(Verdict::Wrong(stopped.message)),
    }
}

/// A history that begins with an epoch in which nothing goes: from the start it shows that rows may go, or half of a script would
/// make for another plan.
pub fn beginning_idle(history: &History, tables: &[Table]) -> History {
    let mut history = history.clone();
    history.epochs.insert(0, tables.iter().map(|t| Change::Other(format!("DELETE FROM {} WHERE false", t.name))).collect());
    history
}

/// What becomes of a case.
pub fn check(case: &Case, history: &History, workers: usize) -> Verdict {
    let late = if case.unfiltered && !case.emit_final { "SELECT * FROM late_rows;\n" } else { "" };
    let script = format!("{}CREATE VIEW v AS {};\nSELECT * FROM v;\n{late}", history.script(false), case.engine_query());
    match steps_and_answers(history, &script, workers) {
        Ok((steps, answers)) => against_model(case, history, &steps, &answers),
        Err(verdict) => verdict,
    }
}

fn against_model(case: &Case, history: &History, steps: &Steps, answers: &[Answer]) -> Verdict {
    let place = |table: &Table| history.tables.iter().position(|t| t.name == table.name).unwrap();
    let model = |((t, w), part): (&(Table, Windows), &String)| Model::new(*w, &steps.answers[place(t)].schema, part, case.emit_final);
    let mut models: Vec<Model> = case.sources.iter().zip(&case.parts).map(model).collect();
    let query = case.text(|i| format!("m{i}"));
    let (mut view, mut passed) = (Lines::new(), None);
    let epochs = history.epochs.len();
    for epoch in 0..=epochs + 1 {
        answers[0].changes.iter().filter(|(e, _)| *e == epoch as u64).for_each(|(_, updates)| add(&mut view, updates));
        let mut closed = Vec::new();
        for (model, (table, _)) in models.iter_mut().zip(&case.sources).filter(|_| epoch <= epochs) {
            let (at, lateness) = (place(table), table.watermark.unwrap_or(0));
            let own = epoch.checked_sub(1).and_then(|e| steps.watermark(at, lateness, e));
            // While a table is idle what joins it with others closes by those alone, and lets go of its windows.
            let before = own.max(passed.filter(|_| case.sources.len() > 1));
            model.epoch(&state(&steps.answers[at].changes, steps.ends[epoch], &steps.answers[at].schema), own, before);
            if !steps.is_idle(at, table.idle, epoch) {
                closed.push(steps.watermark(at, lateness, epoch));
            }
        }
        // Tables that are idle hold nothing back; what has passed stays so.
        passed = passed.max(closed.into_iter().min().flatten());
        let tables: Vec<(String, RecordBatch)> = models.iter().enumerate().map(|(i, m)| (format!("m{i}"), m.taken.table())).collect();
        let expected = match batch(&query, &tables) {
            Ok(rows) if case.emit_final => ended(&rows, ("window_end", 0), passed, epoch > epochs),
            Ok(rows) => counted(&rows),
            Err(error) => return Verdict::BatchFails(error),
        };
        if view != expected {
            return Verdict::Wrong(format!("epoch {epoch}:\n{}", difference(&view, &expected)));
        }
    }
    let late = models[0].taken.late + models[0].sessions.as_ref().map_or(0, |sessions| sessions.late);
    match answers.get(1).map(told) {
        Some(told) if told != late => Verdict::Wrong(format!("{told} rows are told as late, but {late} are\n")),
        _ => Verdict::Clean,
    }
}
