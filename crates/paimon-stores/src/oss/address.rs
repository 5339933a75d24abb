//! Where the service is, and how a bucket is named in its addresses.

use std::net::IpAddr;

use paimon_core::{Error, Result};

use crate::keys::Keys;

const ENDPOINT: &str = "endpoint";

/// Hosts whose buckets are subdomains.
const OFFICIAL: [&str; 3] = ["aliyuncs.com", "aliyun-inc.com", "aliyun.com"];

/// Where a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `host/bucket/key`.
    Path,
    /// `bucket.host/key`.
    Virtual,
    /// `host/key`: the host is one bucket's own.
    Own,
}

/// Endpoint with its scheme, and style.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) endpoint: String,
    pub(super) style: Style,
}

impl Address {
    /// From `endpoint` and what Hadoop's and Paimon's switches say of it.
    ///
    /// # Errors
    /// `InvalidInput` when it is missing or malformed.
    pub(super) fn take(keys: &mut Keys) -> Result<Self> {
        let given = keys.take(ENDPOINT);
        let secure = keys.take_bool("connection.secure.enabled")?.unwrap_or(true);
        let by_path = keys.take_bool("sld.enabled")?.unwrap_or(false);
        let own_hosts = keys.take_bool("cname.enabled")?.unwrap_or(true);
        let wrong = |message: &str| Error::invalid(message).with("option", "fs.oss.endpoint");
        let given = given.ok_or_else(|| {
            wrong("the endpoint is missing: expected a host such as oss-cn-hangzhou.aliyuncs.com")
        })?;
        let endpoint = match given.contains("://") {
            true => given,
            false => format!("{}://{given}", if secure { "https" } else { "http" }),
        };
        let url = url::Url::parse(&endpoint);
        let plain = url.ok().filter(|url| {
            ["http", "https"].contains(&url.scheme())
                && url.username().is_empty()
                && url.password().is_none()
                && url.path() == "/"
                && url.query().is_none()
        });
        let host = plain.as_ref().and_then(|url| url.host_str());
        let host = host.ok_or_else(|| {
            wrong("the endpoint is malformed: expected a host, or http:// or https:// with a host")
        })?;
        let style = match style(host, own_hosts) {
            _ if by_path => Style::Path,
            style => style,
        };
        Ok(Self { endpoint, style })
    }
}

fn style(host: &str, own_hosts: bool) -> Style {
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let official = OFFICIAL.iter().any(|domain| {
        let rest = host.strip_suffix(domain);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    match (is_address || host == "localhost", official || !own_hosts) {
        (true, _) => Style::Path,
        (false, true) => Style::Virtual,
        (false, false) => Style::Own,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(pairs: &[(&str, &str)]) -> Result<Address> {
        let own = pairs
            .iter()
            .map(|(k, v)| (format!("fs.oss.{k}"), v.to_string()));
        Address::take(&mut Keys::read(&own.collect(), &["fs.oss."], &[]).unwrap())
    }

    #[test]
    fn the_bucket_stands_where_javas_client_puts_it() {
        let official = "oss-cn-hangzhou.aliyuncs.com";
        for (pairs, endpoint, style) in [
            (
                vec![("endpoint", official)],
                "https://oss-cn-hangzhou.aliyuncs.com",
                Style::Virtual,
            ),
            (
                vec![("endpoint", official), ("sld.enabled", "true")],
                "https://oss-cn-hangzhou.aliyuncs.com",
                Style::Path,
            ),
            (
                vec![
                    ("endpoint", official),
                    ("connection.secure.enabled", "false"),
                ],
                "http://oss-cn-hangzhou.aliyuncs.com",
                Style::Virtual,
            ),
            (
                vec![("endpoint", "http://127.0.0.1:9000")],
                "http://127.0.0.1:9000",
                Style::Path,
            ),
            (
                vec![("endpoint", "data.example.com")],
                "https://data.example.com",
                Style::Own,
            ),
            (
                vec![("endpoint", "data.example.com"), ("cname.enabled", "false")],
                "https://data.example.com",
                Style::Virtual,
            ),
            (
                vec![("endpoint", "notaliyuncs.com")],
                "https://notaliyuncs.com",
                Style::Own,
            ),
        ] {
            let found = address(&pairs).unwrap();
            assert_eq!((found.endpoint.as_str(), found.style), (endpoint, style));
        }
    }

    #[test]
    fn malformed_endpoints_are_refused() {
        for endpoint in [
            "",
            "ftp://host",
            "https://",
            "https://a:b@host",
            "host/path",
        ] {
            let error = address(&[("endpoint", endpoint)]).unwrap_err();
            assert!(error.to_string().contains("fs.oss.endpoint"), "{error}");
        }
    }
}
