//! The catalog against a service of the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod objects;

use arrow_array::{Int32Array, RecordBatch};
use paimon_core::io::{CommitPrimitive, OpenedStore, StoreFactory};
use paimon_core::schema::{NewColumn, SchemaManager};
use paimon_core::spec::parse_data_type;
use serde_json::json;

use super::testing::{Answer, Seen, Service};
use super::*;

fn catalog(service: &Service, more: &[(&str, &str)]) -> RestCatalog {
    let mut options = BTreeMap::from([
        ("uri".to_string(), service.uri.clone()),
        ("warehouse".to_string(), "wh".to_string()),
        ("token.provider".to_string(), "bear".to_string()),
        ("token".to_string(), "hush".to_string()),
    ]);
    options.extend(more.iter().map(|(k, v)| (k.to_string(), v.to_string())));
    RestCatalog::new("c", options).unwrap()
}

fn ok(body: serde_json::Value) -> Answer {
    Some((200, body.to_string()))
}

fn is_config(seen: &Seen) -> bool {
    seen.line.starts_with("GET /v1/config")
}

fn config() -> Answer {
    ok(json!({ "defaults": { "prefix": "p/q" } }))
}

fn refusal(code: u16, kind: &str) -> Answer {
    let body =
        json!({ "message": "said so", "resourceType": kind, "resourceName": "x", "code": code });
    Some((code, body.to_string()))
}

