//! Windows and joins by time over what is not a table: joins without bounds, OVER, DISTINCT ON, first rows, groups, unions, and
//! views of views of them. No row comes too late here, so at every change the answer is the batch's. With EMIT FINAL a row is given as
//! it is when the watermark closes it, and what happens to it later is left out.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use littoral_engine::sql::script::Answer;

use super::answers::{Lines, add, counted, difference, state};
use super::check::{Feeds, Verdict, batch, run_restored};
use super::dice::Dice;
use super::history::{Change, History, Kind, Table, change, literal_time};
use super::taken::{ended, told};
use super::watermark::{Steps, beginning_idle, steps_and_answers};

const SECOND: i64 = 1_000_000;

/// A query over relations, and how a watermark closes it.
pub struct Case {
    views: String,
    query: String,
    emit_final: bool,
    /// The column that closes a row, and how long after it the row ends.
    column: &'static str,
    after: i64,
    /// Tables whose watermarks count, and how far the relation is behind those.
    tables: BTreeSet<&'static str>,
    delay: i64,
    /// Whether it is also stopped and gone on with.
    restored: bool,
}

/// Tables with what happens to them: rows of `t0` and `t1` come and change before a watermark has passed them, those of `t2` have no time.
pub fn in_time(seed: u64) -> History {
    let mut dice = Dice::new(seed, 10);
    let dice = &mut dice;
    let columns = [("k", Kind::Int), ("v", Kind::Big), ("ts", Kind::Time)];
    let mut tables: Vec<Table> = [("t0", 3), ("t1", 3), ("t2", 2)].iter().map(|(name, n)| Table::of(dice, name, &columns[..*n])).collect();
    tables[..2].iter_mut().for_each(|t| t.watermark = Some(dice.pick(&[0, 1, 5, 20])));
    let mut clock = 1_704_067_200;
    // The newest time of each table.
    let mut newest = [clock - 30; 2];
    let mut epochs = Vec::new();
    for epoch in 0..3 + dice.below(5) {
        clock += dice.between(0, 9);
        let open = [0, 1].map(|at: usize| newest[at] - tables[at].watermark.unwrap_or(0));
        let mut changes = Vec::new();
        for _ in 0..1 + dice.below(3) {
            changes.push(match dice.below(5) {
                0 => change(dice, &tables[2..], epoch, clock),
                n => of_stream(dice, n % 2, open, clock, &mut newest),
            });
        }
        epochs.push(changes);
    }
    History { tables, epochs }
}

/// Rows of a table that a watermark has not passed come, or change.
fn of_stream(dice: &mut Dice, at: usize, open: [i64; 2], clock: i64, newest: &mut [i64; 2]) -> Change {
    let (name, from) = (["t0", "t1"][at], literal_time(open[at]));
    match dice.below(10) {
        0 => Change::Other(format!("DELETE FROM {name} WHERE ts >= {from} AND v = {}", dice.between(0, 2))),
        1 => Change::Other(format!("UPDATE {name} SET v = v + 1 WHERE ts >= {from} AND k = {}", dice.between(0, 2))),
        _ => {
            let mut row = || {
                let seconds = dice.between(open[at], open[at].max(clock) + 4).max(open[at].max(clock - 12));
                newest[at] = newest[at].max(seconds);
                let ts = if dice.percent(4) { "NULL".to_string() } else { literal_time(seconds) };
                let mut number = |most: i64| if dice.percent(8) { "NULL".to_string() } else { dice.between(0, most).to_string() };
                format!("({}, {}, {ts})", number(3), number(4))
            };
            Change::Insert(name.to_string(), (0..1 + clock as usize % 4).map(|_| row()).collect())
        }
    }
}

/// A relation with columns k, v and ts, and how a watermark closes ts.
struct Relation {
    text: String,
    tables: BTreeSet<&'static str>,
    delay: i64,
    /// Whether its rows may still change then.
    loose: bool,
}

