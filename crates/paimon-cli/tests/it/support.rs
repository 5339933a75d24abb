//! Warehouses and runs of the program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use paimon_testing::folders::copy_folder;

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden")
}

/// A warehouse with golden tables in `default`, dashes in their names as underscores.
pub fn warehouse(tables: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in tables {
        let target = folder
            .path()
            .join("default.db")
            .join(name.replace('-', "_"));
        copy_folder(&golden().join(name).join("table"), &target).unwrap();
    }
    folder
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paimon"));
    command.env_remove("RUST_LOG").env("TZ", "UTC");
    command
}

/// Runs the program on a warehouse.
pub fn paimon(warehouse: &Path, arguments: &[&str]) -> Run {
    let output = command()
        .arg("--warehouse")
        .arg(warehouse)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.into()
}

/// Runs the program without a catalog.
pub fn plain(arguments: &[&str]) -> Run {
    let output = command()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.into()
}

/// Runs the program with a script on standard input.
pub fn piped(warehouse: &Path, arguments: &[&str], script: &str) -> Run {
    let mut child = command()
        .arg("--warehouse")
        .arg(warehouse)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().into()
}
