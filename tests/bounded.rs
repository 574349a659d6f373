//! What `littoral sql` holds of a file does not grow with the file: the most memory that a run had, of a short and of a long one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Rows of both files: 2 MB and 60 MB.
const ROWS: [usize; 2] = [20_000, 600_000];
/// How much more the long one may need: blocks and epochs under way come and go by chance.
const MORE_KIB_MAX: u64 = 30 << 10;

fn write_rows(path: &Path, rows: usize) {
    let mut out = String::new();
    for row in 0..rows {
        let (second, device, value) = (row / 1000, row * 7 % 1_000, row * 31 % 9_973);
        let at = format!("2024-01-01T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        writeln!(out, "{{\"device\":{device},\"at\":\"{at}\",\"value\":{value},\"note\":\"what nobody looks at, row {row}\"}}").unwrap();
    }
    std::fs::write(path, out).unwrap();
}

/// The most memory that a run over a file had while it was looked at, in KiB. `held` says whether a statement looks at the rows.
fn peak_kib(folder: &Path, rows: usize, held: bool) -> u64 {
    write_rows(&folder.join("t.json"), rows);
    let looks = if held { "CREATE TABLE other (v BIGINT); INSERT INTO other SELECT value FROM t WHERE value < 0;" } else { "" };
    let script = format!(
        "CREATE TABLE t (device BIGINT, at TIMESTAMP, value BIGINT, WATERMARK FOR at AS at - INTERVAL '5' SECOND)
             WITH (connector = 'file', path = 't.json');
         {looks}
         SELECT device, tumble_start(at, INTERVAL '60' SECOND) AS w, count(*) AS n, sum(value) AS s FROM t
             GROUP BY device, tumble_start(at, INTERVAL '60' SECOND) EMIT FINAL;"
    );
    std::fs::write(folder.join("script.sql"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_littoral"));
    command.current_dir(folder).args(["sql", "script.sql", "--workers", "2", "--epoch-rows", "2000"]).stdout(Stdio::null());
    let mut run = command.spawn().unwrap();
    let mut peak = 0;
    let ended = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap_or_default();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(most.unwrap_or(0));
        if let Some(ended) = run.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success() && peak > 0);
    peak
}

#[test]
fn what_is_held_does_not_grow_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [short, long] = ROWS.map(|rows| peak_kib(folder.path(), rows, false));
    assert!(long < short + MORE_KIB_MAX, "{short} KiB for {} rows, {long} KiB for {} rows", ROWS[0], ROWS[1]);
    // Where it is held this shows, so the test can see the difference.
    let held = peak_kib(folder.path(), ROWS[1], true);
    assert!(held > short + MORE_KIB_MAX, "{short} KiB for {} rows, {held} KiB for {} rows that are held", ROWS[0], ROWS[1]);
}