/// Makes relations.
struct Maker<'a> {
    dice: &'a mut Dice,
    views: String,
    names: usize,
}

/// A random query over relations.
pub fn random_case(seed: u64) -> Case {
    let mut dice = Dice::new(seed, 11);
    let (emit_final, restored, depth) = (dice.percent(50), dice.percent(30), 1 + dice.below(3));
    let (a, b) = (dice.between(2, 9), dice.between(1, 4));
    let (which, by_key) = (dice.below(6), if dice.percent(40) { ", k" } else { "" });
    let mut maker = Maker { dice: &mut dice, views: String::new(), names: 0 };
    let of = maker.relation(depth);
    let view = maker.view(&of.text);
    let windows = match which {
        0 => Some(format!("tumble({view}, ts, INTERVAL '{a}' SECOND)")),
        1 => Some(format!("hop({view}, ts, INTERVAL '{a}' SECOND, INTERVAL '{}' SECOND)", a + b)),
        2 => Some(format!("session({view}, ts, INTERVAL '{a}' SECOND)")),
        _ => None,
    };
    let (query, column, after) = match (windows, which) {
        (Some(windows), _) => (
            format!(
                "SELECT window_start, window_end{by_key}, count(*) AS n, sum(v) AS s FROM {windows} GROUP BY window_start, window_end{by_key}"
            ),
            "window_end",
            0,
        ),
        (None, 3) => {
            let (bin, after) = match b {
                1 => ("date_trunc('minute', ts)".to_string(), 60 * SECOND),
                _ => (format!("date_bin(INTERVAL '{a}' SECOND, ts)"), a * SECOND),
            };
            (format!("SELECT {bin} AS w{by_key}, count(*) AS n, max(v) AS m FROM {view} GROUP BY {bin}{by_key}"), "w", after)
        }
        _ => (format!("SELECT ts AS w, k, v FROM {view}"), "w", 1),
    };
    Case { views: maker.views, query, emit_final, column, after, tables: of.tables, delay: of.delay, restored }
}

/// A value of both sides of a join, or rules might leave one out, and with it what its watermark says.
const OF_BOTH: &str = "coalesce(x.v + y.v, x.v, y.v)";

