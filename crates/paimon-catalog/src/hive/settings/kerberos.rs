//! Options of the login to metastores.
//!
//! Java: `org.apache.paimon.security.SecurityConfiguration`, Hive's `MetastoreConf`, Hadoop's `hadoop.rpc.protection`.

use paimon_core::{Error, Result};

use super::Config;
use crate::hive::machine;
#[cfg(feature = "kerberos")]
use crate::hive::thrift::{Kerberos, Layer, Login as Tickets, ServicePrincipal, ticket_owner};

const ENABLED: &str = "hive.metastore.sasl.enabled";
#[cfg(feature = "kerberos")]
const SERVICE: &str = "hive.metastore.kerberos.principal";
#[cfg(feature = "kerberos")]
const PRINCIPAL: [&str; 2] = ["security.kerberos.login.principal", "security.principal"];
#[cfg(feature = "kerberos")]
const KEYTAB: [&str; 2] = ["security.kerberos.login.keytab", "security.keytab"];
#[cfg(feature = "kerberos")]
const TICKET_CACHE: &str = "security.kerberos.login.use-ticket-cache";
#[cfg(feature = "kerberos")]
const PROTECTION: &str = "hadoop.rpc.protection";

/// Who speaks to metastores, and how it proves that.
pub(super) struct Login {
    pub(super) user: String,
    #[cfg(feature = "kerberos")]
    pub(super) kerberos: Option<Kerberos>,
}

/// The user of the machine, or with SASL the owner of the tickets.
#[cfg(not(feature = "kerberos"))]
pub(super) fn login(config: &Config<'_>) -> Result<Login> {
    match config.flag(ENABLED, false)? {
        false => Ok(Login {
            user: machine::user(),
        }),
        true => Err(
            Error::unsupported("this program was built without the feature kerberos")
                .with("option", ENABLED),
        ),
    }
}

/// The user of the machine, or with SASL the owner of the tickets.
#[cfg(feature = "kerberos")]
pub(super) fn login(config: &Config<'_>) -> Result<Login> {
    if !config.flag(ENABLED, false)? {
        return Ok(Login {
            user: machine::user(),
            kerberos: None,
        });
    }
    let service = config.get(SERVICE).ok_or_else(|| {
        Error::invalid(format!(
            "option {SERVICE} is missing: with {ENABLED} the principal of the metastore is expected, such as \
             hive/_HOST@REALM"
        ))
        .with("option", SERVICE)
    })?;
    let service = ServicePrincipal::parse(&service).map_err(|e| e.with("option", SERVICE))?;
    let layers = layers(config.get(PROTECTION).as_deref())?;
    let login = tickets(config)?;
    Ok(Login {
        user: ticket_owner(&login)?,
        kerberos: Some(Kerberos {
            login,
            service,
            layers,
        }),
    })
}

#[cfg(feature = "kerberos")]
fn tickets(config: &Config<'_>) -> Result<Tickets> {
    let first = |keys: [&str; 2]| {
        let texts = keys.into_iter().filter_map(|key| config.get(key));
        texts.map(|t| t.trim().to_string()).find(|t| !t.is_empty())
    };
    let missing =
        |key: &'static str, text: &str| Err(Error::invalid(text.to_string()).with("option", key));
    match (first(PRINCIPAL), first(KEYTAB)) {
        (Some(principal), Some(keytab)) => match std::fs::File::open(&keytab) {
            Ok(_) => Ok(Tickets::Keytab { principal, keytab }),
            Err(e) => Err(Error::invalid("the keytab cannot be read")
                .with("option", KEYTAB[0])
                .with("path", keytab)
                .with_source(e)),
        },
        (Some(_), None) => missing(KEYTAB[0], "a principal is given, and no keytab for it"),
        (None, Some(_)) => missing(PRINCIPAL[0], "a keytab is given, and no principal in it"),
        (None, None) if config.flag(TICKET_CACHE, true)? => Ok(Tickets::TicketCache),
        (None, None) => missing(
            TICKET_CACHE,
            "there is nothing to log in with: expected a principal and a keytab, or the ticket cache",
        ),
    }
}

