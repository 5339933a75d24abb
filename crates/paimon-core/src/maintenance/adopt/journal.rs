//! What an adoption is about to do, in a file beside the table's folders until it is done.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::codec::{parse_json, write_json};
use crate::error::{Error, Result};
use crate::io::Publication;
use crate::table::Table;

/// Its name in the table's folder. No cleaning looks at files there.
const NAME: &str = "adoption.json";
/// A longer one is refused.
const BYTES_MAX: u64 = 1 << 30;
const VERSION: i32 = 1;

/// The files of an adoption, and the user that commits them: once, however often that is tried.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    version: i32,
    pub(super) user: String,
    pub(super) files: Vec<Move>,
}

/// A file, where it lies and where it goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
    /// Bytes.
    pub(super) size: u64,
    pub(super) format: String,
    /// Serialised partition row.
    pub(super) partition: Vec<u8>,
}

impl Move {
    /// The name that the file gets.
    pub(super) fn name(&self) -> &str {
        self.to.rsplit('/').next().unwrap_or_default()
    }
}

impl Journal {
    pub(super) fn new(user: String) -> Self {
        Self {
            version: VERSION,
            user,
            files: Vec::new(),
        }
    }

    fn location(table: &Table) -> String {
        format!("{}/{NAME}", table.location())
    }

    /// That of an adoption that was cut off.
    pub(super) async fn read(table: &Table) -> Result<Option<Self>> {
        let location = Self::location(table);
        let Some(bytes) = table.io().read_optional(&location, BYTES_MAX).await? else {
            return Ok(None);
        };
        let journal: Self = parse_json(&bytes, "journal of an adoption")
            .map_err(|e| e.with_default("path", &location))?;
        match journal.version {
            VERSION => Ok(Some(journal)),
            other => Err(Error::unsupported(format!(
                "expected version {VERSION} of the journal of an adoption, found {other}"
            ))
            .with("path", location)),
        }
    }

    pub(super) async fn create(&self, table: &Table) -> Result<()> {
        let location = Self::location(table);
        match table
            .io()
            .publish(&location, write_json(self)?.into())
            .await?
        {
            Publication::Created => Ok(()),
            Publication::Exists => Err(Error::invalid(
                "another call is moving files into the table",
            )
            .with("path", location)),
        }
    }

    pub(super) async fn remove(table: &Table) -> Result<()> {
        table.io().discard(&Self::location(table)).await
    }

    /// Two files must not become one.
    pub(super) fn check_names(&self) -> Result<()> {
        let (mut sources, mut targets) = (HashSet::new(), HashSet::new());
        for file in &self.files {
            let problem = match (sources.insert(&file.from), targets.insert(&file.to)) {
                (true, true) => continue,
                (false, _) => "a file belongs to two partitions",
                (true, false) => "two files would get the same name in one partition",
            };
            return Err(Error::invalid(problem).with("path", &file.from));
        }
        Ok(())
    }
}
