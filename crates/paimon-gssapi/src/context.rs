//! Security contexts of a client: who the server is, and messages that nobody else can read or change.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fmt;
use std::ptr;

use crate::error::{Error, Result};
use crate::handles::{Credentials, Filled, INDEFINITE, Name, checked};
use crate::library::{Buffer, Functions, Handle, KERBEROS, Oid, functions};

/// The server proves who it is, too.
const MUTUAL: u32 = 2;
/// Repeated and reordered messages are found.
const REPLAY: u32 = 4;
const SEQUENCE: u32 = 8;
/// Messages can be encrypted.
const CONFIDENTIAL: u32 = 16;
/// Messages can be signed.
const INTEGRITY: u32 = 32;
/// What is not optional.
const NEEDED: u32 = MUTUAL | INTEGRITY;

/// Another token of the server is needed (`GSS_S_CONTINUE_NEEDED`).
const CONTINUE: u32 = 1;
/// A message that came twice, late, in the wrong order or after one that is missing.
const OUT_OF_ORDER: u32 = 2 | 4 | 8 | 16;

/// A message of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwrapped {
    /// What it says.
    pub bytes: Vec<u8>,
    /// Whether it was encrypted, and not signed only.
    pub encrypted: bool,
}

/// A context under way or established.
pub struct ClientContext {
    functions: &'static Functions,
    credentials: Credentials,
    target: Name,
    handle: Handle,
    complete: bool,
    flags: u32,
}

// SAFETY: a context belongs to no thread, and all calls that use it take `&mut self`.
unsafe impl Send for ClientContext {}

impl fmt::Debug for ClientContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientContext")
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

impl ClientContext {
    /// With a server whose principal is known, such as `hive/host@REALM`: taken as it is, with no look-up of names.
    ///
    /// # Errors
    /// For a text that is no principal.
    pub fn new(credentials: Credentials, target: &str) -> Result<Self> {
        Ok(Self {
            functions: functions()?,
            credentials,
            target: Name::of_principal(target)?,
            handle: ptr::null_mut(),
            complete: false,
            flags: 0,
        })
    }

    /// Takes the server's token (the first time there is none) and gives the next one for it, which may be empty. The first
    /// step asks the key distribution centre for a ticket, and blocks.
    ///
    /// # Errors
    /// When there is no ticket, the token is not the server's, the server does not prove who it is, or all was said before.
    pub fn step(&mut self, token: &[u8]) -> Result<Vec<u8>> {
        if self.complete {
            return Err(Error::new("a token came after the context was established"));
        }
        let input = Buffer::of(token);
        let mechanism = Oid::of(KERBEROS);
        let mut output = Filled::new(self.functions);
        let mut minor = 0;
        // SAFETY: credentials and target live as long as `self`; the context's handle is null at first and then what the
        // call before left there; the other pointers are to locals, and null where nothing is asked for.
        let major = unsafe {
            (self.functions.gss_init_sec_context)(
                &mut minor,
                self.credentials.handle,
                &mut self.handle,
                self.target.handle,
                &mechanism,
                NEEDED | REPLAY | SEQUENCE | CONFIDENTIAL,
                INDEFINITE,
                ptr::null_mut(),
                &input,
                ptr::null_mut(),
                &mut output.buffer,
                &mut self.flags,
                ptr::null_mut(),
            )
        };
        checked(self.functions, "authenticating with Kerberos", major, minor)?;
        if major & CONTINUE == 0 {
            if self.flags & NEEDED != NEEDED {
                return Err(Error::new(
                    "the server offers no mutual authentication or no integrity",
                ));
            }
            self.complete = true;
        }
        Ok(output.to_vec())
    }

    /// Whether both sides know each other.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether messages can be encrypted.
    pub fn can_encrypt(&self) -> bool {
        self.complete && self.flags & CONFIDENTIAL != 0
    }

    /// A message, signed or encrypted.
    ///
    /// # Errors
    /// Before the context is established, after it has ended, or when it cannot encrypt.
    pub fn wrap(&mut self, bytes: &[u8], encrypt: bool) -> Result<Vec<u8>> {
        self.established()?;
        let input = Buffer::of(bytes);
        let mut output = Filled::new(self.functions);
        let (mut minor, mut encrypted) = (0, 0);
        // SAFETY: the handle is an established context; the input is borrowed for the call; the output is empty before and
        // released when dropped.
        let major = unsafe {
            (self.functions.gss_wrap)(
                &mut minor,
                self.handle,
                c_int::from(encrypt),
                0,
                &input,
                &mut encrypted,
                &mut output.buffer,
            )
        };
        checked(self.functions, "wrapping a message", major, minor)?;
        match encrypt && encrypted == 0 {
            true => Err(Error::new("a message cannot be encrypted")),
            false => Ok(output.to_vec()),
        }
    }

    /// What the server wrapped.
    ///
    /// # Errors
    /// When the message was changed, repeated or left out, or is not the server's.
    pub fn unwrap(&mut self, bytes: &[u8]) -> Result<Unwrapped> {
        self.established()?;
        let input = Buffer::of(bytes);
        let mut output = Filled::new(self.functions);
        let (mut minor, mut encrypted) = (0, 0);
        // SAFETY: as in `wrap`; the quality of protection is not asked for.
        let major = unsafe {
            (self.functions.gss_unwrap)(
                &mut minor,
                self.handle,
                &input,
                &mut output.buffer,
                &mut encrypted,
                ptr::null_mut(),
            )
        };
        checked(self.functions, "unwrapping a message", major, minor)?;
        match major & OUT_OF_ORDER {
            0 => Ok(Unwrapped {
                bytes: output.to_vec(),
                encrypted: encrypted != 0,
            }),
            _ => Err(Error::new("a message came twice or out of order")),
        }
    }

    /// The most bytes whose wrapped form has at most `wrapped_max` bytes.
    ///
    /// # Errors
    /// Before the context is established.
    pub fn wrap_size_limit(&mut self, wrapped_max: u32, encrypt: bool) -> Result<u32> {
        self.established()?;
        let (mut minor, mut limit) = (0, 0);
        // SAFETY: the handle is an established context; the other pointers are to locals.
        let major = unsafe {
            (self.functions.gss_wrap_size_limit)(
                &mut minor,
                self.handle,
                c_int::from(encrypt),
                0,
                wrapped_max,
                &mut limit,
            )
        };
        checked(
            self.functions,
            "asking for the size of messages",
            major,
            minor,
        )?;
        Ok(limit)
    }

    fn established(&self) -> Result<()> {
        match self.complete {
            true => Ok(()),
            false => Err(Error::new("the context is not established")),
        }
    }
}

impl Drop for ClientContext {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let mut minor = 0;
        // SAFETY: the handle came from the library and is deleted once; no token for the server is asked for.
        unsafe {
            (self.functions.gss_delete_sec_context)(&mut minor, &mut self.handle, ptr::null_mut())
        };
    }
}
