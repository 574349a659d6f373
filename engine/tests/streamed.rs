//! Tables that stay in their file give what tables give whose rows are held: the same rows, changes epoch by epoch, errors and
//! late rows, however the file is cut into blocks and epochs, with any number of workers, and across a snapshot.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::util::pretty::pretty_format_batches;
use littoral_engine::sql::script::{Answer, Every, RestoreOptions, ScriptError, ScriptOptions, SnapshotOptions, run};
use parquet::arrow::ArrowWriter;

#[path = "random/dice.rs"]
#[allow(dead_code)]
mod dice;

use dice::Dice;

/// Columns of all tables. Times jitter by a few seconds; some are far ahead, some are not there.
const COLUMNS: &str = "k BIGINT, ts TIMESTAMP, v BIGINT, t VARCHAR, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND";

/// Queries that end a script; the tables are `a` and `b`.
const QUERIES: [&str; 10] = [
    "SELECT k, tumble_start(ts, INTERVAL '5' SECOND) AS w, count(*) AS n, sum(v) AS s, max(v) AS m FROM a GROUP BY k, tumble_start(ts, INTERVAL '5' SECOND) EMIT FINAL",
    "SELECT k, tumble_start(ts, INTERVAL '5' SECOND) AS w, count(*) AS n, min(t) AS m FROM a GROUP BY k, tumble_start(ts, INTERVAL '5' SECOND)",
    "SELECT window_start, count(*) AS n FROM hop(a, ts, INTERVAL '2' SECOND, INTERVAL '6' SECOND) GROUP BY window_start EMIT FINAL",
    "SELECT v, t FROM a WHERE k > 2",
    "SELECT a.k, a.v, b.t FROM a JOIN b ON a.k = b.k AND a.v = b.v",
    "SELECT a.k, b.t FROM a LEFT JOIN b ON a.v = b.v AND b.k = 1",
    "SELECT DISTINCT k FROM a UNION ALL SELECT count(*) FROM b",
    "SELECT k, v / (v - 3) AS q FROM a",
    "SELECT view, count(*) AS n FROM late_rows GROUP BY view",
    "SELECT k, v, ts FROM (SELECT k, v, ts, row_number() OVER (PARTITION BY k ORDER BY ts, v) AS r FROM a) WHERE r <= 2",
];
/// A view that has late rows.
const LATE: &str = "CREATE VIEW w AS SELECT k, tumble_end(ts, INTERVAL '3' SECOND) AS e, count(*) AS n FROM a GROUP BY k, tumble_end(ts, INTERVAL '3' SECOND);";

/// Values of the columns; the time in milliseconds.
type Row = (i64, Option<i64>, Option<i64>, String);

fn row(dice: &mut Dice, number: usize) -> Row {
    let far = if dice.percent(2) { 60_000 } else { 0 };
    let ms = number as i64 * 300 + dice.between(-4_000, 0) + far;
    let ts = (!dice.percent(3)).then_some(ms);
    // An end of a line within a text looks like the end of a row here and there.
    let text = if dice.percent(10) { "}\n{".into() } else { format!("text \"{}\"\n{}", dice.below(4), dice.below(3)) };
    (dice.between(0, 5), ts, (!dice.percent(5)).then(|| dice.between(0, 9)), text)
}

fn time(ms: i64) -> String {
    let (s, ms) = (ms.div_euclid(1000) + 3_600, ms.rem_euclid(1000));
    format!("2024-01-01T{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

/// Writes some rows as Parquet, the columns in the table's order or in another; the file's name.
fn write_parquet(folder: &Path, name: &str, order: &[&str], rows: &[Row]) -> String {
    let column = |name: &str| -> ArrayRef {
        match name {
            "k" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0))),
            // As `time` writes it.
            "ts" => Arc::new(
                rows.iter().map(|r| r.1.map(|ms| (ms + 1_704_067_200_000 + 3_600_000) * 1_000)).collect::<TimestampMicrosecondArray>(),
            ),
            "v" => Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>()),
            _ => Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.3))),
        }
    };
    let batch = RecordBatch::try_from_iter_with_nullable(order.iter().map(|name| (*name, column(name), true))).unwrap();
    let path = folder.join(format!("{name}.parquet"));
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path.display().to_string()
}

