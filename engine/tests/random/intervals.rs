//! Joins of tables with watermarks whose condition bounds how far apart the times of their sides are, against a small model of what
//! is late: a change is left out when the other side's rows are let go of and its time is below the watermark of an earlier epoch
//! (where the condition is a key, its own time and that of its partners), and the batch joins what is left. Also with windows over what they give, which close so much later as partners may be.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use littoral_engine::sql::script::Answer;

use super::answers::{Lines, add, counted, difference, state};
use super::check::{Feeds, Verdict, batch, run_restored};
use super::dice::Dice;
use super::expression::{Column, Expressions};
use super::history::{History, Kind, Table};
use super::taken::{Taken, ended, told};
use super::watermark::{Steps, beginning_idle, steps_and_answers};

const MILLI: i64 = 1_000;
const SECOND: i64 = 1_000_000;

/// Which rows a join gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
    Mark,
}

/// A query over a join.
pub struct Case {
    tables: [Table; 2],
    /// Bounds of `a.ts - b.ts` in microseconds.
    least: Option<i64>,
    greatest: Option<i64>,
    /// Whether the bounds are one, and a key: rows then stay until the watermark passes the later of both times.
    keyed: bool,
    /// The query with `{0}` and `{1}` where its tables stand.
    query: String,
    /// With EMIT FINAL: the side whose time closes the column `w`, and how long after it the column ends.
    last: Option<(usize, i64)>,
    /// Whether every change comes to the join, so that late rows can be counted.
    unfiltered: bool,
    /// Whether it is also stopped and gone on with.
    restored: bool,
}

fn interval(micros: i64) -> String {
    if micros % SECOND == 0 {
        format!("INTERVAL '{}' SECOND", micros / SECOND)
    } else {
        format!("INTERVAL '{} milliseconds'", micros / MILLI)
    }
}

/// `a.ts - b.ts` compared with a length, as one may write it.
fn compared(dice: &mut Dice, greater: bool, strict: bool, bound: i64) -> String {
    let (op, turned) = match (greater, strict) {
        (true, false) => (">=", "<="),
        (true, true) => (">", "<"),
        (false, false) => ("<=", ">="),
        (false, true) => ("<", ">"),
    };
    let (by, back, more) = (interval(bound), interval(-bound), dice.between(1, 9) * SECOND);
    match dice.below(9) {
        0 => format!("a.ts {op} b.ts + {by}"),
        1 => format!("a.ts {op} b.ts - {back}"),
        2 => format!("b.ts {turned} a.ts - {by}"),
        3 => format!("a.ts - b.ts {op} {by}"),
        4 => format!("{by} {turned} a.ts - b.ts"),
        5 => format!("b.ts - a.ts {turned} {back}"),
        6 => format!("{by} + b.ts {turned} a.ts"),
        7 => format!("a.ts - {} {op} b.ts - {}", interval(more), interval(more - bound)),
        _ => format!("CAST(a.ts AS TIMESTAMP(9)) {op} {by} + b.ts"),
    }
}

/// `a.ts - b.ts` equal to a length, so that it becomes a key.
fn equal(dice: &mut Dice, bound: i64) -> String {
    let (by, back) = (interval(bound), interval(-bound));
    match dice.below(4) {
        0 => format!("a.ts = b.ts + {by}"),
        1 => format!("b.ts + {by} = a.ts"),
        2 => format!("a.ts + {back} = b.ts"),
        _ => format!("a.ts - {} = b.ts - {}", interval(bound + SECOND), interval(SECOND)),
    }
}

/// Bounds of `a.ts - b.ts`, and conditions that say them.
struct Bounds {
    least: Option<i64>,
    greatest: Option<i64>,
    keyed: bool,
    conditions: Vec<String>,
}

