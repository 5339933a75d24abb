//! Credentials that the service gives out for the store of each table.
//!
//! Java: `org.apache.paimon.rest.RESTTokenFileIO`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use paimon_core::io::{ExpiringOptions, FileIo, OptionsSource, Stores};
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::api::Api;
use crate::identifier::Identifier;

/// Option of the catalog that stands over the endpoint in a token.
const ENDPOINT: &str = "dlf.oss-endpoint";
const OSS_ENDPOINT: &str = "fs.oss.endpoint";

/// The stores of tables that were opened with tokens, each once.
#[derive(Debug, Default)]
pub(super) struct DataTokens {
    /// By name.
    opened: Mutex<HashMap<String, Opened>>,
}

/// The id of a table and its store.
type Opened = (Option<String>, FileIo);

impl DataTokens {
    /// The store of a table, at its location. `id` tells a table from an earlier one of its name.
    ///
    /// # Errors
    /// Those of the service, and of opening the store with what it gave.
    pub(super) async fn io(
        &self,
        stores: &Stores,
        api: &Arc<Api>,
        table: &Identifier,
        id: Option<&str>,
        location: &str,
    ) -> Result<FileIo> {
        let name = name_of(table);
        let known = self.opened().get(&name).cloned();
        if let Some((known, io)) = known
            && known.as_deref() == id
        {
            return io.at(location);
        }
        let source = Arc::new(TableToken {
            api: api.clone(),
            table: Identifier::new(table.database(), table.table())?,
        });
        let first = source.options().await?;
        let io = stores.renewed_file_io(location, first, source)?;
        let opened = (id.map(str::to_string), io.clone());
        self.opened().insert(name, opened);
        Ok(io)
    }

    /// Forgets the store of a table that is gone or has another name.
    pub(super) fn forget(&self, table: &Identifier) {
        self.opened().remove(&name_of(table));
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<String, Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(table: &Identifier) -> String {
    format!("{}.{}", table.database(), table.table())
}

/// Asks the service for the credentials of one table.
struct TableToken {
    api: Arc<Api>,
    table: Identifier,
}

impl fmt::Debug for TableToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableToken")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl OptionsSource for TableToken {
    async fn options(&self) -> Result<ExpiringOptions> {
        let of_table = |f| Error::from(f).with_default("table", &self.table);
        let session = self.api.session().await.map_err(of_table)?;
        let answer = self.api.table_token(&self.table).await.map_err(of_table)?;
        let now = u64::try_from(SystemClock.epoch_ms()).unwrap_or(0);
        let left = |at: u64| Duration::from_millis(at.saturating_sub(now));
        Ok(ExpiringOptions {
            options: merged(&session.options, answer.token),
            holds_for: answer.expires_at_millis.map(left),
        })
    }
}

/// The options of the catalog with those of the token over them.
fn merged(
    options: &BTreeMap<String, String>,
    token: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut merged = options.clone();
    merged.extend(token);
    if let Some(endpoint) = options.get(ENDPOINT).filter(|e| !e.is_empty()) {
        merged.insert(OSS_ENDPOINT.to_string(), endpoint.clone());
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_over_options_but_for_the_endpoint_of_the_catalog() {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            pairs.collect::<BTreeMap<_, _>>()
        };
        let token = || map(&[("a", "t"), (OSS_ENDPOINT, "public")]);
        let own = merged(&map(&[("a", "c"), ("b", "c")]), token());
        assert_eq!(
            own,
            map(&[("a", "t"), ("b", "c"), (OSS_ENDPOINT, "public")])
        );
        let inner = merged(&map(&[(ENDPOINT, "inner")]), token());
        assert_eq!(inner[OSS_ENDPOINT], "inner");
    }
}
