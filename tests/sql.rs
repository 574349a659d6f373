//! SQL as text: each script in `tests/sql` with what it prints beside it. `UPDATE_EXPECT=1` writes them anew; read the diff.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn sql(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_littoral")).arg("sql").args(arguments).current_dir(folder).output().unwrap();
    let code = output.status.code().unwrap();
    format!("{}{}exit code {code}\n", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn each_script_prints_what_is_kept_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut scripts: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "sql")).collect();
    scripts.sort();
    assert!(scripts.len() >= 5);
    for script in scripts {
        let name = script.file_name().unwrap().to_str().unwrap();
        let table = "readings=readings.csv";
        let rows = sql(&folder, &[name, "--table", table]);
        let changes = sql(&folder, &[name, "--table", table, "--changes", "--format", "csv"]);
        let two = sql(&folder, &[name, "--table", table, "--workers", "2"]);
        assert_eq!(rows, two, "{name}: two workers give the same");
        let json = sql(&folder, &[name, "--table", table, "--format", "json"]);
        let found = format!("{rows}\n{changes}\n{json}");
        let expected = script.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(&expected).unwrap_or_default(), "{name}");
    }
}

#[test]
fn a_sink_is_given_every_window_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let text = "CREATE TABLE r (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
        CREATE TABLE out (start TIMESTAMP, v BIGINT) WITH (connector = 'file', path = 'out.csv', type = 'sink');
        INSERT INTO r VALUES ('2024-01-01 00:00:01', 1), ('2024-01-01 00:00:12', 2);
        INSERT INTO out SELECT tumble_start(ts, INTERVAL '10' SECOND), sum(v) FROM r GROUP BY 1 EMIT FINAL;";
    std::fs::write(folder.path().join("sink.sql"), text).unwrap();
    assert_eq!(sql(folder.path(), &["sink.sql"]), "exit code 0\n");
    let written = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert_eq!(written, "start,v\n2024-01-01T00:00:00,1\n2024-01-01T00:00:10,2\n");
}

/// A file that can only grow is given each window once it is closed; rows that no watermark closes, and that go, are refused.
#[test]
fn a_sink_that_only_grows_is_given_closed_windows() {
    let folder = tempfile::tempdir().unwrap();
    let script = |query: &str| {
        let text = format!(
            "CREATE TABLE r (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts);
            CREATE TABLE out (start TIMESTAMP, v BIGINT) WITH (connector = 'file', path = 'out.csv', type = 'sink');
            INSERT INTO r VALUES ('2024-01-01 00:00:01', 1);
            INSERT INTO r VALUES ('2024-01-01 00:00:02', 2), ('2024-01-01 00:00:12', 2);
            INSERT INTO out {query};"
        );
        std::fs::write(folder.path().join("sink.sql"), text).unwrap();
        sql(folder.path(), &["sink.sql"])
    };
    assert_eq!(script("SELECT tumble_start(ts, INTERVAL '10' SECOND), sum(v) FROM r GROUP BY 1"), "exit code 0\n");
    let written = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert_eq!(written, "start,v\n2024-01-01T00:00:00,3\n2024-01-01T00:00:10,2\n");
    let told = script("SELECT min(ts), sum(v) FROM r");
    assert!(told.contains("takes rows back") && told.contains("exit code 2"), "{told}");
}

/// Names that are not quoted are folded; files keep how they were written.
#[test]
fn columns_are_found_in_files_whatever_their_case() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("o.json"), "{\"orderId\":1,\"userName\":\"x\"}\n{\"orderId\":2,\"userName\":\"y\"}\n").unwrap();
    std::fs::write(at.join("o.csv"), "OrderId,userName,username\n1,x,z\n2,y,z\n").unwrap();
    let change = "{\"before\":null,\"after\":{\"orderId\":1,\"userName\":\"x\"},\"op\":\"c\"}\n";
    std::fs::write(at.join("o.dbz"), change.to_string() + &change.replace(":1", ":2")).unwrap();
    let files = [("json", "o.json", "x\ny"), ("csv", "o.csv", "z\nz"), ("debezium_json", "o.dbz", "x\nx")];
    for (format, path, names) in files {
        let text = format!(
            "CREATE TABLE o (orderId BIGINT PRIMARY KEY, userName TEXT) WITH (connector = 'file', path = '{path}', format = '{format}');
            SELECT userName FROM o WHERE orderId > 0 ORDER BY orderId;"
        );
        std::fs::write(at.join("o.sql"), text).unwrap();
        assert_eq!(sql(at, &["o.sql", "--format", "csv"]), format!("username\n{names}\nexit code 0\n"), "{format}");
    }
}

