//! Where requests go: endpoint, address style, proxy.

use paimon_core::{Error, Result};

use crate::environment::Environment;
use crate::keys::Keys;

/// The endpoint with its scheme.
pub(super) fn endpoint(keys: &mut Keys, environment: &Environment) -> Result<Option<String>> {
    let secure = keys.take_bool("connection.ssl.enabled")?.unwrap_or(true);
    let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let of_environment = || variables.iter().find_map(|name| environment.get(name));
    let given = keys.take("endpoint");
    let Some(endpoint) = given.or_else(|| of_environment().map(str::to_string)) else {
        return Ok(None);
    };
    let full = match (endpoint.contains("://"), secure) {
        (true, _) => endpoint,
        (false, true) => format!("https://{endpoint}"),
        (false, false) => format!("http://{endpoint}"),
    };
    parse_endpoint(&full)?;
    Ok(Some(full.trim_end_matches('/').to_string()))
}

pub(super) fn parse_endpoint(endpoint: &str) -> Result<url::Url> {
    let wrong = || {
        Error::invalid(
            "the endpoint is no URL: https://host[:port] without user and path is expected",
        )
        .with("option", "s3.endpoint")
    };
    let url = url::Url::parse(endpoint).map_err(|_| wrong())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none();
    match plain {
        true => Ok(url),
        false => Err(wrong()),
    }
}

/// `https://host` as `https://bucket.host`.
pub(super) fn with_bucket(endpoint: &str, bucket: &str) -> Result<String> {
    let mut url = parse_endpoint(endpoint)?;
    let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
    url.set_host(Some(&host)).map_err(|_| {
        Error::invalid("the bucket's name cannot be part of a host name: set s3.path.style.access")
            .with("bucket", bucket)
    })?;
    Ok(url.as_str().trim_end_matches('/').to_string())
}

/// Whether `bucket.host` cannot be a name: an address, or a host without a domain.
pub(super) fn has_no_subdomains(endpoint: &str) -> bool {
    match url::Url::parse(endpoint)
        .ok()
        .as_ref()
        .and_then(url::Url::host)
    {
        Some(url::Host::Domain(name)) => !name.contains('.'),
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
        None => false,
    }
}

pub(super) fn is_amazon(endpoint: &str) -> bool {
    let url = url::Url::parse(endpoint).ok();
    let host = url
        .as_ref()
        .and_then(url::Url::host_str)
        .unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

pub(super) fn proxy(keys: &mut Keys) -> Result<Option<String>> {
    let port: Option<u16> = keys.take_number("proxy.port")?;
    let (user, password) = (keys.take("proxy.username"), keys.take("proxy.password"));
    let secure = keys.take_bool("proxy.ssl.enabled")?.unwrap_or(false);
    let Some(host) = keys.take("proxy.host") else {
        return Ok(None);
    };
    if user.is_some() || password.is_some() {
        return Err(
            Error::unsupported("a proxy that asks for a password is not supported")
                .with("option", "fs.s3a.proxy.username"),
        );
    }
    let (scheme, default) = if secure { ("https", 443) } else { ("http", 80) };
    Ok(Some(format!(
        "{scheme}://{host}:{}",
        port.unwrap_or(default)
    )))
}