/// Writes some rows in a format; the file's name.
fn write(folder: &Path, name: &str, format: &str, rows: &[Row]) -> String {
    match format {
        "parquet" => return write_parquet(folder, name, &["k", "ts", "v", "t"], rows),
        "parquet in another order" => return write_parquet(folder, name, &["t", "v", "k", "ts"], rows),
        _ => {}
    }
    let mut text = if format == "csv" { "k,ts,v,t\n".to_string() } else { String::new() };
    for (k, ts, v, t) in rows {
        let quoted = |ts: &i64| format!("\"{}\"", time(*ts));
        match format {
            "csv" => writeln!(
                text,
                "{k},{},{},\"{}\"",
                ts.as_ref().map(|ts| time(*ts)).unwrap_or_default(),
                v.map(|v| v.to_string()).unwrap_or_default(),
                t.replace('"', "\"\"")
            )
            .unwrap(),
            _ => writeln!(
                text,
                "{{\"k\":{k},\"ts\":{},\"v\":{},\"t\":\"{}\"}}",
                ts.as_ref().map_or("null".into(), quoted),
                v.map_or("null".into(), |v| v.to_string()),
                // arrow-json takes an end of a line within a text as it is.
                t.replace('"', "\\\"")
            )
            .unwrap(),
        }
    }
    let path = folder.join(format!("{name}.{format}"));
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A script over files; `held` says whether a statement looks at their rows, so that they do not stay there.
fn script(files: &[String], jump: bool, query: &str, held: bool, after: &str) -> String {
    let jump = if jump { ", 'watermark.max_jump' = '20 seconds'" } else { "" };
    let mut out = String::new();
    for (name, path) in ["a", "b"].iter().zip(files) {
        writeln!(out, "CREATE TABLE {name} ({COLUMNS}) WITH (connector = 'file', path = '{path}'{jump});").unwrap();
    }
    out.push_str("CREATE TABLE none (k BIGINT, v BIGINT); CREATE TABLE other (k BIGINT, v BIGINT);\n");
    if query.contains("late_rows") {
        out.push_str(LATE);
    }
    // Committed after the query, so that it is no epoch of it.
    writeln!(out, "{after}\nBEGIN;").unwrap();
    let looked_at = if held { ["a", "b"] } else { ["none", "none"] };
    for name in looked_at {
        writeln!(out, "INSERT INTO other SELECT k, v FROM {name} WHERE k > 100;").unwrap();
    }
    format!("{out}{query};")
}

fn told(answers: &Result<Vec<Answer>, ScriptError>) -> String {
    let answers = match answers {
        Err(error) => return format!("error {error}"),
        Ok(answers) => answers,
    };
    let mut out = String::new();
    for answer in answers {
        let batch = |rows: &arrow::array::RecordBatch| pretty_format_batches(std::slice::from_ref(rows)).unwrap().to_string();
        writeln!(out, "{}\n{}", batch(&answer.rows), batch(&answer.errors)).unwrap();
        for (epoch, updates) in &answer.changes {
            let diffs: Vec<i64> = (0..updates.rows.num_rows()).map(|r| updates.diff(r)).collect();
            writeln!(out, "{epoch} {diffs:?}\n{}", batch(&updates.rows)).unwrap();
        }
    }
    out
}

fn options(workers: usize, epoch_rows: Option<usize>, block_bytes: usize) -> ScriptOptions {
    ScriptOptions { workers, epoch_rows, block_bytes: Some(block_bytes), ..ScriptOptions::default() }
}

struct Case {
    folder: tempfile::TempDir,
    rows: [Vec<Row>; 2],
    format: &'static str,
    jump: bool,
    query: &'static str,
    after: &'static str,
    epoch_rows: Option<usize>,
}

impl Case {
    fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 21);
        let (a, b) = (dice.below(120), dice.below(40));
        Case {
            folder: tempfile::tempdir().unwrap(),
            rows: [(0..a).map(|i| row(&mut dice, i)).collect(), (0..b).map(|i| row(&mut dice, i)).collect()],
            format: dice.of(&["csv", "json", "json"]),
            jump: dice.percent(40),
            query: QUERIES[dice.below(QUERIES.len())],
            after: dice.of(&["", "", "INSERT INTO a VALUES (1, '2024-01-01 01:00:20', 7, 'x'), (2, NULL, NULL, NULL);"]),
            epoch_rows: dice.pick(&[None, Some(1), Some(7), Some(10), Some(50)]),
        }
    }

    /// A script over the first rows of both files.
    fn script(&self, rows: [usize; 2], held: bool) -> String {
        let files: Vec<String> = (0..2)
            .map(|i| write(self.folder.path(), ["a", "b"][i], self.format, &self.rows[i][..rows[i].min(self.rows[i].len())]))
            .collect();
        script(&files, self.jump, self.query, held, self.after)
    }

    fn whole(&self, held: bool) -> String {
        self.script([usize::MAX; 2], held)
    }
}

