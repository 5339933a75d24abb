//! A context without keys: tokens are texts, wrapped messages carry a checksum and, encrypted, a mask. It shows what the code around it
//! does, and nothing about Kerberos.

use std::io::{Read, Result as IoResult, Write};

use super::mechanism::SecurityContext;

const SIGNED: u8 = b's';
const ENCRYPTED: u8 = b'e';
/// Bytes that wrapping adds.
pub(super) const OVERHEAD: u32 = 2;

/// One side; the client asks for two tokens of the server's.
#[derive(Debug, Default)]
pub(super) struct Stub {
    pub(super) steps: usize,
    pub(super) cannot_encrypt: bool,
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(7, |sum, byte| sum.wrapping_mul(31) ^ byte)
}

impl Stub {
    pub(super) const SERVER_TOKENS: [&'static [u8]; 2] = [b"who?", b"welcome"];

    pub(super) fn wrapped(bytes: &[u8], encrypt: bool) -> Vec<u8> {
        let mask = if encrypt { 0x5a } else { 0 };
        let kind = if encrypt { ENCRYPTED } else { SIGNED };
        let masked = bytes.iter().map(|byte| byte ^ mask);
        [kind, checksum(bytes)].into_iter().chain(masked).collect()
    }

    pub(super) fn unwrapped(bytes: &[u8]) -> Result<(Vec<u8>, bool), String> {
        let [kind @ (SIGNED | ENCRYPTED), sum, masked @ ..] = bytes else {
            return Err("a defective token".to_string());
        };
        let encrypted = *kind == ENCRYPTED;
        let mask = if encrypted { 0x5a } else { 0 };
        let plain: Vec<u8> = masked.iter().map(|byte| byte ^ mask).collect();
        match checksum(&plain) == *sum {
            true => Ok((plain, encrypted)),
            false => Err("a bad signature".to_string()),
        }
    }
}

impl SecurityContext for Stub {
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        let expected = match self.steps {
            0 => &b""[..],
            n => Self::SERVER_TOKENS.get(n - 1).copied().ok_or("too late")?,
        };
        if token != expected {
            return Err("a defective token".to_string());
        }
        self.steps += 1;
        Ok(format!("client {}", self.steps).into_bytes())
    }

    fn is_complete(&self) -> bool {
        self.steps > Self::SERVER_TOKENS.len()
    }

    fn can_encrypt(&self) -> bool {
        !self.cannot_encrypt
    }

    fn wrap(&mut self, bytes: &[u8], encrypt: bool) -> Result<Vec<u8>, String> {
        Ok(Self::wrapped(bytes, encrypt))
    }

    fn unwrap(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, bool), String> {
        Self::unwrapped(bytes)
    }

    fn wrap_size_limit(&mut self, wrapped_max: u32, _encrypt: bool) -> Result<u32, String> {
        Ok(wrapped_max.saturating_sub(OVERHEAD))
    }
}

/// What a server says, whatever it hears, and what it heard.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) says: std::io::Cursor<Vec<u8>>,
    pub(super) heard: Vec<u8>,
}

impl Script {
    pub(super) fn new(says: &[u8]) -> Self {
        Self {
            says: std::io::Cursor::new(says.to_vec()),
            heard: Vec::new(),
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        self.says.read(buffer)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.heard.write(bytes)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
