//! Broken pipelines: each message is kept beside its file. `UPDATE_EXPECT=1` writes them anew; read the diff.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn check(pipeline: &Path, folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_littoral")).arg("check").arg(pipeline).current_dir(folder).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

#[test]
fn each_broken_pipeline_is_refused_with_its_message() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    assert!(files.len() >= 9, "the broken pipelines are there");
    for file in files {
        let name = file.file_name().unwrap().to_owned();
        let (code, message) = check(Path::new(&name), &folder());
        assert_eq!(code, Some(2), "{name:?}: {message}");
        assert!(!message.contains("panicked"), "{name:?}: {message}");
        let expected = file.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, &message).unwrap();
        }
        assert_eq!(message, std::fs::read_to_string(&expected).unwrap_or_default(), "{name:?}");
    }
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("huge.yaml"), "pipeline: x\n# ".to_string() + &"x".repeat(2 << 20)).unwrap();
    let (code, message) = check(Path::new("huge.yaml"), folder.path());
    assert_eq!(code, Some(2));
    assert!(message.contains("\"huge.yaml\" has 2097166 bytes, and 1048576 are allowed"), "{message}");
}

#[test]
fn the_checked_in_schema_is_the_generated_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_littoral")).args(["check", "--schema"]).output().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/pipeline.schema.json");
    let generated = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    assert_eq!(generated, std::fs::read_to_string(path).unwrap_or_default(), "run littoral check --schema > schemas/pipeline.schema.json");
}
