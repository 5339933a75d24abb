//! Signatures `DLF4-HMAC-SHA256`.
//!
//! Java: `org.apache.paimon.rest.auth.DLFDefaultSigner`.
//!
//! ```text
//! request   = METHOD \n path \n query \n (header:value \n)* UNSIGNED-PAYLOAD
//! to sign   = DLF4-HMAC-SHA256 \n time \n scope \n hex(sha256(request))
//! scope     = day/region/DlfNext/aliyun_v4_request
//! key       = hmac(hmac(hmac(hmac("aliyun_v4" + secret, day), region), "DlfNext"), "aliyun_v4_request")
//! signature = hex(hmac(key, to sign))
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use paimon_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::{AccessKey, JSON, Outgoing};
use crate::rest::client::{encode, resource};

const NAME: &str = "DLF4-HMAC-SHA256";
const PRODUCT: &str = "DlfNext";
const REQUEST: &str = "aliyun_v4_request";
const PAYLOAD: &str = "UNSIGNED-PAYLOAD";

pub(super) fn headers(
    request: &Outgoing<'_>,
    key: &AccessKey<'_>,
    region: &str,
    now: DateTime<Utc>,
) -> Result<Vec<(&'static str, String)>> {
    let time = now.format("%Y%m%dT%H%M%SZ").to_string();
    // sorted by name, as they are signed
    let mut headers = Vec::new();
    if let Some(body) = request.body.filter(|body| !body.is_empty()) {
        headers.push(("content-md5", STANDARD.encode(Md5::digest(body))));
        headers.push(("content-type", JSON.to_string()));
    }
    headers.push(("x-dlf-content-sha256", PAYLOAD.to_string()));
    headers.push(("x-dlf-date", time.clone()));
    headers.extend(
        key.security_token
            .map(|token| ("x-dlf-security-token", token.trim().to_string())),
    );
    headers.push(("x-dlf-version", "v1".to_string()));

    let day = now.format("%Y%m%d").to_string();
    let scope = format!("{day}/{region}/{PRODUCT}/{REQUEST}");
    let canonical = hex::encode(Sha256::digest(canonical(request, &headers)));
    let mut signing = format!("aliyun_v4{}", key.secret).into_bytes();
    for part in [&day, region, PRODUCT, REQUEST] {
        signing = hmac_sha256(&signing, part)?;
    }
    let to_sign = format!("{NAME}\n{time}\n{scope}\n{canonical}");
    let signature = hex::encode(hmac_sha256(&signing, &to_sign)?);
    let authorization = format!("{NAME} Credential={}/{scope},Signature={signature}", key.id);
    headers.push(("authorization", authorization));
    Ok(headers)
}

fn canonical(request: &Outgoing<'_>, headers: &[(&str, String)]) -> String {
    let mut query: Vec<(&str, String)> =
        request.query.iter().map(|(k, v)| (*k, encode(v))).collect();
    query.sort();
    let query = query.iter().map(|(name, value)| match value.as_str() {
        "" => name.to_string(),
        value => format!("{name}={value}"),
    });
    let query = query.collect::<Vec<_>>().join("&");
    let mut lines = vec![request.method.to_string(), resource(request.path), query];
    lines.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}")),
    );
    lines.push(PAYLOAD.to_string());
    lines.join("\n")
}

fn hmac_sha256(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.map_err(|_| Error::internal("a key for HMAC has another length"))?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}
