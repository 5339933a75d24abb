//! The calls of the service.
//!
//! Java: `org.apache.paimon.rest.RESTApi`, `ResourcePaths`.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use paimon_core::Error;
use paimon_core::schema::SchemaChange;
use paimon_core::spec::TableSchema;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::client::{Failure, RestClient, headers};
use super::messages::{
    self, AlterDatabase, AlterFunction, AlterView, CommitTable, CommitTableAnswer, ConfigAnswer,
    CreateFunction, CreateTable, CreateView, DatabaseAnswer, Name, NamesPage, NewDatabase,
    RenameTable, ReplaceTable, RollbackSchema, TableAnswer, TableTokenAnswer, ViewAnswer,
};
use super::settings::{RestSettings, gives_tokens};
use crate::catalog::PropertyChanges;
use crate::function::{Function, FunctionChange};
use crate::identifier::Identifier;
use crate::view::{View, ViewChange};

const PREFIX: &str = "prefix";
const WAREHOUSE: &str = "warehouse";
/// Pages of a listing before it is taken for endless.
const PAGES_MAX: usize = 10_000;
/// Bytes of all names of a listing.
const NAMES_BYTES_MAX: usize = 256 << 20;

/// The service, which is asked for its options at the first use.
pub(super) struct Api {
    client: RestClient,
    own: BTreeMap<String, String>,
    warehouse: Option<String>,
    session: OnceCell<Session>,
}

/// What the service said to the first question.
pub(super) struct Session {
    /// Options of the catalog with those of the service.
    pub(super) options: BTreeMap<String, String>,
    /// Whether the service gives out credentials for the store of each table.
    pub(super) gives_tokens: bool,
    headers: HeaderMap,
    prefix: Option<String>,
}