fn id(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn one_column() -> NewTable {
    NewTable {
        columns: vec![NewColumn {
            name: "a".to_string(),
            data_type: parse_data_type("INT").unwrap(),
            comment: None,
            default: None,
        }],
        ..NewTable::default()
    }
}

#[tokio::test]
async fn listings_are_read_to_their_last_page() {
    let service = Service::start(|_, seen| match seen.line.as_str() {
        _ if is_config(seen) => config(),
        "GET /v1/p%2Fq/databases" => ok(json!({ "databases": ["b"], "nextPageToken": "b c" })),
        "GET /v1/p%2Fq/databases?pageToken=b+c" => {
            ok(json!({ "databases": ["a"], "nextPageToken": null }))
        }
        "GET /v1/p%2Fq/databases/a/tables" => ok(json!({ "tables": ["t", "s"] })),
        _ => refusal(404, "DATABASE"),
    })
    .await;
    let c = catalog(&service, &[]);
    assert_eq!(c.list_databases().await.unwrap(), ["a", "b", "default"]);
    assert_eq!(c.list_tables("a").await.unwrap(), ["s", "t"]);
    assert!(c.list_tables("default").await.unwrap().is_empty());
    let error = c.list_tables("none").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let first = service.seen.lock().unwrap()[0].clone();
    assert_eq!(first.line, "GET /v1/config?warehouse=wh");
    assert_eq!(first.token, "hush");
    let configs = service
        .lines()
        .iter()
        .filter(|l| l.contains("config"))
        .count();
    assert_eq!(configs, 1);
}

#[tokio::test]
async fn codes_are_errors_of_their_kind() {
    for (code, kind, error_kind, word) in [
        (400, "", ErrorKind::InvalidInput, "said so"),
        (401, "", ErrorKind::InvalidInput, "token"),
        (403, "TABLE", ErrorKind::InvalidInput, "forbids"),
        (404, "TABLE", ErrorKind::NotFound, "table does not exist"),
        (
            404,
            "DATABASE",
            ErrorKind::NotFound,
            "database does not exist",
        ),
        (409, "TABLE", ErrorKind::InvalidInput, "already"),
        (418, "", ErrorKind::Io, "418"),
        (500, "", ErrorKind::Io, "500"),
        (501, "", ErrorKind::Unsupported, "cannot do that"),
    ] {
        let service = Service::start(move |_, seen| match is_config(seen) {
            true => config(),
            false => refusal(code, kind),
        })
        .await;
        let c = catalog(&service, &[]);
        let error = c.drop_table(&id("db.t"), false).await.unwrap_err();
        assert_eq!(error.kind(), error_kind, "{code}: {error}");
        assert!(error.to_string().contains(word), "{code}: {error}");
        assert_eq!(
            error.to_string().contains("outcome"),
            code == 500,
            "{error}"
        );
        assert!(!format!("{c:?} {error:?}").contains("hush"));
        // what changes something is asked for once
        assert_eq!(service.lines().len(), 2, "{code}");
    }
}

#[tokio::test]
async fn reads_are_repeated_and_changes_are_not() {
    let service = Service::start(|earlier, seen| match (is_config(seen), earlier) {
        (true, _) => config(),
        (false, 0) => None,
        (false, 1) => Some((503, String::new())),
        (false, 2) => Some((429, String::new())),
        (false, _) => ok(json!({ "tables": ["t"] })),
    })
    .await;
    let c = catalog(&service, &[]);
    assert_eq!(c.list_tables("db").await.unwrap(), ["t"]);
    assert_eq!(service.lines().len(), 5);
    let error = c.create_database("db", true).await.unwrap_err();
    assert!(error.to_string().contains("outcome"), "{error}");
    assert_eq!(service.lines().len(), 6);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_clear_error() {
    let service = Service {
        uri: "http://127.0.0.1:1".to_string(),
        seen: Arc::default(),
    };
    let error = catalog(&service, &[]).list_databases().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn answers_of_another_form_are_refused_without_showing_them() {
    let service = Service::start(|_, seen| match is_config(seen) {
        true => config(),
        false => Some((200, "hush [".to_string())),
    })
    .await;
    let error = catalog(&service, &[]).list_tables("db").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_when_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old").unwrap();
    let service = Service::start(|_, seen| match (seen.token.as_str(), is_config(seen)) {
        ("new", true) => config(),
        ("new", false) => ok(json!({ "databases": [] })),
        _ => Some((401, String::new())),
    })
    .await;
    let mut options = catalog(&service, &[]).options;
    options.remove("token");
    options.insert("token-file".into(), path.display().to_string());
    let c = RestCatalog::new("c", options).unwrap();
    let error = c.list_databases().await.unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
    std::fs::write(&path, "new").unwrap();
    assert_eq!(c.list_databases().await.unwrap(), ["default"]);
}

#[tokio::test]
async fn requests_are_signed_anew_whenever_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let token = |id: &str| {
        let token =
            json!({ "AccessKeyId": id, "AccessKeySecret": "hush", "SecurityToken": "quiet" });
        std::fs::write(&path, token.to_string()).unwrap();
    };
    token("old");
    let service = Service::start(|_, seen| match is_config(seen) {
        true => config(),
        false if seen.token.contains("Credential=new/") => ok(json!({})),
        false => {
            let said = format!(
                "x-dlf-security-token:{} of hush",
                seen.header("x-dlf-security-token")
            );
            Some((401, json!({ "message": said }).to_string()))
        }
    })
    .await;
    let options = [
        ("token.provider", "dlf".to_string()),
        ("dlf.region", "cn-x".to_string()),
        ("dlf.token-path", path.display().to_string()),
        ("uri", service.uri.clone()),
        ("header.content-md5", "not this".to_string()),
    ];
    let options = options.map(|(k, v)| (k.to_string(), v));
    let c = RestCatalog::new("c", options.into_iter().collect()).unwrap();
    let error = c.create_database("db", false).await.unwrap_err();
    assert!(error.to_string().contains("******"), "{error}");
    let printed = format!("{error} {error:?} {c:?}");
    assert!(
        !printed.contains("hush") && !printed.contains("quiet"),
        "{printed}"
    );
    token("new");
    c.create_database("db", false).await.unwrap();

    let seen = service.seen.lock().unwrap();
    let posts: Vec<&Seen> = seen.iter().filter(|s| s.line.starts_with("POST")).collect();
    assert_eq!(posts.len(), 3);
    let of = |at: usize, name: &str| posts[at].header(name);
    assert!(of(1, "authorization").contains("Credential=old/"));
    assert!(of(2, "authorization").contains("Credential=new/"));
    assert_ne!(of(1, "authorization"), of(2, "authorization"));
    assert_eq!(of(2, "content-type"), "application/json");
    assert_ne!(of(2, "content-md5"), "not this");
    assert_eq!(of(2, "x-dlf-security-token"), "quiet");
}

/// One store; remembers the keys that it was opened with.
#[derive(Debug, Default)]
struct Keyed {
    keys: std::sync::Mutex<Vec<String>>,
    store: Arc<object_store::memory::InMemory>,
}

impl StoreFactory for Keyed {
    fn schemes(&self) -> &[&'static str] {
        &["keyed"]
    }

    fn open(&self, _: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore> {
        self.keys.lock().unwrap().push(options["key"].clone());
        Ok(OpenedStore {
            store: self.store.clone(),
            commit: CommitPrimitive::ConditionalPut,
            replaced_by_others: false,
            folders: None,
        })
    }
}

#[tokio::test]
async fn stores_of_tables_are_opened_with_their_own_credentials() {
    let factory = Arc::new(Keyed::default());
    let io = FileIo::with_store(factory.store.clone(), "keyed://b");
    for table in ["t", "u"] {
        let schema = one_column().into_schema(1).unwrap();
        let schemas = SchemaManager::new(io.clone(), &format!("keyed://b/{table}"));
        schemas.create(&schema).await.unwrap();
    }
    let service = Service::start(|earlier, seen| {
        let line = seen
            .line
            .trim_start_matches("GET /v1/p%2Fq/databases/db/tables/");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        match line {
            _ if is_config(seen) => ok(json!({
                "defaults": { "prefix": "p/q", "key": "of the catalog" },
                "overrides": { "data-token.enabled": "true" },
            })),
            "t" | "u" => ok(json!({ "id": "1", "path": format!("keyed://b/{line}") })),
            "t/token" => ok(json!({
                "token": { "key": format!("t{earlier}") },
                "expiresAtMillis": now.as_millis() as u64 + 500,
            })),
            "u/token" => ok(json!({ "token": { "key": "u" } })),
            "v" => ok(json!({ "id": "1", "path": "keyed://b/v" })),
            _ => Some((403, json!({ "message": "not with hush" }).to_string())),
        }
    })
    .await;
    let options = catalog(&service, &[]).options;
    let stores = Stores::new().with(factory.clone());
    let c = RestCatalog::on("c", options, &stores).unwrap();
    for name in ["db.t", "db.t", "db.u"] {
        c.get_table(&id(name)).await.unwrap();
    }
    assert_eq!(*factory.keys.lock().unwrap(), ["t0", "u"]);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    c.get_table(&id("db.t")).await.unwrap();
    assert_eq!(*factory.keys.lock().unwrap(), ["t0", "u", "t1"]);
    let error = c.get_table(&id("db.v")).await.unwrap_err().to_string();
    assert!(error.contains("db.v") && !error.contains("hush"), "{error}");
}

/// A table whose service publishes snapshots as `commit` says.
struct World {
    folder: tempfile::TempDir,
    service: Service,
}

/// Writes the snapshot of a request, as a service does.
fn publish(root: &str, seen: &Seen) {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let snapshot = &body["snapshot"];
    std::fs::create_dir_all(format!("{root}/snapshot")).unwrap();
    let path = format!("{root}/snapshot/snapshot-{}", snapshot["id"]);
    std::fs::write(path, snapshot.to_string()).unwrap();
}

impl World {
    async fn new(commit: impl Fn(usize, &str, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_string();
        let io = FileIo::for_location(&root).unwrap();
        let schema = one_column().into_schema(1).unwrap();
        SchemaManager::new(io, &root).create(&schema).await.unwrap();
        let service = Service::start(move |earlier, seen| match seen.line.as_str() {
            _ if is_config(seen) => config(),
            "GET /v1/p%2Fq/databases/db/tables/t" => {
                ok(json!({ "id": "u1", "path": root, "isExternal": false, "schema": { "options": {} } }))
            }
            "POST /v1/p%2Fq/databases/db/tables/t/commit" => commit(earlier, &root, seen),
            _ => refusal(404, "TABLE"),
        })
        .await;
        Self { folder, service }
    }

    async fn insert(&self) -> Result<()> {
        let table = catalog(&self.service, &[]).get_table(&id("db.t")).await?;
        let a: Int32Array = [Some(1)].into_iter().collect();
        let batch = RecordBatch::try_from_iter([("a", Arc::new(a) as _)]).unwrap();
        let mut write = table.new_write()?;
        write.write(&batch).await?;
        let messages = write.prepare_commit().await?;
        table.new_commit().commit(1, messages).await.map(drop)
    }

    async fn rows(&self) -> usize {
        let table = catalog(&self.service, &[])
            .get_table(&id("db.t"))
            .await
            .unwrap();
        let batches = table.read_builder().collect().await.unwrap();
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn commits(&self) -> Vec<Seen> {
        let seen = self.service.seen.lock().unwrap();
        seen.iter()
            .filter(|s| s.line.ends_with("/commit"))
            .cloned()
            .collect()
    }
}

#[tokio::test]
async fn the_service_publishes_snapshots() {
    let world = World::new(|_, root, seen| {
        publish(root, seen);
        ok(json!({ "success": true }))
    })
    .await;
    world.insert().await.unwrap();
    world.insert().await.unwrap();
    assert_eq!(world.rows().await, 2);
    let bodies: Vec<serde_json::Value> = world
        .commits()
        .iter()
        .map(|s| serde_json::from_str(&s.body).unwrap())
        .collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0]["tableId"], "u1");
    assert!(bodies[0]["baseSnapshotUuid"].is_null());
    assert_eq!(bodies[1]["baseSnapshotUuid"], bodies[0]["snapshot"]["uuid"]);
    assert_eq!(bodies[1]["snapshot"]["id"], 2);
    let statistics = &bodies[1]["statistics"];
    assert_eq!(
        (&statistics[0]["recordCount"], &statistics[0]["fileCount"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_commit_that_lost_is_tried_again() {
    let world = World::new(|earlier, root, seen| match earlier {
        0 => ok(json!({ "success": false })),
        1 => refusal(409, "SNAPSHOT"),
        _ => {
            publish(root, seen);
            ok(json!({ "success": true }))
        }
    })
    .await;
    world.insert().await.unwrap();
    assert_eq!(world.rows().await, 1);
    assert_eq!(world.commits().len(), 3);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_and_made_once() {
    let world = World::new(|_, root, seen| {
        publish(root, seen);
        Some((500, String::new()))
    })
    .await;
    world.insert().await.unwrap();
    assert_eq!(world.rows().await, 1);
    assert_eq!(world.commits().len(), 1);
}

#[tokio::test]
async fn a_commit_that_is_told_to_have_lost_against_itself_took_effect() {
    for answer in [ok(json!({ "success": false })), refusal(409, "SNAPSHOT")] {
        let world = World::new(move |_, root, seen| {
            publish(root, seen);
            answer.clone()
        })
        .await;
        world.insert().await.unwrap();
        assert_eq!(world.rows().await, 1);
        assert_eq!(world.commits().len(), 1);
    }
}

#[tokio::test]
async fn what_the_service_echoes_and_what_is_printed_holds_no_token() {
    let world = World::new(|_, _, _| {
        let text = "no: Authorization: Bearer hush, token: hush and bare hush";
        let body = json!({ "message": text, "code": 403, "resourceName": "hush" });
        Some((403, body.to_string()))
    })
    .await;
    let error = world.insert().await.unwrap_err();
    assert!(error.to_string().contains("******"), "{error}");
    let c = catalog(&world.service, &[]);
    let table = c.get_table(&id("db.t")).await.unwrap();
    let printed = format!("{error} {error:?} {table:?} {c:?}");
    assert!(!printed.contains("hush"), "{printed}");
}

#[tokio::test]
async fn a_commit_that_is_refused_leaves_no_file() {
    let world = World::new(|_, _, _| refusal(403, "TABLE")).await;
    let error = world.insert().await.unwrap_err();
    assert!(error.to_string().contains("forbids"), "{error}");
    assert_eq!(world.rows().await, 0);
    let manifests = std::fs::read_dir(world.folder.path().join("manifest"));
    assert_eq!(manifests.map_or(0, Iterator::count), 0);
}

#[tokio::test]
async fn new_tables_are_sent_as_java_does() {
    let service = Service::start(|_, seen| match is_config(seen) {
        true => ok(json!({ "defaults": { "table-default.x.y": "1" } })),
        false => Some((200, String::new())),
    })
    .await;
    let c = catalog(&service, &[]);
    assert!(
        c.create_table(&id("db.t"), one_column(), false)
            .await
            .unwrap()
    );
    let seen = service.seen.lock().unwrap()[1].clone();
    assert_eq!(seen.line, "POST /v1/databases/db/tables");
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let expected = json!({
        "identifier": { "database": "db", "object": "t" },
        "schema": {
            "fields": [{ "id": 0, "name": "a", "type": "INT" }],
            "partitionKeys": [], "primaryKeys": [], "options": { "x.y": "1" },
        },
    });
    assert_eq!(body, expected);
    let mut elsewhere = one_column();
    elsewhere.options.insert("path".into(), "/else".into());
    let error = c
        .create_table(&id("db.t"), elsewhere, false)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
