//! Connections to the database: a bounded pool, bounded waits, and errors that say whether a change may have happened.

use std::borrow::Cow;
use std::time::Duration;

use paimon_core::{Error, ErrorKind, Result};
use sqlx::pool::PoolOptions;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::OnceCell;

use super::address::{Address, Target};
use super::dialect::Dialect;
use crate::tables::{OUTCOME, UNKNOWN};

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

/// A statement with `?` for its parameters.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Statement {
    pub(super) fn new<const N: usize>(
        text: impl Into<Cow<'static, str>>,
        values: [&str; N],
    ) -> Self {
        Self {
            text: text.into(),
            values: values.into_iter().map(Value::from).collect(),
        }
    }

    pub(super) fn and(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }
}

/// Why a change was not made, or perhaps was.
#[derive(Debug)]
pub(super) enum Failure {
    /// A row of that key is there.
    Taken,
    /// Nothing was changed.
    Refused(Error),
    /// Nobody knows.
    Doubtful(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Taken => {
                Error::invalid("the catalog's database has a row of that name already")
            }
            Failure::Refused(error) => error,
            Failure::Doubtful(error) => error.with(OUTCOME, UNKNOWN),
        }
    }
}

#[derive(Debug)]
enum Pool {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
    MySql(sqlx::MySqlPool),
}

/// Runs an expression with the pool and the driver of whatever database it is.
macro_rules! with_pool {
    ($pools:expr, |$pool:ident, $driver:ident| $work:expr) => {
        match $pools {
            Pool::Sqlite($pool) => {
                type $driver = sqlx::Sqlite;
                $work
            }
            Pool::Postgres($pool) => {
                type $driver = sqlx::Postgres;
                $work
            }
            Pool::MySql($pool) => {
                type $driver = sqlx::MySql;
                $work
            }
        }
    };
}

/// A query of one driver with its parameters.
macro_rules! query {
    ($driver:ident, $dialect:expr, $statement:expr) => {{
        let text = $dialect.statement(&$statement.text);
        let mut query = sqlx::query::<$driver>(AssertSqlSafe(text));
        for value in &$statement.values {
            query = match value {
                Value::Text(text) => query.bind(text.clone()),
                Value::Number(number) => query.bind(*number),
            };
        }
        query
    }};
}

/// How many connections there are and how long they wait.
#[derive(Debug, Clone)]
pub(super) struct PoolSettings {
    pub(super) size: u32,
    /// After which a connection that nobody uses is closed.
    pub(super) idle: Duration,
}

/// The database. Nothing is asked of it before the first statement.
#[derive(Debug)]
pub(super) struct Connections {
    address: Address,
    settings: PoolSettings,
    pool: OnceCell<Pool>,
}

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);

impl Connections {
    pub(super) fn new(address: Address, settings: PoolSettings) -> Self {
        Self {
            address,
            settings,
            pool: OnceCell::new(),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.address.dialect()
    }

    /// The pool needs the runtime that runs it, which there is at the first use.
    async fn pool(&self) -> &Pool {
        self.pool.get_or_init(|| async { self.new_pool() }).await
    }

    fn new_pool(&self) -> Pool {
        fn options<D: sqlx::Database>(settings: &PoolSettings) -> PoolOptions<D> {
            PoolOptions::new()
                .max_connections(settings.size)
                .idle_timeout(settings.idle)
                .acquire_timeout(CONNECT)
        }
        match self.address.target.clone() {
            Target::Sqlite(target) => {
                Pool::Sqlite(options(&self.settings).connect_lazy_with(target))
            }
            Target::Postgres(target) => {
                let options = options::<sqlx::Postgres>(&self.settings);
                // the lock's column has no time zone: Java's driver tells the server that of its machine, so do we
                let options = options.after_connect(|connection, _| {
                    Box::pin(async move {
                        let text =
                            format!("SET TIME ZONE INTERVAL '{}' HOUR TO MINUTE", local_offset());
                        sqlx::query(AssertSqlSafe(text)).execute(connection).await?;
                        Ok(())
                    })
                });
                Pool::Postgres(options.connect_lazy_with(target))
            }
            Target::MySql(target) => Pool::MySql(options(&self.settings).connect_lazy_with(target)),
        }
    }

    /// Rows of a query, each of its text columns; NULL is empty. Tried once more when the connection breaks.
    ///
    /// # Errors
    /// `Io` when the database cannot be reached or fails.
    pub(super) async fn rows(&self, statement: &Statement) -> Result<Vec<Vec<String>>> {
        let once = || async {
            let limit = self.address.call_timeout;
            match tokio::time::timeout(limit, self.rows_now(statement)).await {
                Ok(answer) => answer,
                Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
            }
        };
        let answer = match once().await {
            Err(sqlx::Error::Io(_)) => once().await,
            answer => answer,
        };
        answer.map_err(|e| self.error(e))
    }

    async fn rows_now(&self, statement: &Statement) -> Result<Vec<Vec<String>>, sqlx::Error> {
        let dialect = self.dialect();
        with_pool!(self.pool().await, |pool, Driver| {
            let rows = query!(Driver, dialect, statement).fetch_all(pool).await?;
            let texts = |row: &<Driver as sqlx::Database>::Row| {
                let text = |index| row.try_get::<Option<String>, usize>(index);
                let columns = 0..row.len();
                columns.map(|i| Ok(text(i)?.unwrap_or_default())).collect()
            };
            rows.iter().map(texts).collect()
        })
    }

    /// Whether the query has a row.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(super) async fn exists(&self, statement: &Statement) -> Result<bool> {
        Ok(!self.rows(statement).await?.is_empty())
    }