/// Sources and sinks as statements of their own: a sink is given a view's rows, or a query's changes, until the end of the script.
#[test]
fn sources_and_sinks_are_made_by_statements_and_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("r.csv"), "device,ts,v\na,2024-01-01T00:00:01,1\na,2024-01-01T00:00:02,2\nb,2024-01-01T00:00:03,3\n").unwrap();
    let script = "CREATE SOURCE r (device VARCHAR, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
          WITH (connector = 'file', path = 'r.csv');
        CREATE VIEW big AS SELECT device, v FROM r WHERE v > 1;
        CREATE SINK big_rows FROM big WITH (connector = 'file', path = 'big.parquet');
        CREATE SINK closed AS WITH w AS (SELECT device, tumble_end(ts, INTERVAL '10' SECOND) AS until, count(*) AS n
          FROM r GROUP BY device, tumble_end(ts, INTERVAL '10' SECOND)) SELECT * FROM w EMIT FINAL
          WITH (connector = 'file', path = 'closed.csv');
        CREATE SINK gone FROM big WITH (connector = 'file', path = 'gone.csv');
        DROP SINK gone;
        INSERT INTO r VALUES ('a', TIMESTAMP '2024-01-01 00:00:30', 9);";
    std::fs::write(at.join("sinks.sql"), script).unwrap();
    assert_eq!(sql(at, &["sinks.sql"]), "exit code 0\n");
    let closed = std::fs::read_to_string(at.join("closed.csv")).unwrap();
    // In the order in which windows close.
    assert_eq!(closed, "device,until,n\na,2024-01-01T00:00:10,2\nb,2024-01-01T00:00:10,1\na,2024-01-01T00:00:40,1\n");
    assert!(!at.join("gone.csv").exists());
    std::fs::write(at.join("read.sql"), "SELECT * FROM big ORDER BY v;").unwrap();
    assert_eq!(sql(at, &["read.sql", "--table", "big=big.parquet", "--format", "csv"]), "device,v\na,2\nb,3\na,9\nexit code 0\n");
}

/// Several INSERTs go to one sink, by position or by name; with a key an update is one record, and the file is a table again.
#[test]
fn a_sink_takes_several_inserts_and_tells_updates_as_one_record() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let script = "CREATE TABLE t (g VARCHAR, v BIGINT);
        CREATE TABLE sums (g VARCHAR PRIMARY KEY, s BIGINT) WITH (connector = 'file', path = 'sums.json', format = 'debezium_json', type = 'sink');
        CREATE TABLE rows WITH (connector = 'file', path = 'rows.csv', type = 'sink');
        CREATE TABLE named (a BIGINT, b VARCHAR) WITH (connector = 'file', path = 'named.json', type = 'sink');
        CREATE TABLE kept WITH (connector = 'file', path = 'kept.parquet', type = 'sink') AS SELECT count(*) AS n FROM t WHERE v > 100;
        INSERT INTO t VALUES ('a', 1), ('b', 2);
        INSERT INTO rows SELECT g, v FROM (VALUES ('x', 1)) AS r(g, v);
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO rows VALUES ('y', 2);
        INSERT INTO named (b, a) SELECT 'q', 5;
        END;
        INSERT INTO t VALUES ('a', 5);
        DELETE FROM t WHERE g = 'b';
        INSERT INTO sums SELECT g, sum(v) FROM t GROUP BY g;
        CREATE TABLE back (g VARCHAR PRIMARY KEY, s BIGINT) WITH (connector = 'file', path = 'sums.json', format = 'debezium_json');
        SELECT * FROM back;";
    std::fs::write(at.join("sinks.sql"), script).unwrap();
    assert_eq!(sql(at, &["sinks.sql", "--format", "csv"]), "g,s\na,6\nexit code 0\n");
    let read = |name: &str| std::fs::read_to_string(at.join(name)).unwrap();
    assert_eq!(read("rows.csv"), "g,v\nx,1\ny,2\n");
    assert_eq!(read("named.json"), "{\"a\":5,\"b\":\"q\"}\n");
    let told = read("sums.json");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[2], "{\"before\":{\"g\":\"a\",\"s\":1},\"after\":{\"g\":\"a\",\"s\":6},\"op\":\"u\"}");
    assert_eq!(lines[3], "{\"before\":{\"g\":\"b\",\"s\":2},\"after\":null,\"op\":\"d\"}");
}

