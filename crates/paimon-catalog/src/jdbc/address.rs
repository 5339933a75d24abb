//! Where the database is: a JDBC address with driver properties, in the terms of this engine's own client.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use paimon_core::options::{parse_bool, parse_i64};
use paimon_core::{Error, Result};
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;

use super::dialect::Dialect;

const URI: &str = "uri";
/// Catalog options with this prefix are properties of the driver.
const PROPERTY: &str = "jdbc.";
const PASSWORD: &str = "password";
const SQLITE_BUSY: Duration = Duration::from_secs(30);
const CALL: Duration = Duration::from_secs(60);

/// Properties of Java's drivers that change nothing here: hints about speed, character sets (always UTF-8) and time zones
/// (dates are compared by the server).
const WITHOUT_EFFECT: &[&str] = &[
    "allowPublicKeyRetrieval",
    "autoReconnect",
    "cachePrepStmts",
    "characterEncoding",
    "date_string_format",
    "maxReconnects",
    "nullCatalogMeansCurrent",
    "prepStmtCacheSize",
    "prepStmtCacheSqlLimit",
    "prepareThreshold",
    "reWriteBatchedInserts",
    "rewriteBatchedStatements",
    "serverTimezone",
    "tcpKeepAlive",
    "tinyInt1isBit",
    "useServerPrepStmts",
    "useUnicode",
    "zeroDateTimeBehavior",
];

/// A database and how to log in to it. Its text is the database without credentials.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) target: Target,
    /// Longest wait for one answer.
    pub(super) call_timeout: Duration,
    shown: String,
}

/// The same for one kind of database.
#[derive(Clone)]
pub(super) enum Target {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
    MySql(MySqlConnectOptions),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// From options `uri` and `jdbc.*`.
    ///
    /// # Errors
    /// `InvalidInput` for an address of no known form, `Unsupported` naming a property that this client does not know.
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        let uri = options.get(URI).map(|u| u.trim()).unwrap_or_default();
        let Some((kind, rest)) = uri.strip_prefix("jdbc:").and_then(|r| r.split_once(':')) else {
            return Err(malformed("an address of another form"));
        };
        let given = options
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix(PROPERTY)?, v)));
        let mut properties = Properties {
            values: given.map(|(k, v)| (k.to_string(), v.clone())).collect(),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        properties.add_query(query)?;
        let (target, shown) = match kind {
            "sqlite" => sqlite(place, &mut properties)?,
            "postgresql" => postgres(place, &mut properties)?,
            "mysql" => mysql(place, &mut properties)?,
            other => {
                return Err(Error::unsupported(format!(
                    "databases of kind {other:?} are not supported: expected sqlite, postgresql or mysql"
                ))
                .with("option", URI));
            }
        };
        let call_timeout = match &target {
            Target::MySql(_) => properties.milliseconds("socketTimeout")?,
            _ => properties.seconds("socketTimeout")?,
        };
        properties.refuse_rest(kind)?;
        Ok(Self {
            target,
            call_timeout: call_timeout.unwrap_or(CALL),
            shown,
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        match &self.target {
            Target::Sqlite(_) => Dialect::Sqlite,
            Target::Postgres(_) => Dialect::Postgres,
            Target::MySql(_) => Dialect::MySql,
        }
    }
}

fn malformed(found: &str) -> Error {
    Error::invalid(format!(
        "expected jdbc:sqlite:/path/file.db, jdbc:postgresql://host:port/database or jdbc:mysql://host:port/database, \
         found {found}"
    ))
    .with("option", URI)
}

/// Properties that are not yet used, by their names.
struct Properties {
    values: BTreeMap<String, String>,
}

impl Properties {
    /// Those of the address win.
    fn add_query(&mut self, query: &str) -> Result<()> {
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if key.eq_ignore_ascii_case(PASSWORD) {
                return Err(Error::invalid(
                    "a password in the address would be shown with it: give it as option jdbc.password",
                )
                .with("option", URI));
            }
            self.values.insert(key.into_owned(), value.into_owned());
        }
        Ok(())
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        let text = self.take(key).filter(|t| !t.is_empty());
        let parsed = text.map(|t| parse_bool(&t)).transpose();
        parsed.map_err(|e| e.with("option", format!("{PROPERTY}{key}")))
    }

    fn number(&mut self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.take(key) else {
            return Ok(None);
        };
        let number = parse_i64(&text).ok().and_then(|n| u64::try_from(n).ok());
        number.map(Some).ok_or_else(|| {
            Error::invalid("expected a number that is not negative")
                .with("option", format!("{PROPERTY}{key}"))
        })
    }

    /// 0 means no limit to Java's drivers: here the default stays.
    fn seconds(&mut self, key: &str) -> Result<Option<Duration>> {
        let number = self.number(key)?.filter(|n| *n > 0);
        Ok(number.map(Duration::from_secs))
    }

    fn milliseconds(&mut self, key: &str) -> Result<Option<Duration>> {
        let number = self.number(key)?.filter(|n| *n > 0);
        Ok(number.map(Duration::from_millis))
    }

    fn refuse_rest(&mut self, kind: &str) -> Result<()> {
        self.values
            .retain(|key, _| !WITHOUT_EFFECT.contains(&key.as_str()));
        match self.values.keys().next() {
            None => Ok(()),
            Some(key) => Err(Error::unsupported(format!(
                "property {key:?} of {kind} databases is not known"
            ))
            .with("option", format!("{PROPERTY}{key}"))),
        }
    }
}

