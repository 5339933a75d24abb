//! Options whose values must not be shown.

/// Whether values under this option key must never be shown.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let plain: String = key.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    [
        "authorization",
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
    use super::*;

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
