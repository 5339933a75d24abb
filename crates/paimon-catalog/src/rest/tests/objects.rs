//! Views, functions and format tables.

use super::*;

#[tokio::test]
async fn views_have_the_paths_and_json_of_java() {
    let answer = json!({ "id": "1", "name": "v", "owner": null, "schema": {
        "fields": [{ "id": 0, "name": "a", "type": "INT" }], "query": "SELECT 1",
        "dialects": { "spark": "SELECT 1L" }, "options": {} } });
    let service = Service::start(move |earlier, seen| match seen.line.as_str() {
        _ if is_config(seen) => config(),
        "POST /v1/p%2Fq/databases/db/views/v" => match earlier {
            0 => Some((200, String::new())),
            1 => refusal(409, "DIALECT"),
            _ => refusal(404, "DIALECT"),
        },
        "GET /v1/p%2Fq/databases/db/views" => ok(json!({ "views": ["w", "v"] })),
        "GET /v1/p%2Fq/databases/db/views/v" => ok(answer.clone()),
        "POST /v1/p%2Fq/databases/db/views" | "POST /v1/p%2Fq/views/rename" => ok(json!({})),
        "DELETE /v1/p%2Fq/databases/db/views/v" => ok(json!({})),
        _ => refusal(404, "VIEW"),
    })
    .await;
    let c = catalog(&service, &[]);
    assert_eq!(c.list_views("db").await.unwrap(), ["v", "w"]);
    let view = c.get_view(&id("db.v")).await.unwrap();
    assert_eq!(
        (view.query_in("spark"), view.query_in("flink")),
        ("SELECT 1L", "SELECT 1")
    );
    assert_eq!(view.fields[0].data_type, parse_data_type("INT").unwrap());
    c.create_view(&id("db.v"), &view, false).await.unwrap();
    let add = [ViewChange::AddDialect {
        dialect: "flink".into(),
        query: "SELECT 2".into(),
    }];
    c.alter_view(&id("db.v"), &add).await.unwrap();
    let error = c.alter_view(&id("db.v"), &add).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = c.alter_view(&id("db.v"), &add).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("in that dialect"), "{error}");
    let error = c.alter_view(&id("db.none"), &add).await.unwrap_err();
    assert!(error.to_string().contains("view does not exist"), "{error}");
    c.rename_view(&id("db.v"), &id("db.w")).await.unwrap();
    c.drop_view(&id("db.v"), false).await.unwrap();
    c.drop_view(&id("db.none"), true).await.unwrap();
    let error = c.get_view(&id("db.none")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("view does not exist"), "{error}");
    let seen = service.seen.lock().unwrap();
    let posted = seen
        .iter()
        .find(|s| s.line.starts_with("POST") && s.line.ends_with("/db/views"));
    let body: serde_json::Value = serde_json::from_str(&posted.unwrap().body).unwrap();
    assert_eq!(
        body["identifier"],
        json!({ "database": "db", "object": "v" })
    );
    assert_eq!(body["schema"]["dialects"], json!({ "spark": "SELECT 1L" }));
    assert_eq!(body["schema"]["query"], "SELECT 1");
    let altered = (seen.iter()).find(|s| s.line.ends_with("/db/views/v") && !s.body.is_empty());
    let body: serde_json::Value = serde_json::from_str(&altered.unwrap().body).unwrap();
    assert_eq!(
        body,
        json!({ "changes": [{ "action": "addDialect", "dialect": "flink", "query": "SELECT 2" }] })
    );
}

