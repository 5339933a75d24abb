//! Names, credentials and buffers of the library, each freed when it is dropped.

#![allow(unsafe_code)]

use std::ffi::{CString, c_int};
use std::fmt;
use std::ptr;

use crate::error::{Error, Result};
use crate::library::{
    Buffer, Functions, Handle, KERBEROS, KeyValue, KeyValues, Oid, OidSet, PRINCIPAL, functions,
};

/// Credentials that start contexts (`GSS_C_INITIATE`).
const INITIATE: c_int = 1;
/// `GSS_C_INDEFINITE`: as long as the tickets live.
pub(crate) const INDEFINITE: u32 = u32::MAX;
/// Calling and routine errors of a major status; the rest are notes.
const ERRORS: u32 = 0xffff_0000;
/// Texts of one status that are shown at most.
const TEXTS_MAX: usize = 8;

/// Bytes that the library made.
pub(crate) struct Filled<'a> {
    functions: &'a Functions,
    pub(crate) buffer: Buffer,
}

impl<'a> Filled<'a> {
    pub(crate) fn new(functions: &'a Functions) -> Self {
        Self {
            functions,
            buffer: Buffer::empty(),
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        if self.buffer.value.is_null() || self.buffer.length == 0 {
            return Vec::new();
        }
        // SAFETY: a buffer that is not null was filled by the library with `length` bytes that live until it is released,
        // which only `drop` does.
        unsafe { std::slice::from_raw_parts(self.buffer.value.cast::<u8>(), self.buffer.length) }
            .to_vec()
    }

    fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.to_vec()).into_owned()
    }
}

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the buffer is empty or was filled by the library, and is released once.
        unsafe { (self.functions.gss_release_buffer)(&mut minor, &mut self.buffer) };
    }
}

/// `Ok` unless the major status holds an error; then its texts and those of the mechanism.
pub(crate) fn checked(functions: &Functions, doing: &str, major: u32, minor: u32) -> Result<()> {
    const OF_GSSAPI: c_int = 1;
    const OF_MECHANISM: c_int = 2;
    if major & ERRORS == 0 {
        return Ok(());
    }
    let mut all = texts(functions, major, OF_GSSAPI);
    if minor != 0 {
        all.extend(texts(functions, minor, OF_MECHANISM));
    }
    Err(Error::new(format!("{doing} failed: {}", all.join("; "))))
}

fn texts(functions: &Functions, status: u32, kind: c_int) -> Vec<String> {
    let mechanism = Oid::of(KERBEROS);
    let mut more = 0;
    let mut found = Vec::new();
    while found.len() < TEXTS_MAX {
        let mut text = Filled::new(functions);
        let mut minor = 0;
        // SAFETY: every pointer is to a local that outlives the call; the buffer is empty and released when dropped.
        let major = unsafe {
            (functions.gss_display_status)(
                &mut minor,
                status,
                kind,
                &mechanism,
                &mut more,
                &mut text.buffer,
            )
        };
        if major & ERRORS != 0 {
            found.push(format!("status {status:#x}"));
            break;
        }
        found.push(text.to_text());
        if more == 0 {
            break;
        }
    }
    found
}

/// The name of a principal.
pub(crate) struct Name {
    functions: &'static Functions,
    pub(crate) handle: Handle,
}

// SAFETY: a name is not changed after it was made, and belongs to no thread.
unsafe impl Send for Name {}

impl Name {
    /// Of a text such as `hive/host@REALM`.
    pub(crate) fn of_principal(principal: &str) -> Result<Self> {
        let functions = functions()?;
        let text = Buffer::of(principal.as_bytes());
        let kind = Oid::of(PRINCIPAL);
        let mut name = Self::none(functions);
        let mut minor = 0;
        // SAFETY: the text and its kind are borrowed for the call, which copies them; the handle is null before.
        let major =
            unsafe { (functions.gss_import_name)(&mut minor, &text, &kind, &mut name.handle) };
        checked(
            functions,
            &format!("reading the principal {principal:?}"),
            major,
            minor,
        )?;
        Ok(name)
    }

    pub(crate) fn none(functions: &'static Functions) -> Self {
        Self {
            functions,
            handle: ptr::null_mut(),
        }
    }

