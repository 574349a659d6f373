//! `littoral sql` with snapshots, as a user runs it: written, gone on from with other workers, refused when they do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

const SCRIPT: &str = "CREATE TABLE sales (shop VARCHAR, amount BIGINT);
CREATE TABLE shops (shop VARCHAR PRIMARY KEY, town VARCHAR);
INSERT INTO shops VALUES ('a', 'Oslo'), ('b', 'Bergen');
INSERT INTO sales VALUES ('a', 3), ('b', 4);
DELETE FROM sales WHERE amount = 4;
INSERT INTO sales VALUES ('b', 6), (NULL, 7);
";
const QUERY: &str =
    "SELECT town, count(*) AS n, sum(amount) AS s, max(amount) AS m FROM sales LEFT JOIN shops ON sales.shop = shops.shop GROUP BY town;\n";
const MORE: &str = "INSERT INTO sales VALUES ('a', 5), ('c', 1);\nDELETE FROM sales WHERE amount > 5;\nINSERT INTO shops VALUES ('c', 'Oslo'), ('b', 'Voss');\n";

fn littoral(folder: &Path, script: &str, arguments: &[&str]) -> Output {
    std::fs::write(folder.join("script.sql"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_littoral"));
    command.current_dir(folder).args(["sql", "script.sql", "--format", "csv"]).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The error of a run that is to be refused.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with the snapshots of the script.
fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    text(&littoral(folder.path(), &format!("{SCRIPT}{QUERY}"), &["--snapshot-dir", "state", "--workers", "2"]));
    folder
}

#[test]
fn a_run_goes_on_from_its_snapshots_and_gives_what_one_that_never_stopped_gives() {
    let folder = saved();
    let longer = format!("{SCRIPT}{MORE}{QUERY}");
    for changes in [vec![], vec!["--changes"]] {
        let whole = text(&littoral(folder.path(), &longer, &changes));
        let with = |more: &[&'static str]| [&changes[..], more].concat();
        let restored = littoral(folder.path(), &longer, &with(&["--restore", "state", "--workers", "3"]));
        assert_eq!(text(&restored), whole);
    }
    // Writing on into the same folder; the next run begins where this one ended.
    text(&littoral(folder.path(), &longer, &["--restore", "state", "--snapshot-dir", "state", "--snapshot-every", "2"]));
    let again = text(&littoral(folder.path(), &longer, &["--restore", "state", "--workers", "4", "--changes"]));
    assert_eq!(again, text(&littoral(folder.path(), &longer, &["--changes"])));
    let kept = std::fs::read_dir(folder.path().join("state/answer-1")).unwrap();
    let complete = kept.filter(|e| e.as_ref().unwrap().path().join("manifest.json").exists()).count();
    assert_eq!(complete, 3, "the newest three stay");
}

#[test]
fn a_changed_plan_is_refused_with_what_would_be_kept_and_then_taken() {
    let folder = saved();
    let changed = format!("{SCRIPT}{MORE}{}", QUERY.replace("max(amount)", "min(amount)"));
    let said = refused(&littoral(folder.path(), &changed, &["--restore", "state"]));
    assert!(said.contains("has changed since epoch 4"), "{said}");
    assert!(said.contains("filled anew: aggregate by 1 columns") && said.contains("dropped: aggregate by 1 columns"), "{said}");
    assert!(said.contains("--changed-plan"), "{said}");
    let taken = littoral(folder.path(), &changed, &["--restore", "state", "--changed-plan"]);
    assert_eq!(text(&taken), text(&littoral(folder.path(), &changed, &[])));
    // Only what stands above the join has changed here: the join is kept.
    let inner = QUERY.replace("LEFT JOIN", "JOIN");
    let folder = tempfile::tempdir().unwrap();
    text(&littoral(folder.path(), &format!("{SCRIPT}{inner}"), &["--snapshot-dir", "state"]));
    let said = refused(&littoral(folder.path(), &format!("{SCRIPT}{}", inner.replace("max(", "min(")), &["--restore", "state"]));
    assert!(said.contains("kept: inner join"), "{said}");
}

#[test]
fn snapshots_that_do_not_fit_are_refused_by_name() {
    let folder = saved();
    let script = format!("{SCRIPT}{QUERY}");
    let at = folder.path();
    let said = refused(&littoral(at, &script, &["--snapshot-dir", "state"]));
    assert!(said.contains("there are snapshots in \"state\" already"), "{said}");
    let said = refused(&littoral(at, &script, &["--restore", "nothing"]));
    assert!(said.contains("there is no complete snapshot in \"nothing\""), "{said}");
    let said = refused(&littoral(at, &script.replace("('b', 4)", "('b', 5)"), &["--restore", "state"]));
    assert!(said.contains("what table \"sales\" held up to epoch 4"), "{said}");
    let shorter = script.replace("INSERT INTO sales VALUES ('b', 6), (NULL, 7);\n", "");
    let said = refused(&littoral(at, &shorter, &["--restore", "state"]));
    assert!(said.contains("it is of epoch 4"), "{said}");
    // A bit flips in the newest.
    let part = at.join("state/answer-1/000000000004/worker-0-0.arrow");
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let said = refused(&littoral(at, &script, &["--restore", "state"]));
    assert!(said.contains("worker-0-0.arrow\" is damaged: its checksum"), "{said}");
    std::fs::remove_dir_all(at.join("state/answer-1/000000000004")).unwrap();
    assert_eq!(text(&littoral(at, &script, &["--restore", "state"])), text(&littoral(at, &script, &[])));
}

/// Two equal rows of a side may stand apart, the second behind many others of its key: both have their partners again.
#[test]
fn equal_rows_that_stand_apart_have_their_partners_again() {
    let rows = |k: i64, from: i64, to: i64| (from..to).map(|v| format!("({k}, {v})")).collect::<Vec<_>>().join(", ");
    let script = format!(
        "CREATE TABLE l (k BIGINT, v BIGINT);\nCREATE TABLE r (k BIGINT, w BIGINT);\n\
         INSERT INTO l VALUES {};\nINSERT INTO r VALUES (1, 1000), (1, 1);\nINSERT INTO l VALUES (1, 7), {};\nINSERT INTO l VALUES (1, 7);\n\
         DELETE FROM l WHERE k = 2;\nDELETE FROM r WHERE w = 1;\nINSERT INTO l VALUES {};\n",
        rows(2, 0, 10),
        rows(1, 100, 119),
        rows(1, 200, 210)
    );
    let query = "SELECT l.v, r.w FROM l LEFT JOIN r ON l.k = r.k AND l.v < r.w;\n";
    let folder = tempfile::tempdir().unwrap();
    text(&littoral(folder.path(), &format!("{script}{query}"), &["--snapshot-dir", "state"]));
    let longer = format!("{script}DELETE FROM r WHERE w = 1000;\nINSERT INTO l VALUES (1, 7);\nDELETE FROM l WHERE v = 7;\n{query}");
    let restored = text(&littoral(folder.path(), &longer, &["--restore", "state", "--changes"]));
    assert_eq!(restored, text(&littoral(folder.path(), &longer, &["--changes"])));
}

/// A file whose last line had no end: behind it may stand more lines, and nothing that makes its last row another one.
#[test]
fn a_file_that_grew_within_its_last_row_is_not_what_it_was() {
    let script = "CREATE TABLE t (a VARCHAR, b VARCHAR) WITH (path = 'grows.csv');\nSELECT a, b FROM t;\n";
    let epochs = ["--epoch-rows", "1"];
    for (before, after, fits) in [
        ("a,b\nx,1\ny,2", "a,b\nx,1\ny,2\nz,3\n", true),
        ("a,b\nx,1\ny,2", "a,b\nx,1\ny,2\r\nz,3", true),
        ("a,b\nx,1\ny,2", "a,b\nx,1\ny,25\nz,3\n", false),
        ("a,b\nx,1\ny,\"2\"", "a,b\nx,1\ny,\"2\"\nz,3\n", true),
        ("a,b\nx,1\ny,\"2\"", "a,b\nx,1\ny,\"2\"\"\"\nz,3\n", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::write(at.join("grows.csv"), before).unwrap();
        text(&littoral(at, script, &[&epochs[..], &["--snapshot-dir", "state"]].concat()));
        std::fs::write(at.join("grows.csv"), after).unwrap();
        let again = littoral(at, script, &[&epochs[..], &["--restore", "state"]].concat());
        match fits {
            true => assert_eq!(text(&again), text(&littoral(at, script, &epochs)), "{after}"),
            false => assert!(refused(&again).contains("what table \"t\" held up to epoch"), "{after}"),
        }
    }
    // One that ends within quotes is not taken at all.
    for text in ["a,b\nx,1\ny,\"2", "a,b\nx,1\ny,\"2\n"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("grows.csv"), text).unwrap();
        let refused = refused(&littoral(folder.path(), script, &epochs));
        assert!(refused.contains("a quote is opened at byte 10 and never closed"), "{refused}");
    }
}
