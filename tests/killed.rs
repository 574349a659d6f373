//! `littoral sql` killed with SIGKILL while it writes snapshots, again and again, and gone on from with other workers: what it
//! gives at the end is what a run gives that was never stopped, in the files of sinks too.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rows of the file; each epoch has ten.
const ROWS: usize = 4_000;
const EPOCH_ROWS: &str = "10";
/// How long one run may take until it has written the snapshot that it is killed behind.
const PATIENCE: Duration = Duration::from_secs(60);

const TABLES: &str = "CREATE TABLE shops (shop BIGINT, town VARCHAR);
INSERT INTO shops VALUES (0, 'Oslo'), (1, 'Bergen'), (2, 'Voss'), (3, 'Oslo');
CREATE TABLE sales (shop BIGINT, at TIMESTAMP, amount BIGINT, WATERMARK FOR at AS at - INTERVAL '2' SECOND)
    WITH (connector = 'file', path = 'sales.json');
";
const QUERIES: [&str; 3] = [
    "SELECT town, count(*) AS n, max(amount) AS m FROM sales LEFT JOIN shops ON sales.shop = shops.shop GROUP BY town;",
    "SELECT shop, tumble_start(at, INTERVAL '5' SECOND) AS w, count(*) AS n, sum(amount) AS s FROM sales
        GROUP BY shop, tumble_start(at, INTERVAL '5' SECOND) EMIT FINAL;",
    "SELECT window_start, count(*) AS n FROM hop(sales, at, INTERVAL '1' SECOND, INTERVAL '4' SECOND) GROUP BY window_start EMIT FINAL;",
];

fn sales() -> String {
    let mut out = String::new();
    for row in 0..ROWS {
        let (second, amount) = (row / 20, row * 7 % 101);
        let at = format!("2024-01-01T00:{:02}:{:02}", second / 60, second % 60);
        writeln!(out, "{{\"shop\":{},\"at\":\"{at}\",\"amount\":{amount}}}", row * row % 5).unwrap();
    }
    out
}

fn littoral(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_littoral"));
    let options = ["sql", "script.sql", "--format", "csv", "--changes", "--epoch-rows", EPOCH_ROWS];
    command.current_dir(folder).args(options).args(arguments);
    command
}

/// What a run prints that goes to its end.
fn finished(folder: &Path, arguments: &[&str]) -> String {
    let output = littoral(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The newest complete snapshot.
fn newest(folder: &Path) -> Option<u64> {
    let found = std::fs::read_dir(folder.join("state/answer-1")).ok()?.flatten();
    let complete = found.filter(|e| e.path().join("manifest.json").exists());
    complete.filter_map(|e| e.file_name().to_str()?.parse().ok()).max()
}

/// Kills a run once it has a snapshot of some epoch; what it wrote of the next one stays as it is.
fn kill_behind(folder: &Path, mut run: Child, epoch: u64) {
    let begun = Instant::now();
    while newest(folder).is_none_or(|newest| newest < epoch) {
        assert!(begun.elapsed() < PATIENCE, "no snapshot of epoch {epoch}; the newest is {:?}", newest(folder));
        assert_eq!(run.try_wait().unwrap(), None, "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    run.kill().unwrap();
    assert_eq!(run.wait().unwrap().signal(), Some(9), "it ended before it could be killed");
}

#[test]
fn a_run_that_is_killed_goes_on_as_if_nothing_had_happened() {
    for query in QUERIES {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sales.json"), sales()).unwrap();
        std::fs::write(folder.path().join("script.sql"), format!("{TABLES}{query}")).unwrap();
        let whole = finished(folder.path(), &[]);
        let writes = ["--snapshot-dir", "state", "--workers"];
        for (epoch, workers, every) in [(30, "2", "2"), (120, "3", "5ms"), (230, "1", "1")] {
            let restores: &[&str] = if newest(folder.path()).is_some() { &["--restore", "state"] } else { &[] };
            let mut command = littoral(folder.path(), &[&writes, &[workers, "--snapshot-every", every][..], restores].concat());
            kill_behind(folder.path(), command.stdout(Stdio::null()).spawn().unwrap(), epoch);
            assert!(newest(folder.path()).is_some_and(|newest| newest < 398), "there is something left to do");
        }
        let last = finished(folder.path(), &[&writes[..], &["2", "--restore", "state"]].concat());
        assert!(whole.lines().count() > 100 && last == whole, "{query}: what it gives is not what it gives undisturbed");
    }
}

/// The file of a sink has rows long before the end; a run that goes on writes it anew, whole.
#[test]
fn a_sink_is_written_as_epochs_close_and_whole_after_a_kill() {
    for (name, query) in [
        ("big.csv", "SELECT shop, amount FROM sales WHERE amount > 50"),
        (
            "windows.json",
            "SELECT tumble_start(at, INTERVAL '5' SECOND) AS w, count(*) AS n FROM sales GROUP BY tumble_start(at, INTERVAL '5' SECOND) EMIT FINAL",
        ),
        ("towns.debezium", "SELECT town, count(*) AS n FROM sales JOIN shops ON sales.shop = shops.shop GROUP BY town"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let format = if name.ends_with("debezium") { ", format = 'debezium_json'" } else { "" };
        let sink = format!("CREATE SINK given AS {query} WITH (connector = 'file', path = '{name}'{format});");
        std::fs::write(folder.path().join("sales.json"), sales()).unwrap();
        std::fs::write(folder.path().join("script.sql"), format!("{TABLES}{sink}")).unwrap();
        let written = || std::fs::read_to_string(folder.path().join(name)).unwrap();
        finished(folder.path(), &[]);
        let whole = written();
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let writes = ["--snapshot-dir", "state", "--snapshot-every", "2", "--workers"];
        kill_behind(folder.path(), littoral(folder.path(), &[&writes[..], &["2"]].concat()).spawn().unwrap(), 120);
        let part = written();
        assert!(part.lines().count() > 10 && part.len() < whole.len() && whole.starts_with(&part), "{name}: {part}");
        finished(folder.path(), &[&writes[..], &["3", "--restore", "state"]].concat());
        assert!(written() == whole, "{name} is not what it is undisturbed");
    }
}
