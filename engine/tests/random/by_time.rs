//! Joins by time against their meaning: for each row of the left the nearest time of the right on one side of it, and of several rows of
//! that time the one whose columns come first, which the batch finds among all pairs that fit. Of tables with watermarks a small model
//! says what is late: a change is left out when its time is below the joint watermark of an earlier epoch.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use littoral_engine::sql::script::Answer;

use super::answers::{Lines, add, counted, difference, state};
use super::check::{Feeds, States, Verdict, batch, compare, run_script, states_of};
use super::dice::Dice;
use super::history::{History, Kind, Table};
use super::intervals::gone_on_with;
use super::taken::{Taken, ended, told};
use super::watermark::{Steps, beginning_idle, steps_and_answers};

const SECOND: i64 = 1_000_000;

/// A query over a join by time.
pub struct Case {
    tables: [Table; 2],
    engine: String,
    /// With `{0}` and `{1}` where its tables stand.
    batch: String,
    /// With EMIT FINAL: how long after it the column `w` ends.
    last: Option<i64>,
    /// Whether every change comes to the join, so that late rows can be counted.
    unfiltered: bool,
    /// Whether it is also stopped and gone on with.
    restored: bool,
}

/// Columns of each side that may be its key, by name.
fn keys(dice: &mut Dice, tables: &[Table; 2]) -> Option<(String, String)> {
    let [left, right] = tables;
    let fits = |a: &(String, Kind, String), b: &(String, Kind, String)| a.1 == b.1 && a.1 != Kind::Double && a.0 != "ts" && b.0 != "ts";
    let of =
        |a: &(String, Kind, String)| right.columns.iter().filter(|b| fits(a, b)).map(|b| (a.0.clone(), b.0.clone())).collect::<Vec<_>>();
    let pairs: Vec<(String, String)> = left.columns.iter().flat_map(of).collect();
    (!pairs.is_empty()).then(|| dice.pick(&pairs))
}

/// What must hold of a pair beside their times; and whether it leaves all rows to the join.
fn condition(dice: &mut Dice, (a, b): (&str, &str), other: &str) -> (String, bool) {
    let key = if dice.percent(25) { "IS NOT DISTINCT FROM" } else { "=" };
    let mut on = format!("a.{a} {key} b.{b}");
    if dice.percent(20) {
        on += " AND a.ts >= TIMESTAMP '2024-01-01 00:00:12'";
    }
    let filters = [(20, format!(" AND b.{other} IS NOT NULL")), (5, " AND 1 = 0".to_string())];
    let filters: String = filters.into_iter().filter(|(percent, _)| dice.percent(*percent)).map(|(_, filter)| filter).collect();
    (on + &filters, filters.is_empty())
}

/// How the times compare, as one may write it; where nothing is closed by them, as numbers of another type at times: they are whole
/// seconds, so that it says the same.
fn matching(dice: &mut Dice, op: &str, closes: bool) -> String {
    let number = if closes { None } else { dice.pick(&[None, None, None, Some("DOUBLE"), Some("DECIMAL(18, 2)"), Some("BIGINT")]) };
    let time = |side: &str| match number {
        Some(kind) => format!("CAST(date_part('epoch', {side}.ts) AS {kind})"),
        None => format!("{side}.ts"),
    };
    let turned = match op {
        ">=" => "<=",
        ">" => "<",
        "<=" => ">=",
        _ => ">",
    };
    let (of_left, of_right) = (time("a"), time("b"));
    if dice.percent(30) { format!("{of_right} {turned} {of_left}") } else { format!("{of_left} {op} {of_right}") }
}

/// What is selected of a join by time, and what the batch says for it.
struct Given {
    selected: String,
    of_pairs: String,
    /// Conditions and groups behind the join, and behind the batch's pairs.
    by: String,
    of_those: String,
    /// How long after it the column `w` ends.
    last: i64,
}