#[tokio::test]
async fn functions_have_the_paths_and_json_of_java() {
    let answer = json!({ "uuid": "u", "name": "f", "inputParams": null, "returnParams": null,
        "deterministic": true, "comment": "c", "options": {}, "owner": "o", "createdAt": 1,
        "definitions": { "spark": { "type": "sql", "definition": "x + 1" } } });
    let service = Service::start(move |earlier, seen| match seen.line.as_str() {
        _ if is_config(seen) => config(),
        "GET /v1/p%2Fq/databases/db/functions" => {
            ok(json!({ "functions": ["g"], "nextPageToken": "g" }))
        }
        "GET /v1/p%2Fq/databases/db/functions?pageToken=g" => ok(json!({ "functions": ["f"] })),
        "GET /v1/p%2Fq/databases/db/functions/f" => ok(answer.clone()),
        "POST /v1/p%2Fq/databases/db/functions" => match earlier {
            0 => Some((200, String::new())),
            _ => refusal(409, "FUNCTION"),
        },
        "POST /v1/p%2Fq/databases/db/functions/f" => match earlier {
            0 => Some((200, String::new())),
            1 => refusal(409, "DEFINITION"),
            _ => refusal(404, "DEFINITION"),
        },
        "DELETE /v1/p%2Fq/databases/db/functions/f" => Some((200, String::new())),
        line if line.contains("/nodb/") => refusal(404, "DATABASE"),
        _ => refusal(404, "FUNCTION"),
    })
    .await;
    let c = catalog(&service, &[]);
    assert_eq!(c.list_functions("db").await.unwrap(), ["f", "g"]);
    let error = c.list_functions("nodb").await.unwrap_err().to_string();
    assert!(error.contains("database does not exist"), "{error}");
    let f = c.get_function(&id("db.f")).await.unwrap();
    assert_eq!(f.comment.as_deref(), Some("c"));
    c.create_function(&id("db.f"), &f, false).await.unwrap();
    c.create_function(&id("db.f"), &f, true).await.unwrap();
    let error = c.create_function(&id("db.f"), &f, false).await.unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    let drop = crate::FunctionChange::DropDefinition {
        name: "spark".to_string(),
    };
    c.alter_function(&id("db.f"), std::slice::from_ref(&drop))
        .await
        .unwrap();
    for word in ["has that definition", "no such definition"] {
        let f = id("db.f");
        let done = c.alter_function(&f, std::slice::from_ref(&drop)).await;
        let error = done.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    c.drop_function(&id("db.f"), false).await.unwrap();
    c.drop_function(&id("db.none"), true).await.unwrap();
    let error = c.drop_function(&id("db.none"), false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let seen = service.seen.lock().unwrap().clone();
    let body = |line: &str| {
        let of = seen.iter().find(|s| s.line == line).unwrap();
        serde_json::from_str::<serde_json::Value>(&of.body).unwrap()
    };
    let created = body("POST /v1/p%2Fq/databases/db/functions");
    assert_eq!(
        (&created["name"], &created["deterministic"]),
        (&json!("f"), &json!(true))
    );
    assert_eq!(created["definitions"]["spark"]["type"], "sql");
    assert_eq!(
        body("POST /v1/p%2Fq/databases/db/functions/f"),
        json!({ "changes": [{ "action": "dropDefinition", "name": "spark" }] })
    );

    let asked = seen.len();
    for name in ["1", "a b", "ü"] {
        let name = Identifier::new("db", name).unwrap();
        let error = c.create_function(&name, &f, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = c.get_function(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(service.lines().len(), asked);
}

fn format_table() -> serde_json::Value {
    json!({ "id": "1", "path": "/nowhere/f", "isExternal": false, "schemaId": 0, "schema": {
        "fields": [{ "id": 0, "name": "a", "type": "INT" }, { "id": 1, "name": "p", "type": "DATE" }],
        "partitionKeys": ["p"], "primaryKeys": [], "options": { "type": "format-table", "file.format": "json" } } })
}

#[tokio::test]
async fn a_format_table_is_told_by_its_type() {
    let answer = format_table();
    let service = Service::start(move |_, seen| match seen.line.as_str() {
        _ if is_config(seen) => config(),
        "GET /v1/p%2Fq/databases/db/tables/f" => ok(answer.clone()),
        _ => refusal(404, "TABLE"),
    })
    .await;
    let c = catalog(&service, &[]);
    let found = c.get_format_table(&id("db.f")).await.unwrap().unwrap();
    assert_eq!(found.format, crate::FileFormat::Json);
    assert_eq!(found.partition_keys, ["p"]);
    assert_eq!(found.fields.len(), 2);
    assert!(c.get_format_table(&id("db.none")).await.unwrap().is_none());
    let error = c.get_table(&id("db.f")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_format_table_is_altered_by_the_service() {
    let answer = format_table();
    let service = Service::start(move |_, seen| match seen.line.as_str() {
        _ if is_config(seen) => config(),
        "GET /v1/p%2Fq/databases/db/tables/f" => ok(answer.clone()),
        "POST /v1/p%2Fq/databases/db/tables/f" => ok(json!({})),
        _ => refusal(404, "TABLE"),
    })
    .await;
    let c = catalog(&service, &[]);
    let set = |key: &str, value: &str| {
        let (key, value) = (key.to_string(), value.to_string());
        [SchemaChange::SetOption { key, value }]
    };
    let change = set("json.ignore-parse-errors", "true");
    c.alter_table(&id("db.f"), &change).await.unwrap();
    let posted = |line: &String| line.starts_with("POST");
    assert_eq!(service.lines().iter().filter(|l| posted(l)).count(), 1);
    for (key, value) in [
        ("file.format", "csv"),
        ("type", "table"),
        ("metastore.partitioned-table", "true"),
    ] {
        let error = c.alter_table(&id("db.f"), &set(key, value)).await;
        assert!(error.unwrap_err().to_string().contains(key));
    }
    let drop = [SchemaChange::DropColumn {
        path: vec!["p".to_string()],
    }];
    let error = c.alter_table(&id("db.f"), &drop).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = c.alter_table(&id("db.none"), &drop).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(service.lines().iter().filter(|l| posted(l)).count(), 1);
}
