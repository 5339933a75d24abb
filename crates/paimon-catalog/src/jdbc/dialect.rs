//! How the databases differ.
//!
//! Java: `org.apache.paimon.jdbc.JdbcDistributedLockDialect` and what implements it.

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
    MySql,
}

impl Dialect {
    /// A statement with `?` for its parameters in the form that the database takes.
    pub(super) fn statement(self, text: &str) -> String {
        if self != Self::Postgres {
            return text.to_string();
        }
        let mut parts = text.split('?');
        let mut numbered = parts.next().unwrap_or_default().to_string();
        for (index, part) in parts.enumerate() {
            numbered.push_str(&format!("${}{part}", index + 1));
        }
        numbered
    }

    /// Finds a table by its name.
    pub(super) fn find_table(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?",
            Self::Postgres => {
                "SELECT name FROM (SELECT to_regclass(?)::text AS name) t WHERE name IS NOT NULL"
            }
            Self::MySql => {
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
            }
        }
    }

    /// Deletes one lock that was taken longer ago than it allows itself.
    pub(super) fn delete_stale_lock(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "DELETE FROM paimon_distributed_locks WHERE strftime('%s', 'now') - strftime('%s', acquired_at) > \
                 expire_time_seconds AND lock_id = ?"
            }
            Self::Postgres => {
                "DELETE FROM paimon_distributed_locks WHERE EXTRACT(EPOCH FROM AGE(NOW(), acquired_at)) > \
                 expire_time_seconds AND lock_id = ?"
            }
            Self::MySql => {
                "DELETE FROM paimon_distributed_locks WHERE TIMESTAMPDIFF(SECOND, acquired_at, NOW()) > \
                 expire_time_seconds AND lock_id = ?"
            }
        }
    }

    /// Longest value of a property, characters; `None` where the column's length is not enforced.
    pub(super) fn property_length_max(self) -> Option<usize> {
        match self {
            Self::Sqlite => None,
            Self::Postgres | Self::MySql => Some(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_for_postgres_only() {
        let text = "SELECT a FROM t WHERE b = ? AND c = ?";
        assert_eq!(
            Dialect::Postgres.statement(text),
            "SELECT a FROM t WHERE b = $1 AND c = $2"
        );
        assert_eq!(Dialect::MySql.statement(text), text);
    }
}