    fn to_text(&self) -> Result<String> {
        let mut text = Filled::new(self.functions);
        let mut minor = 0;
        // SAFETY: the handle is a name of the library's; the buffer is empty and released when dropped; the kind of the
        // name is not asked for.
        let major = unsafe {
            (self.functions.gss_display_name)(
                &mut minor,
                self.handle,
                &mut text.buffer,
                ptr::null_mut(),
            )
        };
        checked(self.functions, "showing a principal", major, minor)?;
        Ok(text.to_text())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let mut minor = 0;
        // SAFETY: the handle came from the library and is released once.
        unsafe { (self.functions.gss_release_name)(&mut minor, &mut self.handle) };
    }
}

/// Where a client's tickets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// The cache that `kinit` fills: `KRB5CCNAME`, else the system's.
    TicketCache,
    /// A file of keys. Tickets are kept in memory, by this principal and file, and renewed from it when they end.
    Keytab {
        /// Such as `alice@EXAMPLE.ORG`; without a realm that of the system.
        principal: String,
        /// Path of the file.
        keytab: String,
    },
}

/// Tickets of a client.
pub struct Credentials {
    functions: &'static Functions,
    pub(crate) handle: Handle,
}

// SAFETY: the library's credentials belong to no thread, and each is used by its one owner only.
unsafe impl Send for Credentials {}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Finds tickets; with a keytab they are fetched from the key distribution centre. Blocks.
    ///
    /// # Errors
    /// When the library cannot be loaded, there is no ticket, or the centre gives none.
    pub fn acquire(login: &Login) -> Result<Self> {
        match login {
            Login::TicketCache => {
                Self::acquire_from(None, &[], "finding a ticket (kinit gets one)")
            }
            Login::Keytab { principal, keytab } => {
                let name = Name::of_principal(principal)?;
                let cache = format!("MEMORY:paimon-gssapi-{principal}-{keytab}");
                Self::acquire_from(
                    Some(&name),
                    &[("client_keytab", keytab), ("ccache", &cache)],
                    &format!("logging in as {principal:?} with the keytab {keytab:?}"),
                )
            }
        }
    }

    fn acquire_from(name: Option<&Name>, places: &[(&str, &str)], doing: &str) -> Result<Self> {
        let functions = functions()?;
        let text = |text: &str| {
            CString::new(text).map_err(|_| Error::new(format!("{doing} failed: a NUL in {text:?}")))
        };
        let texts = places
            .iter()
            .map(|(key, value)| Ok((text(key)?, text(value)?)))
            .collect::<Result<Vec<_>>>()?;
        let elements: Vec<KeyValue> = texts
            .iter()
            .map(|(key, value)| KeyValue {
                key: key.as_ptr(),
                value: value.as_ptr(),
            })
            .collect();
        let store = KeyValues {
            count: u32::try_from(elements.len()).unwrap_or(0),
            elements: elements.as_ptr(),
        };
        let mut mechanism = Oid::of(KERBEROS);
        let mechanisms = OidSet {
            count: 1,
            elements: &mut mechanism,
        };
        let mut credentials = Self {
            functions,
            handle: ptr::null_mut(),
        };
        let mut minor = 0;
        // SAFETY: name, mechanisms and store are locals or borrowed, and only read by the call, as the texts that they point
        // to are; a store may be null, which means the system's places; the handle is null before.
        let major = unsafe {
            (functions.gss_acquire_cred_from)(
                &mut minor,
                name.map_or(ptr::null_mut(), |n| n.handle),
                INDEFINITE,
                &mechanisms,
                INITIATE,
                if places.is_empty() {
                    ptr::null()
                } else {
                    &store
                },
                &mut credentials.handle,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        checked(functions, doing, major, minor)?;
        Ok(credentials)
    }

    /// Whose they are, such as `alice@EXAMPLE.ORG`.
    ///
    /// # Errors
    /// When the tickets are gone.
    pub fn principal(&self) -> Result<String> {
        let mut name = Name::none(self.functions);
        let mut minor = 0;
        // SAFETY: the handle is a credential of the library's; the name's is null before and released when dropped; what is
        // null is not asked for.
        let major = unsafe {
            (self.functions.gss_inquire_cred)(
                &mut minor,
                self.handle,
                &mut name.handle,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        checked(self.functions, "reading whose a ticket is", major, minor)?;
        name.to_text()
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let mut minor = 0;
        // SAFETY: the handle came from the library and is released once.
        unsafe { (self.functions.gss_release_cred)(&mut minor, &mut self.handle) };
    }
}