// options and headers may hold secrets
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("client", &self.client)
            .field("warehouse", &self.warehouse)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// # Errors
    /// `InvalidInput` for what is no header.
    pub(super) fn new(
        settings: &RestSettings,
        options: &BTreeMap<String, String>,
    ) -> paimon_core::Result<Self> {
        headers(options)?;
        Ok(Self {
            client: RestClient::new(settings)?,
            own: options.clone(),
            warehouse: settings.warehouse.clone(),
            session: OnceCell::new(),
        })
    }

    pub(super) async fn session(&self) -> Result<&Session, Failure> {
        self.session.get_or_try_init(|| self.open_session()).await
    }

    /// What is known of the session without asking.
    pub(super) fn known_session(&self) -> Option<&Session> {
        self.session.get()
    }

    async fn open_session(&self) -> Result<Session, Failure> {
        let own = headers(&self.own).map_err(Failure::Refused)?;
        let warehouse = self.warehouse.as_deref().filter(|w| !w.is_empty());
        let query: Vec<(&str, &str)> = warehouse.map(|w| (WAREHOUSE, w)).into_iter().collect();
        let answer: ConfigAnswer = self.client.get(&own, &["config"], &query).await?;
        let options = answer.merged(&self.own);
        Ok(Session {
            gives_tokens: gives_tokens(&options).map_err(Failure::Refused)?,
            headers: headers(&options).map_err(Failure::Refused)?,
            prefix: options.get(PREFIX).filter(|p| !p.is_empty()).cloned(),
            options,
        })
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let session = self.session().await?;
        self.client
            .post(&session.headers, &session.path(path), body)
            .await
    }

    async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        let session = self.session().await?;
        self.client
            .delete(&session.headers, &session.path(path))
            .await
    }

    /// All pages of a listing, sorted.
    async fn names(&self, path: &[&str]) -> Result<Vec<String>, Failure> {
        let session = self.session().await?;
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        let (mut tokens, mut bytes) = (HashSet::new(), 0usize);
        for _ in 0..PAGES_MAX {
            let query: Vec<(&str, &str)> =
                token.iter().map(|t| ("pageToken", t.as_str())).collect();
            let page: NamesPage = self
                .client
                .get(&session.headers, &session.path(path), &query)
                .await?;
            let found = page.names.unwrap_or_default();
            let is_empty = found.is_empty();
            bytes += found.iter().map(String::len).sum::<usize>();
            if bytes > NAMES_BYTES_MAX {
                break;
            }
            names.extend(found);
            match page.next_page_token.filter(|t| !t.is_empty()) {
                Some(next) if !is_empty && tokens.insert(next.clone()) => token = Some(next),
                _ => {
                    names.sort();
                    names.dedup();
                    return Ok(names);
                }
            }
        }
        let text = format!(
            "a listing of the service has more than {PAGES_MAX} pages or {NAMES_BYTES_MAX} bytes of names"
        );
        Err(Failure::Refused(Error::damaged(text)))
    }

    pub(super) async fn databases(&self) -> Result<Vec<String>, Failure> {
        self.names(&["databases"]).await
    }

    /// Fails as missing when there is no such database.
    pub(super) async fn database(&self, name: &str) -> Result<DatabaseAnswer, Failure> {
        let session = self.session().await?;
        let path = ["databases", name];
        self.client
            .get(&session.headers, &session.path(&path), &[])
            .await
    }

    pub(super) async fn alter_database(
        &self,
        name: &str,
        changes: &PropertyChanges,
    ) -> Result<(), Failure> {
        let body = AlterDatabase {
            removals: changes.removed.iter().map(String::as_str).collect(),
            updates: &changes.set,
        };
        let path = ["databases", name];
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn create_database(
        &self,
        name: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        let body = NewDatabase { name, options };
        self.post::<Value>(&["databases"], &body).await.map(|_| ())
    }

    pub(super) async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.delete(&["databases", name]).await
    }

    pub(super) async fn tables(&self, database: &str) -> Result<Vec<String>, Failure> {
        self.names(&["databases", database, "tables"]).await
    }

    /// A table, of `main` whatever the identifier's branch.
    pub(super) async fn table(&self, identifier: &Identifier) -> Result<TableAnswer, Failure> {
        let session = self.session().await?;
        let path = [
            "databases",
            identifier.database(),
            "tables",
            identifier.table(),
        ];
        self.client
            .get(&session.headers, &session.path(&path), &[])
            .await
    }

    /// Credentials for the store of a table, whatever the identifier's branch.
    pub(super) async fn table_token(
        &self,
        identifier: &Identifier,
    ) -> Result<TableTokenAnswer, Failure> {
        let session = self.session().await?;
        let path = [
            "databases",
            identifier.database(),
            "tables",
            identifier.table(),
            "token",
        ];
        self.client
            .get(&session.headers, &session.path(&path), &[])
            .await
    }

    pub(super) async fn create_table(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
    ) -> Result<(), Failure> {
        let path = ["databases", identifier.database(), "tables"];
        let body = CreateTable::new(identifier, schema);
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn drop_table(&self, identifier: &Identifier) -> Result<(), Failure> {
        let path = [
            "databases",
            identifier.database(),
            "tables",
            identifier.table(),
        ];
        self.delete(&path).await
    }

    pub(super) async fn rename_table(
        &self,
        from: &Identifier,
        to: &Identifier,
    ) -> Result<(), Failure> {
        let body = RenameTable {
            source: Name::of(from),
            destination: Name::of(to),
        };
        let path = ["tables", "rename"];
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn views(&self, database: &str) -> Result<Vec<String>, Failure> {
        self.names(&["databases", database, "views"]).await
    }

    pub(super) async fn view(&self, identifier: &Identifier) -> Result<ViewAnswer, Failure> {
        let session = self.session().await?;
        let (database, view) = (identifier.database(), identifier.table());
        let path = ["databases", database, "views", view];
        self.client
            .get(&session.headers, &session.path(&path), &[])
            .await
    }

    pub(super) async fn create_view(
        &self,
        identifier: &Identifier,
        view: &View,
    ) -> Result<(), Failure> {
        let path = ["databases", identifier.database(), "views"];
        let body = CreateView::new(identifier, view);
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn drop_view(&self, identifier: &Identifier) -> Result<(), Failure> {
        let (database, view) = (identifier.database(), identifier.table());
        self.delete(&["databases", database, "views", view]).await
    }

    pub(super) async fn rename_view(
        &self,
        from: &Identifier,
        to: &Identifier,
    ) -> Result<(), Failure> {
        let body = RenameTable {
            source: Name::of(from),
            destination: Name::of(to),
        };
        let path = ["views", "rename"];
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn alter_view(
        &self,
        identifier: &Identifier,
        changes: &[ViewChange],
    ) -> Result<(), Failure> {
        let (database, view) = (identifier.database(), identifier.table());
        let path = ["databases", database, "views", view];
        let body = AlterView { changes };
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn functions(&self, database: &str) -> Result<Vec<String>, Failure> {
        self.names(&["databases", database, "functions"]).await
    }

    pub(super) async fn function(&self, identifier: &Identifier) -> Result<Function, Failure> {
        let session = self.session().await?;
        let path = function_path(identifier);
        self.client
            .get(&session.headers, &session.path(&path), &[])
            .await
    }

    pub(super) async fn create_function(
        &self,
        identifier: &Identifier,
        function: &Function,
    ) -> Result<(), Failure> {
        let name = identifier.table();
        let path = ["databases", identifier.database(), "functions"];
        let body = CreateFunction { name, function };
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn drop_function(&self, identifier: &Identifier) -> Result<(), Failure> {
        self.delete(&function_path(identifier)).await
    }

    pub(super) async fn alter_function(
        &self,
        identifier: &Identifier,
        changes: &[FunctionChange],
    ) -> Result<(), Failure> {
        let body = AlterFunction { changes };
        let path = function_path(identifier);
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn alter_table(
        &self,
        identifier: &Identifier,
        changes: &[SchemaChange],
    ) -> Result<(), Failure> {
        let body = messages::alter_table(changes).map_err(Failure::Refused)?;
        let object = identifier.object();
        let path = ["databases", identifier.database(), "tables", &object];
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn rollback_schema(
        &self,
        identifier: &Identifier,
        schema_id: i64,
    ) -> Result<(), Failure> {
        let object = identifier.object();
        let database = identifier.database();
        let path = ["databases", database, "tables", &object, "rollback-schema"];
        let body = RollbackSchema { schema_id };
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn replace_table(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
    ) -> Result<(), Failure> {
        let (database, table) = (identifier.database(), identifier.table());
        let path = ["databases", database, "tables", table, "replace"];
        let body = ReplaceTable::new(schema);
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    /// Returns whether the snapshot was published; not so when another one was first.
    pub(super) async fn commit(
        &self,
        identifier: &Identifier,
        body: &CommitTable<'_>,
    ) -> Result<bool, Failure> {
        let object = identifier.object();
        let path = [
            "databases",
            identifier.database(),
            "tables",
            &object,
            "commit",
        ];
        let answer: CommitTableAnswer = self.post(&path, body).await?;
        Ok(answer.success)
    }

    /// Goes back to an instant: a snapshot or a tag.
    pub(super) async fn rollback(
        &self,
        identifier: &Identifier,
        instant: Value,
    ) -> Result<(), Failure> {
        let object = identifier.object();
        let path = [
            "databases",
            identifier.database(),
            "tables",
            &object,
            "rollback",
        ];
        let body = json!({ "instant": instant });
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn create_branch(
        &self,
        table: &Identifier,
        name: &str,
        tag: Option<&str>,
    ) -> Result<(), Failure> {
        let path = [
            "databases",
            table.database(),
            "tables",
            table.table(),
            "branches",
        ];
        let body = json!({ "branch": name, "fromTag": tag });
        self.post::<Value>(&path, &body).await.map(|_| ())
    }

    pub(super) async fn drop_branch(&self, table: &Identifier, name: &str) -> Result<(), Failure> {
        let (database, table) = (table.database(), table.table());
        self.delete(&["databases", database, "tables", table, "branches", name])
            .await
    }

    pub(super) async fn forward_branch(
        &self,
        table: &Identifier,
        name: &str,
    ) -> Result<(), Failure> {
        let (database, table) = (table.database(), table.table());
        let path = [
            "databases",
            database,
            "tables",
            table,
            "branches",
            name,
            "forward",
        ];
        self.post::<Value>(&path, &json!({})).await.map(|_| ())
    }
}

fn function_path(identifier: &Identifier) -> [&str; 4] {
    let (database, function) = (identifier.database(), identifier.table());
    ["databases", database, "functions", function]
}

impl Session {
    fn path<'a>(&'a self, path: &[&'a str]) -> Vec<&'a str> {
        self.prefix
            .as_deref()
            .into_iter()
            .chain(path.iter().copied())
            .collect()
    }
}