fn sqlite(place: &str, properties: &mut Properties) -> Result<(Target, String)> {
    let path = place.strip_prefix("file:").unwrap_or(place);
    if path.is_empty() || path.contains(":memory:") {
        return Err(malformed("a SQLite database without a file"));
    }
    // files have no users: Java's driver takes and ignores these
    properties.take("user");
    properties.take(PASSWORD);
    let busy = properties.milliseconds("busy_timeout")?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(false)
        .busy_timeout(busy.unwrap_or(SQLITE_BUSY))
        .disable_statement_logging();
    Ok((Target::Sqlite(options), format!("sqlite file {path}")))
}

/// Host, port and database of `//host:port/database`.
struct Place {
    host: String,
    port: Option<u16>,
    database: Option<String>,
}

impl Place {
    fn new(kind: &str, text: &str) -> Result<Self> {
        if text.contains(',') {
            return Err(Error::unsupported(
                "addresses of several servers are not supported: give one host",
            )
            .with("option", URI));
        }
        if text.contains('@') {
            return Err(malformed(
                "one with a user name: options jdbc.user and jdbc.password are for that",
            ));
        }
        let parsed = url::Url::parse(&format!("{kind}:{text}"));
        let parsed = parsed.map_err(|_| malformed("an address of another form"))?;
        let host = parsed.host_str().filter(|h| !h.is_empty());
        let host = host.unwrap_or("localhost").trim_matches(['[', ']']);
        let database = match parsed.cannot_be_a_base() {
            // jdbc:postgresql:database
            true => parsed.path(),
            false => parsed.path().trim_start_matches('/'),
        };
        let database =
            url::form_urlencoded::parse(format!("d={}", database.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, d)| d.into_owned());
        Ok(Self {
            host: host.to_string(),
            port: parsed.port(),
            database: database.filter(|d| !d.is_empty()),
        })
    }

    fn shown(&self, kind: &str, port: u16) -> String {
        let database = self.database.as_deref().unwrap_or_default();
        let port = self.port.unwrap_or(port);
        format!("{kind} database {database:?} on {}:{port}", self.host)
    }
}

fn postgres(place: &str, properties: &mut Properties) -> Result<(Target, String)> {
    const PORT: u16 = 5432;
    let place = Place::new("postgresql", place)?;
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&place.host)
        .port(place.port.unwrap_or(PORT))
        .disable_statement_logging();
    let user = properties.take("user");
    let database = place.database.clone().or_else(|| user.clone());
    if let Some(database) = database {
        options = options.database(&database);
    }
    if let Some(user) = user {
        options = options.username(&user);
    }
    if let Some(password) = properties.take(PASSWORD) {
        options = options.password(&password);
    }
    if let Some(mode) = postgres_tls(properties)? {
        options = options.ssl_mode(mode);
    }
    if let Some(file) = properties.take("sslrootcert") {
        options = options.ssl_root_cert(file);
    }
    if let Some(file) = properties.take("sslcert") {
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = properties.take("sslkey") {
        options = options.ssl_client_key(file);
    }
    if let Some(schema) = properties.take("currentSchema") {
        options = options.options([("search_path", schema)]);
    }
    let name = properties.take("ApplicationName");
    options = options.application_name(name.as_deref().unwrap_or("paimon"));
    Ok((Target::Postgres(options), place.shown("postgresql", PORT)))
}

