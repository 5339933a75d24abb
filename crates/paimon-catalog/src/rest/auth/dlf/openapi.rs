//! Signatures of Alibaba Cloud's OpenAPI, in the style called ROA.
//!
//! Java: `org.apache.paimon.rest.auth.DLFOpenApiSigner`.
//!
//! ```text
//! to sign   = METHOD \n accept \n md5 of the body \n content type \n date \n (x-acs-header:value \n)* resource
//! resource  = path?name=value&..   as they were before they were encoded
//! signature = base64(hmac(secret, to sign))
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use paimon_core::{Error, Result};
use sha1::Sha1;

use super::{AccessKey, JSON, Outgoing};

const API_VERSION: &str = "2026-01-18";

pub(super) fn headers(
    request: &Outgoing<'_>,
    key: &AccessKey<'_>,
    now: DateTime<Utc>,
    nonce: &str,
) -> Result<Vec<(&'static str, String)>> {
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let body = request.body.filter(|body| !body.is_empty());
    let md5 = body.map(|body| STANDARD.encode(Md5::digest(body)));
    let content_type = body.map(|_| JSON.to_string());
    // sorted by name, as they are signed
    let mut signed = Vec::new();
    let token = key.security_token.map(|token| token.trim().to_string());
    signed.extend(token.map(|token| ("x-acs-security-token", token)));
    signed.push(("x-acs-signature-method", "HMAC-SHA1".to_string()));
    signed.push(("x-acs-signature-nonce", nonce.to_string()));
    signed.push(("x-acs-signature-version", "1.0".to_string()));
    signed.push(("x-acs-version", API_VERSION.to_string()));

    let mut lines = vec![
        request.method.to_string(),
        JSON.to_string(),
        md5.clone().unwrap_or_default(),
        content_type.clone().unwrap_or_default(),
        date.clone(),
    ];
    lines.extend(signed.iter().map(|(name, value)| format!("{name}:{value}")));
    lines.push(resource(request));
    let mac = Hmac::<Sha1>::new_from_slice(key.secret.as_bytes());
    let mut mac = mac.map_err(|_| Error::internal("a key for HMAC has another length"))?;
    mac.update(lines.join("\n").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());

    let mut headers = signed;
    headers.push(("accept", JSON.to_string()));
    headers.push(("date", date));
    headers.extend(md5.map(|md5| ("content-md5", md5)));
    headers.extend(content_type.map(|of| ("content-type", of)));
    headers.push(("authorization", format!("acs {}:{signature}", key.id)));
    Ok(headers)
}

fn resource(request: &Outgoing<'_>) -> String {
    let path = format!("/v1/{}", request.path.join("/"));
    if request.query.is_empty() {
        return path;
    }
    let mut query = request.query.to_vec();
    query.sort_unstable();
    let query = query.iter().map(|(name, value)| match *value {
        "" => name.to_string(),
        value => format!("{name}={value}"),
    });
    format!("{path}?{}", query.collect::<Vec<_>>().join("&"))
}
