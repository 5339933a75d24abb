//! The program `paimon`: tables made by SQL, changed by Java, queried by SQL.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::case::Outcome;
use crate::java::Java;
use crate::ours;
use crate::rows::{difference, fields_of_java, texts_of_java};

/// Name of the case.
pub const NAME: &str = "program";

const CREATE: &str = "
CREATE TABLE k (id INT NOT NULL, v BIGINT, s STRING, dt DATE, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '2');
CREATE TABLE a (id INT, v BIGINT, s STRING, dt DATE) PARTITIONED BY (dt);
INSERT INTO k SELECT value, value * 10, 'row ' || value, DATE '2024-01-01' FROM generate_series(1, 100);
INSERT INTO k SELECT value, value * 11, NULL, DATE '2024-01-02' FROM generate_series(50, 150);
INSERT INTO a SELECT value, value * 10, 'row ' || value, DATE '2024-01-01' FROM generate_series(1, 100);
INSERT INTO a VALUES (101, NULL, 'last', DATE '2024-01-02')";

/// Plays the case in a folder of its own, which becomes the warehouse.
pub async fn play(program: &Path, java: &Java, warehouse: &Path) -> Outcome {
    match steps(program, java, warehouse).await {
        Ok(()) => Outcome::Ok,
        Err(why) => Outcome::Failed(why),
    }
}

async fn steps(program: &Path, java: &Java, warehouse: &Path) -> Result<(), String> {
    let sql = |text: &str| run(program, warehouse, &["-q", "--format", "csv", "-c", text]);
    sql(CREATE)?;
    let row = |id: i32| json!(["+I", id, 7, "of Java", "2024-01-02"]);
    for (name, rows) in [("k", 150), ("a", 101)] {
        let table = warehouse.join("default.db").join(name);
        agree(java, &table, rows).await?;
        // one row replaces another in the table with a key
        let more = json!({"rows": [row(1), row(1000)], "compact": true});
        java.ask("write", &table, more).await?;
        java.ask("compact", &table, json!({})).await?;
        let rows = if name == "k" { rows + 1 } else { rows + 2 };
        agree(java, &table, rows).await?;
        let found = sql(&format!(
            "SELECT count(*) AS n, sum(CASE WHEN s = 'of Java' THEN v END) AS v FROM {name}"
        ))?;
        let expected = format!("n,v\n{rows},14");
        if found.trim() != expected {
            return Err(format!(
                "table {name}: SQL gives {found:?}, expected {expected:?}"
            ));
        }
        run(program, warehouse, &["fsck", &format!("default.{name}")])?;
    }
    Ok(())
}

/// Java and the core read the same rows, as many as expected.
async fn agree(java: &Java, table: &Path, rows: usize) -> Result<(), String> {
    let answer = java.ask("read", table, json!({})).await?;
    let fields = fields_of_java(&answer).map_err(|e| e.to_string())?;
    let of_java = texts_of_java(&answer["rows"], &fields);
    let ours = ours::read(table, &[]).await.map_err(|e| e.to_string())?;
    if let Some(text) = difference(("this engine", &ours), ("Java", &of_java)) {
        return Err(text);
    }
    match ours.len() == rows {
        true => Ok(()),
        false => Err(format!("{} rows, expected {rows}", ours.len())),
    }
}

fn run(program: &Path, warehouse: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .env("TZ", "UTC")
        .arg("--warehouse")
        .arg(warehouse)
        .args(args);
    let output = command
        .output()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