/// Who reads the answer may have enough of it.
#[test]
fn a_closed_pipe_ends_the_answer_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..50_000).map(|k| format!("{k}\n")).collect();
    std::fs::write(folder.path().join("many.csv"), format!("k\n{rows}")).unwrap();
    let script = "CREATE TABLE t (k BIGINT) WITH (path = 'many.csv');\nSELECT * FROM t;\nSELECT * FROM t;";
    std::fs::write(folder.path().join("many.sql"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_littoral"));
    command.args(["sql", "many.sql"]).current_dir(folder.path());
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// A file that is read, or written by another sink, is not overwritten.
#[test]
fn a_sink_has_its_file_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let given = "k\n1\n2\n";
    let table = "CREATE TABLE t (k BIGINT) WITH (path = 'in.csv');\n";
    let sink =
        |name: &str, path: &str| format!("CREATE SINK {name} AS SELECT k + 1 AS k FROM t WITH (connector = 'file', path = '{path}');\n");
    let insert = "CREATE TABLE out (k BIGINT) WITH (connector = 'file', path = 'new.csv', type = 'sink');\n";
    std::fs::create_dir(at.join("inner")).unwrap();
    for (script, said) in [
        (format!("{table}{}", sink("s", "in.csv")), "the file \"in.csv\" of sink \"s\" is read by table \"t\""),
        (format!("{table}{}", sink("s", "inner/../in.csv")), "the file \"inner/../in.csv\" of sink \"s\" is read by table \"t\""),
        (
            format!("{table}{}{}", sink("s", "new.csv"), sink("z", "./new.csv")),
            "the file \"./new.csv\" of sink \"z\" is written by sink \"s\"",
        ),
        (
            format!("{insert}CREATE TABLE back (k BIGINT) WITH (path = 'new.csv');"),
            "the file \"new.csv\" of table \"back\" is written by sink \"out\"",
        ),
        (
            format!(
                "{insert}INSERT INTO out VALUES (1);\nCREATE TABLE back (k BIGINT) WITH (path = 'new.csv');\nINSERT INTO out VALUES (2);"
            ),
            "the file \"new.csv\" of sink \"out\" is read by table \"back\"",
        ),
    ] {
        std::fs::write(at.join("in.csv"), given).unwrap();
        std::fs::write(at.join("own.sql"), &script).unwrap();
        let found = sql(at, &["own.sql"]);
        assert!(found.contains(said) && found.ends_with("exit code 2\n"), "{script}\n{found}");
        assert_eq!(std::fs::read_to_string(at.join("in.csv")).unwrap(), given);
    }
    std::fs::write(at.join("own.sql"), sink("s", "in.csv")).unwrap();
    let found = sql(at, &["own.sql", "--table", "t=in.csv"]);
    assert!(found.contains("is read by table \"t\""), "{found}");
    // What is gone reads and writes nothing; what a sink was given before is there to be read.
    let free = format!(
        "{table}DROP TABLE t;\nCREATE TABLE t (k BIGINT);\n{}{insert}INSERT INTO out VALUES (7);\n{}",
        sink("s", "in.csv"),
        "CREATE TABLE back (k BIGINT) WITH (path = 'new.csv');\nSELECT * FROM back;"
    );
    std::fs::write(at.join("own.sql"), free).unwrap();
    assert_eq!(sql(at, &["own.sql", "--format", "csv"]), "k\n7\nexit code 0\n");
}

/// A byte-order mark is no part of the first row.
#[test]
fn a_byte_order_mark_is_passed_by() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("m.json"), "\u{feff}{\"k\":1}\n{\"k\":2}\n").unwrap();
    std::fs::write(at.join("c.json"), "\u{feff}{\"op\":\"c\",\"after\":{\"k\":1}}\n{\"op\":\"c\",\"after\":{\"k\":2}}\n").unwrap();
    std::fs::write(at.join("m.csv"), "\u{feff}k\n1\n2\n").unwrap();
    for with in ["path = 'm.json'", "path = 'c.json', format = 'debezium_json'", "path = 'm.csv'"] {
        std::fs::write(at.join("m.sql"), format!("CREATE TABLE t (k BIGINT) WITH ({with});\nSELECT * FROM t;")).unwrap();
        assert_eq!(sql(at, &["m.sql", "--format", "csv", "--epoch-rows", "1"]), "k\n1\n2\nexit code 0\n", "{with}");
    }
    std::fs::write(at.join("m.sql"), "SELECT k FROM t;").unwrap();
    assert_eq!(sql(at, &["m.sql", "--format", "csv", "--table", "t=m.json"]), "k\n1\n2\nexit code 0\n");
    // Nor of what a snapshot has taken in.
    std::fs::write(at.join("m.sql"), "CREATE TABLE t (k BIGINT) WITH (path = 'm.json');\nSELECT * FROM t;").unwrap();
    assert_eq!(sql(at, &["m.sql", "--format", "csv", "--epoch-rows", "1", "--snapshot-dir", "kept"]), "k\n1\n2\nexit code 0\n");
    std::fs::write(at.join("m.json"), "\u{feff}{\"k\":1}\n{\"k\":2}\n{\"k\":3}\n").unwrap();
    assert_eq!(sql(at, &["m.sql", "--format", "csv", "--epoch-rows", "1", "--restore", "kept"]), "k\n1\n2\n3\nexit code 0\n");
    std::fs::write(at.join("m.json"), "{\"k\":1}\u{feff}\n{\"k\":2}\n").unwrap();
    assert!(sql(at, &["m.sql"]).ends_with("exit code 2\n"), "elsewhere it is an error");
}
