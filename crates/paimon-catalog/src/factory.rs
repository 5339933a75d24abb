//! Catalogs by options.

use std::collections::BTreeMap;
use std::sync::Arc;

use paimon_core::{Error, Result};

use crate::catalog::Catalog;
use crate::filesystem::FileSystemCatalog;

/// Opens the catalog that the options describe: `metastore` (default `filesystem`) chooses the kind.
///
/// # Errors
/// `Unsupported` for a metastore this engine does not have (named), `InvalidInput` for a missing or malformed option.
pub fn create_catalog(name: &str, options: BTreeMap<String, String>) -> Result<Arc<dyn Catalog>> {
    if let Some(kind) = options.get("type")
        && kind != "paimon"
    {
        return Err(Error::unsupported(format!(
            "catalog type {kind:?} is not supported: expected 'paimon'"
        ))
        .with("option", "type")
        .with("catalog", name));
    }
    let metastore = options
        .get("metastore")
        .map_or("filesystem", String::as_str);
    match metastore {
        "filesystem" => Ok(Arc::new(FileSystemCatalog::new(name, options)?)),
        other => Err(Error::unsupported(format!(
            "metastore {other:?} is not supported yet: expected 'filesystem'"
        ))
        .with("option", "metastore")
        .with("catalog", name)),
    }
}

/// Whether values under this option key must never be shown.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let plain: String = key.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "credential",
        "accesskey",
        "accountkey",
        "sastoken",
        "privatekey",
        "apikey",
        "signature",
    ]
    .iter()
    .any(|word| plain.contains(word))
        || plain.ends_with("sas")
}

/// The value to show for an option: `******` where [`is_secret_key`] says so. Credentials inside a URL
/// (`scheme://user:password@host`) are hidden too.
pub fn redacted(key: &str, value: &str) -> String {
    const HIDDEN: &str = "******";
    if is_secret_key(key) {
        return HIDDEN.to_string();
    }
    if let Some((scheme, rest)) = value.split_once("://") {
        let authority = rest.split('/').next().unwrap_or_default();
        if let Some((user, host)) = authority.rsplit_once('@')
            && user.contains(':')
        {
            return format!("{scheme}://{HIDDEN}@{host}{}", &rest[authority.len()..]);
        }
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn unknown_metastore_is_refused_by_name() {
        let options = BTreeMap::from([
            ("metastore".to_string(), "hive".to_string()),
            ("warehouse".to_string(), "/wh".to_string()),
        ]);
        let error = create_catalog("c", options).unwrap_err();
        assert!(error.to_string().contains("hive"), "{error}");
    }

    #[test]
    fn secrets_are_hidden_and_plain_options_are_not() {
        for key in [
            "s3.secret-key",
            "fs.s3a.access.key",
            "jdbc.password",
            "token",
            "fs.azure.account.key.x",
            "s3.access-key",
        ] {
            assert_eq!(redacted(key, "v"), "******", "{key}");
        }
        for key in [
            "bucket",
            "bucket-key",
            "primary-key",
            "sequence.field",
            "file.format",
        ] {
            assert_eq!(redacted(key, "v"), "v", "{key}");
        }
        assert_eq!(
            redacted("uri", "jdbc:mysql://u:p@h/db"),
            "jdbc:mysql://******@h/db"
        );
        assert_eq!(redacted("path", "s3://b/x@y"), "s3://b/x@y");
    }
}
