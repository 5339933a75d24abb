//! Who logs in to whom, and contexts of the system's library.

use paimon_core::{Error, Result};
pub(in crate::hive) use paimon_gssapi::Login;
use paimon_gssapi::{ClientContext, Credentials};

use super::mechanism::{Layer, SecurityContext};

/// How to log in to metastores.
#[derive(Debug, Clone)]
pub(in crate::hive) struct Kerberos {
    pub(in crate::hive) login: Login,
    pub(in crate::hive) service: ServicePrincipal,
    /// In the order of preference.
    pub(in crate::hive) layers: Vec<Layer>,
}

impl Kerberos {
    /// For a metastore on this host. Tickets are looked up anew, so that renewed ones count.
    pub(super) fn context(&self, host: &str) -> paimon_gssapi::Result<ClientContext> {
        let credentials = Credentials::acquire(&self.login)?;
        ClientContext::new(credentials, &self.service.on(host))
    }
}

/// The principal of metastores: `service/host@REALM`, where the host may be `_HOST`.
///
/// Java: Hadoop's `SecurityUtil.getServerPrincipal`, Hive's `HadoopThriftAuthBridge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hive) struct ServicePrincipal {
    service: String,
    host: String,
    realm: String,
}

impl ServicePrincipal {
    /// # Errors
    /// `InvalidInput` for a text of another form.
    pub(in crate::hive) fn parse(text: &str) -> Result<Self> {
        let parts = text
            .trim()
            .split_once('/')
            .and_then(|(service, rest)| Some((service, rest.split_once('@')?)));
        match parts {
            Some((service, (host, realm)))
                if [service, host, realm]
                    .iter()
                    .all(|part| !part.is_empty() && !part.contains(['/', '@'])) =>
            {
                Ok(Self {
                    service: service.to_string(),
                    host: host.to_string(),
                    realm: realm.to_string(),
                })
            }
            _ => Err(Error::invalid(format!(
                "expected a principal of the form service/host@REALM or service/_HOST@REALM, found {text:?}"
            ))),
        }
    }

    /// Of the metastore on a host.
    pub(in crate::hive) fn on(&self, host: &str) -> String {
        let host = match self.host.as_str() {
            "_HOST" => host.to_lowercase(),
            own => own.to_string(),
        };
        format!("{}/{host}@{}", self.service, self.realm)
    }
}

/// Whose ticket a login finds: the name without its realm and host.
///
/// # Errors
/// `InvalidInput` when there is none.
pub(in crate::hive) fn ticket_owner(login: &Login) -> Result<String> {
    let principal = match login {
        Login::Keytab { principal, .. } => principal.clone(),
        Login::TicketCache => Credentials::acquire(login)
            .and_then(|found| found.principal())
            .map_err(|e| Error::invalid("there is no Kerberos ticket").with_source(e))?,
    };
    let end = principal.find(['/', '@']).unwrap_or(principal.len());
    Ok(principal[..end].to_string())
}

impl SecurityContext for ClientContext {
    fn step(&mut self, token: &[u8]) -> std::result::Result<Vec<u8>, String> {
        Self::step(self, token).map_err(|e| e.to_string())
    }

    fn is_complete(&self) -> bool {
        Self::is_complete(self)
    }

    fn can_encrypt(&self) -> bool {
        Self::can_encrypt(self)
    }

    fn wrap(&mut self, bytes: &[u8], encrypt: bool) -> std::result::Result<Vec<u8>, String> {
        Self::wrap(self, bytes, encrypt).map_err(|e| e.to_string())
    }

    fn unwrap(&mut self, bytes: &[u8]) -> std::result::Result<(Vec<u8>, bool), String> {
        let found = Self::unwrap(self, bytes).map_err(|e| e.to_string())?;
        Ok((found.bytes, found.encrypted))
    }

    fn wrap_size_limit(&mut self, max: u32, encrypt: bool) -> std::result::Result<u32, String> {
        Self::wrap_size_limit(self, max, encrypt).map_err(|e| e.to_string())
    }
}
