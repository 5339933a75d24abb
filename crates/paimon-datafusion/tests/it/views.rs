//! Views that catalogs keep: depth, and what is stored.

use std::sync::Arc;

use paimon_catalog::{Catalog, Identifier, View};
use paimon_datafusion::PaimonSession;

use super::layered::Layered;

async fn run(session: &PaimonSession, sql: &str) -> Result<usize, String> {
    let frame = session.sql(sql).await.map_err(|e| e.to_string())?;
    let batches = frame.collect().await.map_err(|e| e.to_string())?;
    Ok(batches.iter().map(|b| b.num_rows()).sum())
}

fn session(catalog: &Arc<Layered>) -> PaimonSession {
    let session = PaimonSession::new();
    session.register_catalog(catalog.clone());
    session.use_catalog("kept").unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn views_lie_within_each_other_up_to_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Arc::new(Layered::new("kept", folder.path()));
    let session = session(&catalog);
    run(&session, "CREATE VIEW v0 AS SELECT 1 AS a")
        .await
        .unwrap();
    for i in 1..32 {
        let sql = format!("CREATE VIEW v{i} AS SELECT a FROM v{}", i - 1);
        run(&session, &sql).await.unwrap();
    }
    assert_eq!(run(&session, "SELECT * FROM v31").await, Ok(1));
    let error = run(&session, "CREATE VIEW v32 AS SELECT a FROM v31")
        .await
        .unwrap_err();
    assert!(error.contains("more than 32 views"), "{error}");
    let replaced = run(&session, "CREATE OR REPLACE VIEW v0 AS SELECT a FROM v1")
        .await
        .unwrap_err();
    assert!(replaced.contains("a view reads itself"), "{replaced}");
    assert_eq!(run(&session, "SELECT * FROM v1").await, Ok(1));
    // made by another program
    let view = View {
        query: "SELECT * FROM V1".into(),
        ..View::default()
    };
    let v0 = Identifier::new("default", "v0").unwrap();
    catalog.drop_view(&v0, false).await.unwrap();
    catalog.create_view(&v0, &view, false).await.unwrap();
    let error = run(&session, "SELECT * FROM v1").await.unwrap_err();
    assert!(error.contains("a view reads itself"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_kept_as_it_was_written_and_explaining_it_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Arc::new(Layered::new("kept", folder.path()));
    let session = session(&catalog);
    run(&session, "CREATE TABLE t (a INT NOT NULL, b STRING)")
        .await
        .unwrap();
    let text =
        "SELECT a, b || '''' AS b FROM t /*+ OPTIONS('scan.mode' = 'latest-full') */ WHERE a > 0";
    run(&session, &format!("EXPLAIN CREATE VIEW v AS {text}"))
        .await
        .unwrap();
    assert!(catalog.list_views("default").await.unwrap().is_empty());
    let sql = format!(
        "CREATE VIEW v (x COMMENT 'one', y) COMMENT 'c' TBLPROPERTIES ('k' = '1') AS {text};"
    );
    run(&session, &sql).await.unwrap();
    let view = catalog
        .get_view(&Identifier::new("default", "v").unwrap())
        .await
        .unwrap();
    assert_eq!(view.query, text);
    assert_eq!(view.query_in("datafusion"), text);
    let columns: Vec<String> = view
        .fields
        .iter()
        .map(|f| format!("{} {}", f.name, f.data_type))
        .collect();
    assert_eq!(columns, ["x INT NOT NULL", "y STRING"]);
    assert_eq!(view.fields[0].description.as_deref(), Some("one"));
    assert_eq!(
        (view.comment.as_deref(), view.options["k"].as_str()),
        (Some("c"), "1")
    );
    // another dialect is not ours
    let other = View {
        query: "SELECT 7 AS n".into(),
        dialects: [("spark".to_string(), "SELECT nonsense(".to_string())].into(),
        ..View::default()
    };
    let w = Identifier::new("default", "w").unwrap();
    catalog.create_view(&w, &other, false).await.unwrap();
    assert_eq!(run(&session, "SELECT n FROM w WHERE n = 7").await, Ok(1));
}
