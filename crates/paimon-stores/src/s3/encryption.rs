//! How the server encrypts objects at rest.

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use paimon_core::{Error, Result};

use crate::keys::Keys;

/// How the server encrypts objects at rest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Managed,
    Kms(Option<String>),
    DoubleKms(Option<String>),
    Customer(String),
}

pub(super) fn encryption(keys: &mut Keys) -> Result<Option<Encryption>> {
    let Some(option) = keys.given("encryption.algorithm").map(str::to_string) else {
        return Ok(None);
    };
    let algorithm = keys.take("encryption.algorithm").unwrap_or_default();
    let key = keys.take("encryption.key");
    match (algorithm.as_str(), key) {
        ("", _) => Ok(None),
        ("AES256" | "SSE-S3", _) => Ok(Some(Encryption::Managed)),
        ("SSE-KMS", key) => Ok(Some(Encryption::Kms(key))),
        ("DSSE-KMS", key) => Ok(Some(Encryption::DoubleKms(key))),
        ("SSE-C", Some(key)) => Ok(Some(Encryption::Customer(key))),
        ("SSE-C", None) => Err(
            Error::invalid("SSE-C needs the key in fs.s3a.encryption.key").with("option", option),
        ),
        (other, _) => Err(
            Error::unsupported(format!("encryption {other:?} is not supported"))
                .with("option", option),
        ),
    }
}

pub(super) fn encrypted(builder: AmazonS3Builder, encryption: Encryption) -> AmazonS3Builder {
    let kind = |builder: AmazonS3Builder, name: &str| match "aws_server_side_encryption"
        .parse::<AmazonS3ConfigKey>()
    {
        Ok(key) => builder.with_config(key, name),
        Err(_) => builder,
    };
    match encryption {
        Encryption::Managed => kind(builder, "AES256"),
        Encryption::Kms(None) => kind(builder, "aws:kms"),
        Encryption::Kms(Some(id)) => builder.with_sse_kms_encryption(id),
        Encryption::DoubleKms(None) => kind(builder, "aws:kms:dsse"),
        Encryption::DoubleKms(Some(id)) => builder.with_dsse_kms_encryption(id),
        Encryption::Customer(key) => builder.with_ssec_encryption(key),
    }
}