fn bounds(dice: &mut Dice) -> Bounds {
    let mut bound = || if dice.percent(25) { 500 * MILLI * dice.between(-30, 30) } else { SECOND * dice.between(-12, 12) };
    let (one, other) = (bound(), bound());
    let (mut least, mut greatest) = (Some(one.min(other)), Some(one.max(other) + if one == other { SECOND } else { 0 }));
    match dice.below(8) {
        0 => least = None,
        1 => greatest = None,
        _ => {}
    }
    let keyed = dice.percent(15);
    let mut conditions = Vec::new();
    if keyed {
        (least, greatest) = (Some(one), Some(one));
        conditions.push(equal(dice, one));
    } else if let (Some(least), Some(greatest)) = (least, greatest)
        && dice.percent(40)
    {
        conditions.push(format!("a.ts BETWEEN b.ts + {} AND b.ts + {}", interval(least), interval(greatest)));
    } else {
        let strict = [dice.percent(30), dice.percent(30)];
        conditions.extend(least.map(|bound| compared(dice, true, strict[0], bound)));
        conditions.extend(greatest.map(|bound| compared(dice, false, strict[1], bound)));
    }
    Bounds { least, greatest, keyed, conditions }
}

/// A random join of a history's tables.
pub fn random_case(seed: u64, history: &History) -> Case {
    let mut dice = Dice::new(seed, 5);
    let dice = &mut dice;
    let tables = [dice.pick(&history.tables), dice.pick(&history.tables)];
    let Bounds { least, greatest, keyed, mut conditions } = bounds(dice);
    let [left, right] = &tables;
    let own = |table: &Table, name: &str| -> Vec<Column> {
        table.columns.iter().map(|(column, kind, _)| Column { name: format!("{name}.{column}"), kind: *kind }).collect()
    };
    let (of_left, of_right) = (own(left, "a"), own(right, "b"));
    let alike = |l: &Column, r: &Column| l.kind == r.kind && l.kind != Kind::Double && !l.name.ends_with(".ts") && !r.name.ends_with(".ts");
    let pairs: Vec<String> = of_left
        .iter()
        .flat_map(|l| of_right.iter().filter(|r| alike(l, r)).map(|r| format!("{} = {}", l.name, r.name)).collect::<Vec<_>>())
        .collect();
    if !pairs.is_empty() && dice.percent(60) {
        conditions.insert(dice.below(2), dice.pick(&pairs));
    }
    let filtered = dice.percent(20);
    if filtered {
        let both: Vec<Column> = of_left.iter().chain(&of_right).cloned().collect();
        // Never false for all pairs, which would leave no join behind, and nothing would be late; and no bound, whatever `any` comes to.
        let any = Expressions { dice, columns: &both, outer: &[] }.of(Kind::Bool, 1);
        conditions.push(format!("({any} OR a.ts <> b.ts)"));
    }
    let kind = dice.pick(&[Join::Inner, Join::Inner, Join::Left, Join::Left, Join::Right, Join::Full, Join::Semi, Join::Anti, Join::Mark]);
    let plain = |columns: &[Column]| columns.iter().take(2).map(|c| c.name.clone()).collect::<Vec<_>>();
    let Given { selected, grouping, last } =
        given(dice, kind, (&plain(&of_left), &plain(&of_right)), least.is_some() && greatest.is_some());
    let on = conditions.join(" AND ");
    let query = match kind {
        Join::Semi => format!("SELECT {selected} FROM {{0}} AS a WHERE EXISTS (SELECT 1 FROM {{1}} AS b WHERE {on})"),
        Join::Anti => format!("SELECT {selected} FROM {{0}} AS a WHERE NOT EXISTS (SELECT 1 FROM {{1}} AS b WHERE {on})"),
        Join::Mark => {
            let or = if dice.percent(50) { "a.ts IS NULL" } else { "a.ts > TIMESTAMP '2024-01-01 00:00:12'" };
            format!("SELECT {selected} FROM {{0}} AS a WHERE {or} OR EXISTS (SELECT 1 FROM {{1}} AS b WHERE {on})")
        }
        pairs => {
            let word = match pairs {
                Join::Left => "LEFT",
                Join::Right => "RIGHT",
                Join::Full => "FULL",
                _ => "INNER",
            };
            format!("SELECT {selected} FROM {{0}} AS a {word} JOIN {{1}} AS b ON {on}")
        }
    };
    let query = format!("{query}{grouping}");
    Case { tables, least, greatest, keyed, query, last, unfiltered: !filtered, restored: dice.percent(30) }
}

/// What is selected, with a grouping by windows at times; and what closes it where it is given once only.
struct Given {
    selected: String,
    grouping: String,
    last: Option<(usize, i64)>,
}