impl Maker<'_> {
    fn view(&mut self, text: &str) -> String {
        self.names += 1;
        let name = format!("d{}", self.names);
        self.views += &format!("CREATE VIEW {name} AS SELECT k, v, ts FROM {text};\n");
        name
    }

    fn relation(&mut self, depth: usize) -> Relation {
        if depth == 0 {
            let table = self.dice.of(&["t0", "t1"]);
            let tables = BTreeSet::from([if table == "t0" { "t0" } else { "t1" }]);
            return Relation { text: table.to_string(), tables, delay: 0, loose: false };
        }
        let x = self.relation(depth - 1);
        let made = match self.dice.below(7) {
            0 | 1 => self.joined(x, depth),
            2 => self.within(x, depth),
            3 => {
                let y = self.relation(depth - 1);
                let all = self.dice.of(&["ALL", "ALL", ""]);
                let text = format!("SELECT k, v, ts FROM {} UNION {all} SELECT k, v, ts FROM {}", x.text, y.text);
                both(text, x, y)
            }
            _ => self.chosen(x),
        };
        let text = match self.dice.percent(40) {
            true => self.view(&format!("({}) AS q", made.text)),
            false => format!("({})", made.text),
        };
        Relation { text, ..made }
    }

    /// Rows of one relation by others of it.
    fn chosen(&mut self, x: Relation) -> Relation {
        let (n, of) = (1 + self.dice.below(3), &x.text);
        let (text, loose) = match self.dice.below(10) {
            0 => (format!("SELECT k, v, ts FROM {of} WHERE {}", self.dice.of(&["v > 0", "k IS NOT NULL", "v % 2 = 0"])), false),
            1 => (format!("SELECT k, max(v) AS v, ts FROM {of} GROUP BY k, ts"), false),
            2 => (format!("SELECT DISTINCT k, v, ts FROM {of}"), false),
            3 => (format!("SELECT k, count(v) OVER (PARTITION BY ts) AS v, ts FROM {of}"), false),
            4 => (format!("SELECT k, count(v) OVER (PARTITION BY k) AS v, ts FROM {of}"), true),
            // Its order begins with the time, and nothing looks ahead.
            5 => (format!("SELECT k, sum(v) OVER (PARTITION BY k ORDER BY ts, v) AS v, ts FROM {of}"), false),
            6 => (format!("SELECT DISTINCT ON (k) k, v, ts FROM {of} ORDER BY k, ts DESC, v"), true),
            7 => (format!("SELECT k, v, ts FROM {of} ORDER BY ts DESC, k, v LIMIT {n}"), true),
            8 => (format!("SELECT k, v, ts FROM {of} AS x WHERE NOT EXISTS (SELECT 1 FROM t2 AS d WHERE d.k = x.k)"), true),
            _ => {
                let number = "row_number() OVER (PARTITION BY k ORDER BY ts DESC, v) AS rn";
                (format!("SELECT k, v, ts FROM (SELECT k, v, ts, {number} FROM {of}) WHERE rn <= {n}"), true)
            }
        };
        Relation { text, loose: x.loose || loose, ..x }
    }

    /// A join whose rows meet whenever they come.
    fn joined(&mut self, x: Relation, depth: usize) -> Relation {
        let kind = self.dice.of(&["JOIN", "LEFT JOIN"]);
        if self.dice.percent(50) {
            let text = format!("SELECT x.k, coalesce(x.v + d.v, x.v) AS v, x.ts FROM {} AS x {kind} t2 AS d ON x.k = d.k", x.text);
            return Relation { text, loose: true, ..x };
        }
        let y = self.relation(depth - 1);
        let (kind, [k, ts]) = self.columns(kind);
        let text = format!("SELECT {k} AS k, {OF_BOTH} AS v, {ts} AS ts FROM {} AS x {kind} {} AS y ON x.k = y.k", x.text, y.text);
        Relation { loose: true, ..both(text, x, y) }
    }

    /// A join whose rows meet when their times are not far apart.
    fn within(&mut self, x: Relation, depth: usize) -> Relation {
        let y = self.relation(depth - 1);
        let kind = self.dice.of(&["JOIN", "LEFT JOIN"]);
        let (kind, [k, ts]) = self.columns(kind);
        let least = self.dice.between(-10, 10);
        let most = least + self.dice.between(1, 10);
        let key = self.dice.of(&["x.k = y.k AND ", ""]);
        let text = format!(
            "SELECT {k} AS k, {OF_BOTH} AS v, {ts} AS ts FROM {} AS x {kind} {} AS y ON {key}y.ts BETWEEN x.ts + INTERVAL '{least}' SECOND AND x.ts + INTERVAL '{most}' SECOND",
            x.text, y.text
        );
        let made = both(text, x, y);
        // Partners of a row may be so much later, which counts where the join lets go of rows.
        let later = if kind == "FULL JOIN" { most.max(-least) } else { most };
        Relation { delay: made.delay + if made.loose { 0 } else { later.max(0) * SECOND }, ..made }
    }

    /// A kind of join, at times FULL, and the key and time of what it gives.
    fn columns(&mut self, kind: &'static str) -> (&'static str, [&'static str; 2]) {
        match self.dice.percent(30) {
            true => ("FULL JOIN", ["coalesce(x.k, y.k)", "coalesce(x.ts, y.ts)"]),
            false => (kind, ["x.k", "x.ts"]),
        }
    }
}

fn both(text: String, x: Relation, y: Relation) -> Relation {
    Relation { text, tables: &x.tables | &y.tables, delay: x.delay.max(y.delay), loose: x.loose || y.loose }
}

