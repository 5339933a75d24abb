//! `paimon fsck db.t`: the invariants of a table.

use std::io::Write;

use paimon_catalog::{Identifier, create_catalog_on};
use paimon_core::Error;
use paimon_core::maintenance::fsck::{FsckReport, fsck};
use serde_json::{Value, json};

use crate::args::Args;
use crate::failure::{Failure, Outcome};
use crate::run::catalogs;

/// Checks the table and prints what it found; a finding makes the program fail with the code of damaged data.
pub(crate) async fn run(args: &Args, table: &str, as_json: bool) -> Outcome {
    let report = check(args, table).await?;
    let text = if as_json {
        to_json(table, &report).to_string()
    } else {
        to_text(table, &report)
    };
    let mut out = std::io::stdout();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|e| Failure::output(&e))?;
    match report.findings.len() {
        0 => Ok(()),
        count => Err(Failure::damaged(format!(
            "{table}: {count} invariants are violated"
        ))),
    }
}

async fn check(args: &Args, table: &str) -> Outcome<FsckReport> {
    let (all, first) = catalogs(args)?;
    let chosen = first.and_then(|name| all.into_iter().find(|(n, _)| *n == name));
    let Some((name, options)) = chosen else {
        return Err(Failure::usage(
            "fsck needs a catalog: give --warehouse, --catalog-option or --config".to_string(),
        ));
    };
    let found = async {
        let catalog = create_catalog_on(&name, options, &paimon_stores::all())?;
        let identifier = Identifier::parse(table)?;
        if identifier.system().is_some() {
            return Err(Error::invalid(
                "fsck checks tables and branches, not system tables: name the table without the part behind $",
            )
            .with("table", identifier));
        }
        let table = catalog.get_table(&identifier).await?;
        fsck(&table).await
    };
    found.await.map_err(|e| Failure::engine(&e))
}

fn to_json(table: &str, report: &FsckReport) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|f| {
            json!({
                "invariant": f.invariant,
                "message": f.message,
                "path": f.path,
                "snapshotId": f.snapshot_id,
            })
        })
        .collect();
    json!({
        "table": table,
        "snapshots": report.snapshots,
        "files": report.files,
        "findings": findings,
    })
}

fn to_text(table: &str, report: &FsckReport) -> String {
    let mut lines: Vec<String> = report
        .findings
        .iter()
        .map(|f| {
            let mut line = format!("{} {}", f.invariant, f.message);
            if let Some(id) = f.snapshot_id {
                line.push_str(&format!(" [snapshot_id={id}]"));
            }
            if let Some(path) = &f.path {
                line.push_str(&format!(" [path={path}]"));
            }
            line
        })
        .collect();
    lines.push(format!(
        "{table}: {} snapshots, tags and changelogs with {} files checked, {} findings",
        report.snapshots,
        report.files,
        report.findings.len()
    ));
    lines.join("\n")
}
