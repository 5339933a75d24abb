//! Who asks, by Hadoop's options.

use paimon_core::{Error, Result};

use crate::keys::Keys;

/// Who asks.
pub(super) enum Credentials {
    Given {
        id: String,
        secret: String,
        token: Option<String>,
    },
    /// Variables, a web identity, or the instance's role.
    Environment,
    Anonymous,
}

pub(super) fn credentials(keys: &mut Keys) -> Result<Credentials> {
    let provider = keys.take("aws.credentials.provider");
    let (id, secret) = (keys.take("access.key"), keys.take("secret.key"));
    let token = keys.take("session.token");
    let class = |name: &str| name.rsplit('.').next().unwrap_or(name).to_string();
    let classes: Vec<String> = provider
        .iter()
        .flat_map(|list| list.split(','))
        .map(|name| class(name.trim()))
        .collect();
    if let Some(unknown) = classes.iter().find(|c| !is_known_provider(c)) {
        return Err(
            Error::unsupported(format!("credentials provider {unknown} is not supported"))
                .with("option", "fs.s3a.aws.credentials.provider"),
        );
    }
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Credentials::Given { id, secret, token }),
        (None, None) if classes.first().is_some_and(|c| c.starts_with("Anonymous")) => {
            Ok(Credentials::Anonymous)
        }
        (None, None) => Ok(Credentials::Environment),
        _ => Err(Error::invalid(
            "options s3.access-key and s3.secret-key belong together, only one of them is given",
        )
        .with("option", "s3.access-key")),
    }
}

/// Classes of Hadoop and of Amazon's SDK whose ways this client knows.
pub(super) fn is_known_provider(class: &str) -> bool {
    const KNOWN: [&str; 12] = [
        "SimpleAWSCredentialsProvider",
        "TemporaryAWSCredentialsProvider",
        "AnonymousAWSCredentialsProvider",
        "AnonymousCredentialsProvider",
        "EnvironmentVariableCredentialsProvider",
        "InstanceProfileCredentialsProvider",
        "IAMInstanceCredentialsProvider",
        "ContainerCredentialsProvider",
        "EC2ContainerCredentialsProviderWrapper",
        "WebIdentityTokenCredentialsProvider",
        "WebIdentityTokenFileCredentialsProvider",
        "DefaultAWSCredentialsProviderChain",
    ];
    KNOWN.contains(&class)
}