fn cases() -> u64 {
    std::env::var("LITTORAL_ORACLE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

#[test]
fn files_that_are_read_as_it_goes_give_what_held_rows_give() {
    for seed in 0..cases() {
        let case = Case::draw(seed);
        let expected = told(&run("held.sql", &case.whole(true), &options(1, case.epoch_rows, 1 << 20)));
        assert!(!expected.starts_with("error"), "seed {seed}: {expected}");
        for (workers, block) in [(1, 1 << 20), (1, 70), (2, 300), (3, 1)] {
            let got = told(&run("read.sql", &case.whole(false), &options(workers, case.epoch_rows, block)));
            assert_eq!(got, expected, "seed {seed}, {workers} workers, blocks of {block} bytes: {}", case.whole(false));
        }
    }
}

/// Runs a script over the first rows with snapshots, then goes on from them over all rows.
fn stopped(case: &Case, held: bool, rows: usize, (next, jump): (&'static str, bool), seed: u64) -> String {
    let mut dice = Dice::new(seed, 22);
    let folder = case.folder.path().join(if held { "held" } else { "read" });
    let snapshots = Some(SnapshotOptions { folder: folder.clone(), every: Every::Epochs(1 + dice.below(3) as u64) });
    let first = ScriptOptions { snapshots, ..options(1 + dice.below(2), case.epoch_rows, 200) };
    let told_first = told(&run("short.sql", &case.script([rows, rows], held), &first));
    assert!(!told_first.starts_with("error"), "seed {seed}: {told_first}");
    let restore = Some(RestoreOptions { folder, changed_plan: next != case.query });
    let again = ScriptOptions { restore, ..options(1 + dice.below(3), case.epoch_rows, 100 + dice.below(300)) };
    let case = Case { query: next, jump, rows: case.rows.clone(), folder: tempfile::tempdir_in(case.folder.path()).unwrap(), ..*case };
    told(&run("whole.sql", &case.whole(held), &again))
}

/// A run stops with a snapshot after some rows, and another goes on when there are more, perhaps with another query; or the
/// file has changed, and it does not.
#[test]
fn a_run_goes_on_behind_the_rows_that_it_has_taken_in() {
    let (mut went_on, mut refused) = (0, 0);
    for seed in 0..cases() {
        let mut dice = Dice::new(seed, 23);
        let drawn = Case::draw(seed + 10_000);
        let case = Case { after: "", epoch_rows: Some(drawn.epoch_rows.unwrap_or(7)), ..drawn };
        let size = case.epoch_rows.unwrap();
        let next = if dice.percent(40) { QUERIES[dice.below(QUERIES.len())] } else { case.query };
        let late = |query: &str| query.contains("late_rows");
        if late(case.query) != late(next) {
            continue;
        }
        let rows = size * dice.below(case.rows[0].len() / size + 1);
        let jump = case.jump ^ dice.percent(30);
        let got = stopped(&case, false, rows, (next, jump), seed);
        assert_eq!(
            got,
            stopped(&case, true, rows, (next, jump), seed),
            "seed {seed}, after {rows} rows: {}, then {next}",
            case.whole(false)
        );
        if got.starts_with("error") {
            // A table that ended within an epoch has other rows in it now.
            assert!(got.contains("is not what it held then"), "seed {seed}: {got}");
            refused += 1;
        } else {
            let undisturbed = || told(&run("whole.sql", &case.whole(false), &options(1, case.epoch_rows, 1 << 20)));
            // What came late before the snapshot is not told again.
            assert!(next != case.query || jump != case.jump || late(next) || got == undisturbed(), "seed {seed}: {got}\n{}", undisturbed());
            went_on += 1;
        }
    }
    assert!(went_on > cases() / 4 && refused < went_on, "{went_on} went on, {refused} were refused");
}

/// The newest complete snapshots of a run in a folder, in order.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("answer-1")) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).filter(|p| p.join("manifest.json").exists()).collect();
    all.sort();
    all
}

/// What the newest snapshot has taken in of the tables.
fn taken_in(folder: &Path) -> serde_json::Value {
    let text = std::fs::read(snapshots(folder).last().unwrap().join("manifest.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["tables"].clone()
}

/// A run that is stopped in the middle of its files, of any format, goes on as one that never stopped; what its further snapshots have
/// taken in is what that one's have. A file of Parquet is the same file again, with its columns in any order.
#[test]
fn a_run_that_was_stopped_in_the_middle_of_its_files_goes_on() {
    let mut in_the_middle = 0;
    for seed in 0..cases() {
        let mut dice = Dice::new(seed, 24);
        let format = dice.of(&["parquet", "parquet in another order", "parquet in another order", "csv", "json"]);
        let case = Case { format, after: "", epoch_rows: Some(5), ..Case::draw(seed + 20_000) };
        if case.query.contains("late_rows") {
            continue;
        }
        let (held, text) = (dice.percent(30), case.whole(false));
        let text = if held { case.whole(true) } else { text };
        let every = 1 + dice.below(5) as u64;
        let [whole, state] = ["whole", "state"].map(|name| case.folder.path().join(name));
        let run_with = |folder: &PathBuf, restored: bool, dice: &mut Dice| {
            let snapshots = Some(SnapshotOptions { folder: folder.clone(), every: Every::Epochs(every) });
            let restore = restored.then(|| RestoreOptions { folder: folder.clone(), changed_plan: false });
            let options = ScriptOptions { snapshots, restore, ..options(1 + dice.below(3), case.epoch_rows, 100 + dice.below(300)) };
            told(&run("parquet.sql", &text, &options))
        };
        let expected = run_with(&whole, false, &mut dice);
        assert!(!expected.starts_with("error"), "seed {seed}: {expected}");
        assert_eq!(run_with(&state, false, &mut dice), expected, "seed {seed}");
        // As if it had been killed before the newest were complete.
        let complete = snapshots(&state);
        complete.iter().skip(1).for_each(|path| std::fs::remove_dir_all(path).unwrap());
        in_the_middle += usize::from(complete.len() > 1);
        assert_eq!(run_with(&state, true, &mut dice), expected, "seed {seed}, {format}, held {held}: {text}");
        assert_eq!(taken_in(&state), taken_in(&whole), "seed {seed}, {format}, held {held}: {text}");
    }
    assert!(in_the_middle as u64 > cases() / 3, "{in_the_middle}");
}

/// What a snapshot has taken in of a file must be there still, to the byte; what stands behind it may have changed.
#[test]
fn a_file_that_has_changed_before_the_snapshot_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = |of: &[i64]| of.iter().map(|v| format!("{{\"k\":{v}}}\n")).collect::<String>();
    let path = folder.path().join("t.json");
    let script = format!("CREATE TABLE t (k BIGINT) WITH (connector = 'file', path = '{}'); SELECT sum(k) AS s FROM t;", path.display());
    let state = folder.path().join("state");
    std::fs::write(&path, text(&[1, 2, 3, 4])).unwrap();
    let snapshots = Some(SnapshotOptions { folder: state.clone(), every: Every::Epochs(1) });
    run("t.sql", &script, &ScriptOptions { snapshots, ..options(1, Some(2), 30) }).unwrap();
    for (rows, goes_on) in [
        (vec![1, 2, 3, 4], true),
        (vec![1, 2, 3, 4, 5], true),
        (vec![1, 2, 3, 5, 6], false),
        (vec![0, 2, 3, 4], false),
        (vec![1, 2, 3], false),
        (vec![], false),
    ] {
        std::fs::write(&path, text(&rows)).unwrap();
        let restore = Some(RestoreOptions { folder: state.clone(), changed_plan: false });
        let again = run("t.sql", &script, &ScriptOptions { restore, ..options(2, Some(2), 30) });
        match again {
            Ok(answers) => assert!(goes_on && told(&Ok(answers)).contains(&format!("| {} ", rows.iter().sum::<i64>())), "{rows:?}"),
            Err(error) => assert!(!goes_on && error.to_string().contains("is not what it held then"), "{rows:?}: {error}"),
        }
    }
    let restore = Some(RestoreOptions { folder: state, changed_plan: false });
    std::fs::write(&path, text(&[1, 2, 3, 4])).unwrap();
    let error = run("t.sql", &script, &ScriptOptions { restore, ..options(1, Some(3), 30) }).unwrap_err();
    assert!(error.to_string().contains("is not what it held then"), "{error}");
}

/// What a change asks of another table beside its source is there to be found, also where that table has a file.
#[test]
fn what_changes_ask_of_a_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("u.json");
    std::fs::write(&path, "{\"w\":3}\n{\"w\":8}\n").unwrap();
    let script = format!(
        "CREATE TABLE u (w BIGINT) WITH (connector = 'file', path = '{}'); CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT);
         INSERT INTO t VALUES (1, 1), (2, 2);
         INSERT INTO t VALUES (1, 5) ON CONFLICT (k) DO UPDATE SET v = (SELECT max(w) FROM u);
         SELECT k, v FROM t ORDER BY k;",
        path.display()
    );
    let got = told(&run("t.sql", &script, &options(1, None, 100)));
    assert!(got.contains("| 1 | 8 |") && got.contains("| 2 | 2 |"), "{got}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let rows: String = (0..3_000).map(|i| format!("{i}\n")).collect();
    std::fs::write(&path, format!("k\n{rows}x\n")).unwrap();
    let script = format!("CREATE TABLE t (k BIGINT) WITH (connector = 'file', path = '{}'); SELECT sum(k) AS s FROM t;", path.display());
    for workers in [1, 3] {
        let error = run("t.sql", &script, &options(workers, Some(10), 100)).unwrap_err();
        let ScriptError::File { table, cause, .. } = &error else { panic!("{error}") };
        assert!(table == "t" && cause.contains("line 3002"), "{error}");
    }
}

/// A query that does not hang on a file passes its epochs as it is read, not before: it went on for ever.
#[test]
fn a_query_that_no_row_of_a_file_reaches_ends_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "k,v\n1,1\n2,2\n3,3\n4,4\n").unwrap();
    let text = format!(
        "CREATE TABLE t (k BIGINT, v BIGINT) WITH (connector = 'file', path = '{}'); CREATE VIEW x AS SELECT k FROM t; SELECT * FROM late_rows;",
        path.display()
    );
    for workers in [1, 2] {
        for epoch_rows in [1, 2, 3] {
            let ((send, ended), text) = (std::sync::mpsc::channel(), text.clone());
            let work = move || send.send(run("t.sql", &text, &options(workers, Some(epoch_rows), 1 << 18)).unwrap());
            std::thread::Builder::new().name("run".into()).spawn(work).unwrap();
            let answers = ended.recv_timeout(std::time::Duration::from_secs(60)).expect("it ends with its file");
            assert_eq!(answers[0].rows.num_rows(), 0);
        }
    }
}