fn given(dice: &mut Dice, a: &str, other: &str, closes: bool) -> Given {
    let size = dice.between(2, 12);
    let (chosen, groups) = (dice.below(3), format!(" GROUP BY a.{a}, a.ts, b.ts, b.{other}"));
    if chosen == 0 && closes {
        let window = |side: &str| format!("date_bin(INTERVAL '{size}' SECOND, {side}ts)");
        return Given {
            selected: format!("{} AS w, count(*) AS n, count(b.ts) AS m, max(b.{other}) AS x", window("a.")),
            of_pairs: format!("{} AS w, sum(n) AS n, sum(CASE WHEN t IS NULL THEN 0 ELSE n END) AS m, max(x) AS x", window("p.")),
            by: format!(" GROUP BY {}", window("a.")),
            of_those: format!(" GROUP BY {}", window("p.")),
            last: size * SECOND,
        };
    }
    let found = if chosen == 1 { Some(dice.of(&["b.ts IS NOT NULL", "b.ts IS NULL"])) } else { None };
    Given {
        selected: format!("a.ts AS w, a.{a} AS k, b.ts AS t, b.{other} AS x, count(*) AS n"),
        of_pairs: "ts AS w, k, t, x, n".into(),
        by: found.map_or(String::new(), |found| format!(" WHERE {found}")) + &groups,
        of_those: found.map_or(String::new(), |found| format!(" WHERE {}", found.replace("b.ts", "t"))),
        last: 1,
    }
}

/// A random join by time of a history's tables; none when no two columns go together.
pub fn random_case(seed: u64, history: &History) -> Option<Case> {
    let mut dice = Dice::new(seed, 4);
    let dice = &mut dice;
    let tables = [dice.pick(&history.tables), dice.pick(&history.tables)];
    let (a, b) = keys(dice, &tables)?;
    let [left, right] = &tables;
    let is_other = |c: &&(String, Kind, String)| c.0 != b && c.0 != "ts" && c.1 != Kind::Double;
    let others: Vec<String> = right.columns.iter().filter(is_other).map(|c| c.0.clone()).collect();
    let other = if others.is_empty() { b.clone() } else { dice.pick(&others) };
    let closes = tables.iter().all(|table| table.watermark.is_some());
    let versions = closes && right.key == 0 && dice.percent(30);
    let op = if versions { ">=" } else { dice.pick(&[">=", ">=", ">", "<=", "<"]) };
    let inner = versions && dice.percent(50);
    let (on, unfiltered) = condition(dice, (&a, &b), &other);
    let matches = matching(dice, op, closes);
    let joined = match (versions, inner) {
        (false, _) => format!("{} AS a ASOF JOIN {} AS b MATCH_CONDITION ({matches}) ON {on}", left.name, right.name),
        (true, inner) => {
            let kind = if inner { "" } else { "LEFT " };
            format!("{} AS a {kind}JOIN {} FOR SYSTEM_TIME AS OF a.ts AS b ON {on}", left.name, right.name)
        }
    };
    let newest = op.starts_with('>');
    let once = closes && newest && dice.percent(40);
    let Given { selected, of_pairs, by, of_those, last } = given(dice, &a, &other, closes && newest);
    let order = if newest { "DESC" } else { "ASC" };
    let columns: Vec<String> = right.columns.iter().map(|c| format!("b.{} ASC NULLS FIRST", c.0)).collect();
    let place = format!("row_number() OVER (PARTITION BY a.{a}, a.ts ORDER BY b.ts {order} NULLS LAST, {})", columns.join(", "));
    let pairs = format!(
        "SELECT a.{a} AS k, a.ts, a.n, b.ts AS t, b.{other} AS x, {place} AS place \
         FROM (SELECT {a}, ts, count(*) AS n FROM {{0}} GROUP BY {a}, ts) AS a \
         {} JOIN {{1}} AS b ON {on} AND a.ts {op} b.ts",
        if inner { "" } else { "LEFT" }
    );
    let engine = format!("SELECT {selected} FROM {joined}{by}{}", if once { " EMIT FINAL" } else { "" });
    let batch = format!("SELECT {of_pairs} FROM (SELECT k, ts, n, t, x FROM ({pairs}) AS p WHERE place = 1) AS p{of_those}");
    Some(Case { tables, engine, batch, last: once.then_some(last), unfiltered, restored: closes && dice.percent(30) })
}

impl Case {
    /// The query as it is given to the engine.
    pub fn engine_query(&self) -> String {
        self.engine.clone()
    }

    fn batch_query(&self, names: [&str; 2]) -> String {
        self.batch.replace("{0}", names[0]).replace("{1}", names[1])
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
    let [left, right] = &case.tables;
    match run_script(&format!("{}{};\n", history.script(false), case.engine), &Feeds::new(), workers) {
        Ok(answers) => compare(&answers[0], &case.batch_query([&left.name, &right.name]), &states),
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
    let places = case.tables.each_ref().map(|table| history.tables.iter().position(|t| t.name == table.name).unwrap());
    let mut sides = places.map(|at| Taken::new(steps.answers[at].schema.clone()));
    let query = case.batch_query(["m0", "m1"]);
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
