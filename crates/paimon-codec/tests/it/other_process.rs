//! Plans run in a process that never saw the SQL.

use std::path::Path;
use std::process::Command;

use super::{Way, encoded, run, run_encoded, session, warehouse};

const FOLDER: &str = "PAIMON_CODEC_TEST_FOLDER";

/// The other process: this test program, asked to run the plan in a folder.
#[tokio::test(flavor = "multi_thread")]
async fn runs_a_plan_when_asked_to() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let way = match std::fs::read_to_string(folder.join("way"))
        .unwrap()
        .as_str()
    {
        "Logical" => Way::Logical,
        _ => Way::Physical,
    };
    let warehouse = std::fs::read_to_string(folder.join("warehouse")).unwrap();
    let bytes = std::fs::read(folder.join("plan")).unwrap();
    let rows = run_encoded(way, &session(Path::new(&warehouse)), &bytes).await;
    std::fs::write(folder.join("rows"), rows.unwrap().join("\n")).unwrap();
}

/// Rows of a plan from another process.
fn elsewhere(way: Way, warehouse: &Path, plan: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("way"), format!("{way:?}")).unwrap();
    std::fs::write(file("warehouse"), warehouse.to_str().unwrap()).unwrap();
    std::fs::write(file("plan"), plan).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "other_process::runs_a_plan_when_asked_to"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let rows = std::fs::read_to_string(file("rows")).unwrap();
    rows.lines().map(str::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_writes_run_in_another_process() {
    let warehouse = warehouse();
    let sender = session(warehouse.path());
    for sql in [
        "SELECT * FROM pk ORDER BY id LIMIT 5",
        "SELECT a.id FROM pk a JOIN parted b ON a.id = b.id",
        "SELECT * FROM completed",
        "SELECT * FROM logged$audit_log",
    ] {
        let expected = run(Way::Direct, &sender, &sender, sql).await.unwrap();
        for way in [Way::Logical, Way::Physical] {
            let plan = encoded(way, &sender, sql).await.unwrap();
            assert_eq!(
                elsewhere(way, warehouse.path(), &plan),
                expected,
                "{sql}: {way:?}"
            );
        }
    }
    let count = "SELECT count(*) FROM parted";
    for way in [Way::Logical, Way::Physical] {
        let before: usize = run(Way::Direct, &sender, &sender, count).await.unwrap()[0]
            .parse()
            .unwrap();
        let insert = "INSERT INTO parted SELECT * FROM parted";
        let plan = encoded(way, &sender, insert).await.unwrap();
        for _ in 0..2 {
            let written = elsewhere(way, warehouse.path(), &plan);
            assert_eq!(written.len(), 1, "{way:?}");
        }
        let after = run(Way::Direct, &sender, &sender, count).await.unwrap();
        assert_eq!(after, [(2 * before).to_string()], "{way:?}");
    }
}