/// Levels of protection, the first being preferred; `authentication` where none is named.
#[cfg(feature = "kerberos")]
fn layers(text: Option<&str>) -> Result<Vec<Layer>> {
    let names = text.filter(|t| !t.trim().is_empty());
    let layer = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
        "authentication" => Ok(Layer::None),
        "integrity" => Ok(Layer::Integrity),
        "privacy" => Ok(Layer::Privacy),
        other => Err(Error::invalid(format!(
            "expected authentication, integrity or privacy, found {other:?}"
        ))
        .with("option", PROTECTION)),
    };
    names
        .unwrap_or("authentication")
        .split(',')
        .map(layer)
        .collect()
}

#[cfg(all(test, feature = "kerberos"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use paimon_core::Result;

    use super::super::HiveSettings;
    use crate::hive::thrift::{Layer, Login, ServicePrincipal};

    const HOST: &str = "hive/_HOST@EXAMPLE.ORG";

    fn settings(options: &[(&str, &str)]) -> Result<HiveSettings> {
        let own = [
            ("uri", "thrift://Meta.Example.org:1"),
            ("hive.metastore.sasl.enabled", "true"),
        ];
        let all = own.iter().chain(options);
        let all: BTreeMap<String, String> =
            all.map(|(k, v)| (k.to_string(), v.to_string())).collect();
        HiveSettings::new(&all)
    }

    #[test]
    fn a_keytab_logs_in_and_its_principal_is_the_user() {
        let keytab = tempfile::NamedTempFile::new().unwrap();
        let path = keytab.path().to_str().unwrap();
        let service = ("metastore.kerberos.principal", HOST);
        for (principal_key, keytab_key) in [
            (
                "security.kerberos.login.principal",
                "security.kerberos.login.keytab",
            ),
            ("security.principal", "security.keytab"),
        ] {
            let s = settings(&[
                service,
                (principal_key, "alice/admin@EXAMPLE.ORG"),
                (keytab_key, path),
                ("hadoop.rpc.protection", "privacy, integrity"),
            ])
            .unwrap();
            assert_eq!((s.user.as_str(), s.lock.user.as_str()), ("alice", "alice"));
            let kerberos = s.pool.kerberos.unwrap();
            assert_eq!(kerberos.layers, [Layer::Privacy, Layer::Integrity]);
            assert!(matches!(kerberos.login, Login::Keytab { .. }));
            let on = |host| kerberos.service.on(host);
            assert_eq!(on("Meta.Example.org"), "hive/meta.example.org@EXAMPLE.ORG");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let service = ("hive.metastore.kerberos.principal", HOST);
        let login = |principal, keytab| {
            [
                service,
                ("security.kerberos.login.principal", principal),
                ("security.kerberos.login.keytab", keytab),
            ]
        };
        let no_cache = [
            service,
            ("security.kerberos.login.use-ticket-cache", "false"),
        ];
        let odd = [service, ("hadoop.rpc.protection", "secret")];
        for (options, expected) in [
            (&[][..], "hive.metastore.kerberos.principal"),
            (
                &[("hive.metastore.kerberos.principal", "hive")],
                "service/host@REALM",
            ),
            (
                &[("hive.metastore.kerberos.principal", "hive@R/x")],
                "service/host@REALM",
            ),
            (&login("a", ""), "no keytab"),
            (&login("", "/no/such"), "no principal"),
            (&login("a", "/no/such"), "cannot be read"),
            (&no_cache, "nothing to log in with"),
            (&odd, "found \"secret\""),
        ] {
            let error = settings(options).unwrap_err().to_string();
            assert!(error.contains(expected), "{options:?}: {error}");
        }
        let fixed = ServicePrincipal::parse("hms/all@R").unwrap();
        assert_eq!(fixed.on("any"), "hms/all@R");
    }
}