impl Case {
    /// The query as it is given to the engine, with its views.
    pub fn engine_query(&self) -> String {
        format!("{}{}{}", self.views, self.query, if self.emit_final { " EMIT FINAL" } else { "" })
    }

    fn script(&self, history: &History) -> String {
        let last = if self.emit_final { " EMIT FINAL" } else { "" };
        format!(
            "{}{}CREATE VIEW v AS {}{last};\nSELECT * FROM v;\nSELECT * FROM late_rows;\n",
            history.script(false),
            self.views,
            self.query
        )
    }
}

/// What becomes of a case.
pub fn check(case: &Case, history: &History, workers: usize) -> Verdict {
    match case.restored {
        true => check_whole(case, &beginning_idle(history, &history.tables), workers),
        false => check_whole(case, history, workers),
    }
}

fn check_whole(case: &Case, history: &History, workers: usize) -> Verdict {
    let (steps, answers) = match steps_and_answers(history, &case.script(history), workers) {
        Ok(both) => both,
        Err(verdict) => return verdict,
    };
    match against_batch(case, history, &steps, &answers) {
        Verdict::Clean if case.restored => gone_on_with(case, history, &answers[0], workers),
        verdict => verdict,
    }
}

fn against_batch(case: &Case, history: &History, steps: &Steps, answers: &[Answer]) -> Verdict {
    let (mut view, mut given, mut passed) = (Lines::new(), Lines::new(), None);
    let epochs = history.epochs.len();
    for epoch in 0..=epochs + 1 {
        answers[0].changes.iter().filter(|(e, _)| *e == epoch as u64).for_each(|(_, updates)| add(&mut view, updates));
        let end = steps.ends[epoch.min(epochs)];
        let named = history.tables.iter().zip(&steps.answers);
        let tables: Vec<(String, RecordBatch)> = named.map(|(t, a)| (t.name.clone(), state(&a.changes, end, &a.schema))).collect();
        let rows = match batch(&format!("{}{}", case.views, case.query), &tables) {
            Ok(rows) => rows,
            Err(error) => return Verdict::BatchFails(error),
        };
        let of_case = history.tables.iter().enumerate().filter(|(_, t)| case.tables.contains(t.name.as_str()));
        let marks = of_case.map(|(at, t)| steps.watermark(at, t.watermark.unwrap_or(0), epoch.min(epochs)));
        let before = passed;
        passed = passed.max(marks.min().flatten().map(|mark| mark - case.delay));
        if case.emit_final {
            for (line, count) in ended(&rows, (case.column, case.after), passed, epoch > epochs) {
                *given.entry(line).or_default() += count;
            }
            for (line, count) in ended(&rows, (case.column, case.after), before, false) {
                *given.entry(line).or_default() -= count;
            }
            given.retain(|_, count| *count != 0);
        } else {
            given = counted(&rows);
        }
        if view != given {
            return Verdict::Wrong(format!("epoch {epoch}:\n{}", difference(&view, &given)));
        }
    }
    match told(&answers[1]) {
        late if !case.emit_final && late != 0 => Verdict::Wrong(format!("{late} rows are told as late, and none is\n")),
        _ => Verdict::Clean,
    }
}

/// Stops half way, and goes on with another number of workers.
fn gone_on_with(case: &Case, history: &History, whole: &Answer, workers: usize) -> Verdict {
    let half = History { epochs: history.epochs[..history.epochs.len().div_ceil(2)].to_vec(), ..history.clone() };
    let (short, long) = (case.script(&half), case.script(history));
    match run_restored((&short, Feeds::new()), (&long, Feeds::new()), (workers, 1 + workers % 4), false) {
        Err(stopped) => Verdict::Wrong(format!("snapshot or restore: {}", stopped.message)),
        Ok(resumed) => match (counted(&resumed[0].rows), counted(&whole.rows)) {
            (resumed, whole) if resumed != whole => Verdict::Wrong(format!("restored:\n{}", difference(&resumed, &whole))),
            _ => Verdict::Clean,
        },
    }
}