fn given(dice: &mut Dice, kind: Join, (left, right): (&[String], &[String]), closes: bool) -> Given {
    let of_left = matches!(kind, Join::Semi | Join::Anti | Join::Mark);
    let side = match kind {
        Join::Inner | Join::Full => dice.below(2),
        Join::Right => 1,
        _ => 0,
    };
    let time = ["a.ts", "b.ts"][side];
    let own = if side == 0 { left } else { right };
    let once = closes && kind != Join::Full && dice.percent(50);
    match dice.below(2) {
        0 if closes => {
            let size = dice.between(2, 12);
            let window = format!("date_bin(INTERVAL '{size}' SECOND, {time})");
            let selected = format!("{window} AS w, count(*) AS n, count({}) AS m", own[0]);
            Given { selected, grouping: format!(" GROUP BY {window}"), last: once.then_some((side, size * SECOND)) }
        }
        _ => {
            let mut columns = left.to_vec();
            if !of_left {
                columns.extend_from_slice(right);
                columns.push(if side == 0 { "b.ts" } else { "a.ts" }.into());
            }
            let named: String = columns.iter().enumerate().map(|(i, c)| format!(", {c} AS c{i}")).collect();
            Given { selected: format!("{time} AS w{named}"), grouping: String::new(), last: once.then_some((side, 1)) }
        }
    }
}

impl Case {
    fn text(&self, names: [&str; 2]) -> String {
        self.query.replace("{0}", names[0]).replace("{1}", names[1])
    }

    /// The query as it is given to the engine.
    pub fn engine_query(&self) -> String {
        let [left, right] = &self.tables;
        let text = self.text([&left.name, &right.name]);
        if self.last.is_some() { text + " EMIT FINAL" } else { text }
    }

    fn script(&self, history: &History) -> String {
        let late = if self.unfiltered { "SELECT * FROM late_rows;\n" } else { "" };
        format!("{}CREATE VIEW v AS {};\nSELECT * FROM v;\n{late}", history.script(false), self.engine_query())
    }

    /// How far what a side's time closes is behind the watermark.
    fn delay(&self, side: usize) -> i64 {
        if side == 0 { self.least.map_or(0, |l| -l).max(0) } else { self.greatest.unwrap_or(0).max(0) }
    }
}

/// What becomes of a case.
pub fn check(case: &Case, history: &History, workers: usize) -> Verdict {
    match case.restored {
        true => check_whole(case, &beginning_idle(history, &case.tables), workers),
        false => check_whole(case, history, workers),
    }
}

fn check_whole(case: &Case, history: &History, workers: usize) -> Verdict {
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
pub fn gone_on_with(script: impl Fn(&History) -> String, history: &History, whole: &[Answer], workers: usize) -> Verdict {
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
    let places = case.tables.each_ref().map(|table| history.tables.iter().position(|t| t.name == table.name).unwrap());
    let mut sides = places.map(|at| Taken::new(steps.answers[at].schema.clone()));
    let query = case.text(["m0", "m1"]);
    let (mut view, mut passed) = (Lines::new(), None);
    let epochs = history.epochs.len();
    for epoch in 0..=epochs + 1 {
        answers[0].changes.iter().filter(|(e, _)| *e == epoch as u64).for_each(|(_, updates)| add(&mut view, updates));
        let mut marks = Vec::new();
        for (at, side) in sides.iter_mut().enumerate().filter(|_| epoch <= epochs) {
            let (place, table) = (places[at], &case.tables[at]);
            // With one bound alone all rows stay, and none is late.
            let lets_go = case.least.is_some() && case.greatest.is_some();
            let answer = &steps.answers[place];
            let later = if case.keyed { case.delay(at) } else { 0 };
            let before = passed.filter(|_| lets_go).map(|w| w - later);
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
            (Ok(rows), Some((side, after))) => ended(&rows, ("w", after), passed.map(|w| w - case.delay(side)), epoch > epochs),
            (Ok(rows), None) => counted(&rows),
            (Err(error), _) => return Verdict::BatchFails(error),
        };
        if view != expected {
            return Verdict::Wrong(format!("epoch {epoch}:\n{}", difference(&view, &expected)));
        }
    }
    let late: i64 = sides.iter().map(|side| side.late).sum();
    match answers.get(1).map(told) {
        Some(told) if told != late => Verdict::Wrong(format!("{told} rows are told as late, but {late} are\n")),
        _ => Verdict::Clean,
    }
}
