//! The library's functions and the C types they take, as MIT's `gssapi/gssapi.h` and `gssapi/gssapi_ext.h` declare them.
//!
//! The layout of the structures is that of Linux (Apple's headers pack them), so that elsewhere the library is not loaded.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

use crate::error::{Error, Result};

/// Its name with the version of its interface: the name without belongs to packages for developers.
const LIBRARY: &str = "libgssapi_krb5.so.2";

/// Object identifier of the mechanism Kerberos 5, 1.2.840.113554.1.2.2 (RFC 1964).
pub(crate) const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// Object identifier of names that are principals, 1.2.840.113554.1.2.2.1 (RFC 1964).
pub(crate) const PRINCIPAL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01];

/// Bytes that the library reads, or bytes of its own that `gss_release_buffer` frees.
#[repr(C)]
pub(crate) struct Buffer {
    pub(crate) length: usize,
    pub(crate) value: *mut c_void,
}

impl Buffer {
    /// A buffer that the library fills.
    pub(crate) fn empty() -> Self {
        Self {
            length: 0,
            value: ptr::null_mut(),
        }
    }

    /// Bytes for the library to read, as long as `bytes` are borrowed.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len(),
            value: bytes.as_ptr().cast_mut().cast(),
        }
    }
}

/// An object identifier.
#[repr(C)]
pub(crate) struct Oid {
    length: u32,
    elements: *mut c_void,
}

impl Oid {
    /// Of bytes that are constants above, so that they are short and live for ever.
    pub(crate) fn of(bytes: &'static [u8]) -> Self {
        Self {
            length: u32::try_from(bytes.len()).unwrap_or(0),
            elements: bytes.as_ptr().cast_mut().cast(),
        }
    }
}

/// A set of object identifiers.
#[repr(C)]
pub(crate) struct OidSet {
    pub(crate) count: usize,
    pub(crate) elements: *mut Oid,
}

/// A setting of where credentials are: texts that end with NUL.
#[repr(C)]
pub(crate) struct KeyValue {
    pub(crate) key: *const c_char,
    pub(crate) value: *const c_char,
}

/// Where credentials are.
#[repr(C)]
pub(crate) struct KeyValues {
    pub(crate) count: u32,
    pub(crate) elements: *const KeyValue,
}

/// Handle of a name, a credential or a context: null, or what the library gave and its function for that kind frees.
pub(crate) type Handle = *mut c_void;

/// Declares a struct of function pointers and a function that looks up each by its name.
macro_rules! functions {
    ($($name:ident($($kind:ty),* $(,)?);)*) => {
        /// The functions, for as long as the process lives. Each returns a major status; its first argument is the minor one.
        pub(crate) struct Functions {
            $(pub(crate) $name: unsafe extern "C" fn($($kind),*) -> u32,)*
            // unloading it would leave the pointers above dangling
            _library: Library,
        }

        impl Functions {
            fn of(library: Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    $($name: {
                        // SAFETY: the type is the one that MIT's header declares for the function of this name, and the
                        // pointer is kept beside the library only.
                        *unsafe {
                            library.get::<unsafe extern "C" fn($($kind),*) -> u32>(
                                concat!(stringify!($name), "\0").as_bytes(),
                            )
                        }?
                    },)*
                    _library: library,
                })
            }
        }
    };
}

functions! {
    gss_import_name(*mut u32, *const Buffer, *const Oid, *mut Handle);
    gss_display_name(*mut u32, Handle, *mut Buffer, *mut *mut Oid);
    gss_release_name(*mut u32, *mut Handle);
    gss_acquire_cred_from(
        *mut u32, Handle, u32, *const OidSet, c_int, *const KeyValues, *mut Handle, *mut *mut OidSet, *mut u32,
    );
    gss_inquire_cred(*mut u32, Handle, *mut Handle, *mut u32, *mut c_int, *mut *mut OidSet);
    gss_release_cred(*mut u32, *mut Handle);
    gss_init_sec_context(
        *mut u32, Handle, *mut Handle, Handle, *const Oid, u32, u32, *mut c_void, *const Buffer, *mut *mut Oid,
        *mut Buffer, *mut u32, *mut u32,
    );
    gss_delete_sec_context(*mut u32, *mut Handle, *mut Buffer);
    gss_wrap(*mut u32, Handle, c_int, u32, *const Buffer, *mut c_int, *mut Buffer);
    gss_unwrap(*mut u32, Handle, *const Buffer, *mut Buffer, *mut c_int, *mut u32);
    gss_wrap_size_limit(*mut u32, Handle, c_int, u32, u32, *mut u32);
    gss_release_buffer(*mut u32, *mut Buffer);
    gss_display_status(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer);
}

/// The library's functions. The first call loads it; a failure is remembered, too.
pub(crate) fn functions() -> Result<&'static Functions> {
    static LOADED: OnceLock<Result<Functions>> = OnceLock::new();
    LOADED
        .get_or_init(|| load(LIBRARY))
        .as_ref()
        .map_err(Clone::clone)
}

fn load(name: &str) -> Result<Functions> {
    if !cfg!(target_os = "linux") {
        return Err(Error::new("Kerberos is supported on Linux only"));
    }
    // SAFETY: MIT's library and those it needs have no initialisers with conditions on their callers; the name is that of
    // this library, found where the system's loader finds libraries.
    let library = unsafe { Library::new(name) };
    library.and_then(Functions::of).map_err(|e| {
        Error::new(format!(
            "Kerberos needs the library {name} of MIT Kerberos, which cannot be loaded (Debian: package libgssapi-krb5-2, \
             Fedora: krb5-libs): {e}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::load;

    #[test]
    fn a_library_that_is_missing_or_another_one_is_named_with_its_package() {
        for name in ["libno_such_gssapi.so.2", "libc.so.6"] {
            let error = load(name).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(
                error.contains(name) && error.contains("libgssapi-krb5-2"),
                "{error}"
            );
        }
    }
}