    /// The first column of a query.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(super) async fn names(&self, statement: &Statement) -> Result<Vec<String>> {
        let rows = self.rows(statement).await?;
        let first = rows.into_iter().filter_map(|row| row.into_iter().next());
        Ok(first.collect())
    }

    /// Makes all changes or none, and returns how many rows each changed.
    ///
    /// # Errors
    /// Each says whether the changes may have been made.
    pub(super) async fn change(&self, statements: &[Statement]) -> Result<Vec<u64>, Failure> {
        let limit = self.address.call_timeout;
        match tokio::time::timeout(limit, self.change_now(statements)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::Doubtful(
                self.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
            )),
        }
    }

    async fn change_now(&self, statements: &[Statement]) -> Result<Vec<u64>, Failure> {
        let dialect = self.dialect();
        let refused = |error: sqlx::Error| match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => Failure::Taken,
            _ => Failure::Refused(self.error(error)),
        };
        with_pool!(self.pool().await, |pool, Driver| {
            let mut transaction = pool.begin().await.map_err(refused)?;
            let mut counts = Vec::with_capacity(statements.len());
            for statement in statements {
                let done = query!(Driver, dialect, statement)
                    .execute(&mut *transaction)
                    .await;
                counts.push(done.map_err(refused)?.rows_affected());
            }
            match transaction.commit().await {
                Ok(()) => Ok(counts),
                Err(sqlx::Error::Database(e)) => Err(refused(sqlx::Error::Database(e))),
                Err(error) => Err(Failure::Doubtful(self.error(error))),
            }
        })
    }

    fn error(&self, error: sqlx::Error) -> Error {
        let (kind, text) = match &error {
            sqlx::Error::PoolTimedOut => (
                ErrorKind::Io,
                format!(
                    "no connection to the catalog's database within {} s",
                    CONNECT.as_secs()
                ),
            ),
            sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::TimedOut => (
                ErrorKind::Io,
                format!(
                    "no answer of the catalog's database within {} s",
                    self.address.call_timeout.as_secs()
                ),
            ),
            sqlx::Error::Database(e) => (
                ErrorKind::Io,
                format!("the catalog's database refused: {}", e.message()),
            ),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => (
                ErrorKind::Damaged,
                format!("a row of the catalog's database has unexpected columns: {error}"),
            ),
            other => (
                ErrorKind::Io,
                format!("the catalog's database cannot be used: {other}"),
            ),
        };
        Error::new(kind, text).with("database_address", &self.address)
    }
}

/// Offset of the machine's time zone, such as `+02:00`.
fn local_offset() -> String {
    use chrono::{Local, TimeZone};
    use paimon_core::write::{Clock, SystemClock};
    let now = Local
        .timestamp_millis_opt(SystemClock.epoch_ms())
        .earliest();
    now.map_or_else(|| "+00:00".to_string(), |t| t.format("%:z").to_string())
}