fn postgres_tls(properties: &mut Properties) -> Result<Option<PgSslMode>> {
    let asked = properties.flag("ssl")?;
    let Some(mode) = properties.take("sslmode") else {
        // Java's driver verifies the server when it is told `ssl=true` only
        return Ok(asked.filter(|on| *on).map(|_| PgSslMode::VerifyFull));
    };
    let mode = mode.parse().map_err(|_| {
        Error::invalid("expected disable, allow, prefer, require, verify-ca or verify-full")
            .with("option", "jdbc.sslmode")
    })?;
    Ok(Some(mode))
}

fn mysql(place: &str, properties: &mut Properties) -> Result<(Target, String)> {
    const PORT: u16 = 3306;
    let place = Place::new("mysql", place)?;
    let Some(database) = &place.database else {
        return Err(malformed("one without a database"));
    };
    let mut options = MySqlConnectOptions::new()
        .host(&place.host)
        .port(place.port.unwrap_or(PORT))
        .database(database)
        .disable_statement_logging();
    if let Some(user) = properties.take("user") {
        options = options.username(&user);
    }
    if let Some(password) = properties.take(PASSWORD) {
        options = options.password(&password);
    }
    let asked = [properties.flag("useSSL")?, properties.flag("requireSSL")?];
    if let Some(mode) = properties.take("sslMode") {
        let mode = mode.parse::<MySqlSslMode>().map_err(|_| {
            Error::invalid("expected DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY")
                .with("option", "jdbc.sslMode")
        })?;
        options = options.ssl_mode(mode);
    } else if asked[1] == Some(true) {
        options = options.ssl_mode(MySqlSslMode::Required);
    } else if asked[0] == Some(false) {
        options = options.ssl_mode(MySqlSslMode::Disabled);
    }
    Ok((Target::MySql(options), place.shown("mysql", PORT)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn address(options: &[(&str, &str)]) -> Result<Address> {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        Address::new(&options.collect())
    }

    #[test]
    fn addresses_of_java_drivers_are_understood() {
        for (uri, shown) in [
            ("jdbc:sqlite:/a/b c.db", "sqlite file /a/b c.db"),
            ("jdbc:sqlite:file:x.db", "sqlite file x.db"),
            (
                "jdbc:postgresql://h:7/a%20b?sslmode=disable&currentSchema=s",
                "postgresql database \"a b\" on h:7",
            ),
            (
                "jdbc:postgresql:only",
                "postgresql database \"only\" on localhost:5432",
            ),
            (
                "jdbc:postgresql://[::1]/d",
                "postgresql database \"d\" on ::1:5432",
            ),
            (
                "jdbc:mysql://h/d?useSSL=false&useUnicode=true&socketTimeout=5000",
                "mysql database \"d\" on h:3306",
            ),
        ] {
            assert_eq!(address(&[("uri", uri)]).unwrap().to_string(), shown);
        }
        let slow = address(&[("uri", "jdbc:mysql://h/d?socketTimeout=5000")]).unwrap();
        assert_eq!(slow.call_timeout, Duration::from_secs(5));
        let slow = address(&[("uri", "jdbc:postgresql://h/d?socketTimeout=5")]).unwrap();
        assert_eq!(slow.call_timeout, Duration::from_secs(5));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (uri, word) in [
            ("", "jdbc:sqlite"),
            ("thrift://a", "jdbc:sqlite"),
            ("jdbc:oracle:thin", "oracle"),
            ("jdbc:sqlite:", "without a file"),
            ("jdbc:sqlite::memory:", "without a file"),
            ("jdbc:postgresql://a,b/d", "several servers"),
            ("jdbc:postgresql://h/d?sslmode=odd", "sslmode"),
            (
                "jdbc:postgresql://h/d?targetServerType=primary",
                "targetServerType",
            ),
            ("jdbc:mysql://h", "without a database"),
            ("jdbc:mysql://h/d?useSSL=odd", "useSSL"),
        ] {
            let error = address(&[("uri", uri)]).unwrap_err().to_string();
            assert!(error.contains(word), "{uri}: {error}");
        }
        let uri = ("uri", "jdbc:sqlite:/x.db");
        let error = address(&[uri, ("jdbc.odd", "1")]).unwrap_err().to_string();
        assert!(error.contains("jdbc.odd"), "{error}");
    }

    #[test]
    fn passwords_are_never_shown() {
        let secret = ("jdbc.password", "hush");
        let known = address(&[("uri", "jdbc:postgresql://h/d"), secret]).unwrap();
        assert!(!format!("{known} {known:?}").contains("hush"));
        for uri in [
            "jdbc:postgresql://h/d?password=hush",
            "jdbc:mysql://h/d?Password=hush",
            "jdbc:mysql://u:hush@h/d",
        ] {
            let error = address(&[("uri", uri)]).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }
}
