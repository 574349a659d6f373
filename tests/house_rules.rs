//! The rules of the house as tests: each failure says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOTS: [&str; 5] = ["src", "engine", "operators", "connectors", "edge-runtime"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files() -> Vec<PathBuf> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() && entry.file_name().is_some_and(|n| n != "target") {
                walk(&entry, out);
            } else if entry.extension().is_some_and(|e| e == "rs") {
                out.push(entry);
            }
        }
    }
    let mut out = Vec::new();
    ROOTS.iter().chain(&["tests", "benches"]).filter(|r| root().join(r).is_dir()).for_each(|r| walk(&root().join(r), &mut out));
    assert!(out.len() > 60, "the sources are there");
    out
}

fn broken(rule: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let each = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        rule(&name, &std::fs::read_to_string(&path).unwrap())
    };
    rust_files().into_iter().flat_map(each).collect()
}

fn none(broken: &[String], what_to_do: &str) {
    assert!(broken.is_empty(), "{what_to_do}:\n  {}", broken.join("\n  "));
}

/// Whether a file is a test or bench, which some rules do not hold for.
fn is_test(name: &str) -> bool {
    name.starts_with("tests/") || name.contains("/tests/") || name.contains("benches/")
}

#[test]
fn files_are_at_most_600_lines() {
    let rule =
        |name: &str, text: &str| if text.lines().count() > 600 { vec![format!("{name}: {} lines", text.lines().count())] } else { vec![] };
    none(&broken(rule), "find the second concept and give it a file");
}

#[test]
fn files_open_with_a_header() {
    let rule = |name: &str, text: &str| if text.starts_with("//! ") { vec![] } else { vec![name.to_string()] };
    none(&broken(rule), "say in //! lines what the file is, how it fits, what it is not");
}

#[test]
fn functions_are_at_most_70_lines() {
    // rustfmt ends a function with a brace at the indentation of its first line.
    let rule = |name: &str, text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        let mut out = Vec::new();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_fn = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn "].iter().any(|p| line.trim_start().starts_with(p));
            if !is_fn {
                continue;
            }
            let end = lines.iter().skip(start).position(|l| l.len() - l.trim_start().len() == indent && l.trim() == "}");
            if let Some(length) = end.filter(|l| *l > 70) {
                out.push(format!("{name}:{}: {length} lines", start + 1));
            }
        }
        out
    };
    none(&broken(rule), "keep the branches, move the plain work into functions of its own");
}

#[test]
fn names_mean_something() {
    let rule = |name: &str, _: &str| {
        let bad = ["util", "utils", "common", "misc", "manager", "helpers", "data2"];
        let stem = Path::new(name).file_stem().unwrap().to_string_lossy().into_owned();
        let folder = Path::new(name).parent().unwrap().components().any(|c| bad.contains(&c.as_os_str().to_str().unwrap()));
        if bad.contains(&stem.as_str()) || folder { vec![name.to_string()] } else { vec![] }
    };
    none(&broken(rule), "name the file by what it does");
}

fn lines_with<'a>(name: &str, text: &'a str, words: &'a [String]) -> Vec<String> {
    let hit = |(i, l): (usize, &str)| words.iter().any(|w| l.contains(w.as_str())).then(|| format!("{name}:{}: {}", i + 1, l.trim()));
    text.lines().enumerate().filter_map(hit).collect()
}

#[test]
fn nothing_is_left_for_later() {
    let words: Vec<String> =
        ["TO", "FIX", "XX"].iter().zip(["DO", "ME", "X"]).map(|(a, b)| format!("{a}{b}")).chain(["#[ign".to_string() + "ore"]).collect();
    none(&broken(|name, text| lines_with(name, text, &words)), "do it, or file an issue and delete the mark");
}

#[test]
fn only_one_module_of_each_crate_reads_a_clock() {
    let words = ["SystemTime::now".to_string(), "Instant::now".to_string()];
    let allowed = ["engine/src/clock.rs", "connectors/src/host.rs"];
    let rule = |name: &str, text: &str| if allowed.contains(&name) || is_test(name) { vec![] } else { lines_with(name, text, &words) };
    none(&broken(rule), "use littoral_engine::clock, or take the time as an argument");
}

#[test]
fn only_commands_print() {
    let words = ["println!(".to_string(), "print!(".to_string(), "eprintln!(".to_string()];
    let rule = |name: &str, text: &str| {
        if name.starts_with("src/") || name == "edge-runtime/src/main.rs" || is_test(name) {
            vec![]
        } else {
            lines_with(name, text, &words)
        }
    };
    none(&broken(rule), "return it, count it, or log it with tracing");
}

fn tree(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output =
        Command::new(cargo).arg("tree").args(arguments).args(["--offline", "--prefix", "none"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_device_program_has_no_sql_engine_and_no_kafka() {
    let tree = tree(&["-p", "littoral-edge", "-e", "normal"]);
    let banned = [
        "datafusion",
        "datafusion-sql",
        "sqlparser",
        "datafusion-optimizer",
        "datafusion-physical-plan",
        "rdkafka",
        "differential-dataflow",
    ];
    let found: Vec<&str> = tree.lines().filter_map(|l| l.split(' ').next()).filter(|name| banned.contains(name)).collect();
    assert!(found.is_empty(), "the device program depends on {found:?}: put it behind the engine's sql feature");
    assert!(tree.contains("timely "), "the tree is read");
}

#[test]
fn nothing_downloads_a_model_runtime() {
    let tree = tree(&["--workspace", "-e", "features"]);
    assert!(!tree.contains("ort feature \"download-binaries\""), "ort must not fetch binaries: default-features = false");
}
