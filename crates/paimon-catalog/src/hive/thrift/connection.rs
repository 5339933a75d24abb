//! One connection to one metastore. Blocking: call it where blocking is fine.

use std::fmt;
use std::io::{BufReader, Error as IoError, ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use paimon_core::Error;

use super::decode::Reply;
use super::encode::encode_call;
#[cfg(feature = "kerberos")]
use super::sasl;
use super::transport::Transport;
use super::value::Struct;

const REPLY: u8 = 2;
const EXCEPTION: u8 = 3;
/// Type of the application exception for methods that a server does not have.
const UNKNOWN_METHOD: i32 = 1;

/// Where a metastore listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hive) struct Endpoint {
    pub(in crate::hive) host: String,
    pub(in crate::hive) port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "thrift://[{}]:{}", self.host, self.port),
            false => write!(f, "thrift://{}:{}", self.host, self.port),
        }
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(in crate::hive) struct Timeouts {
    /// For a connection.
    pub(in crate::hive) connect: Duration,
    /// For the whole answer to a call.
    pub(in crate::hive) call: Duration,
}

/// Why a call failed.
#[derive(Debug)]
pub(in crate::hive) enum CallError {
    /// The request cannot have taken effect.
    NotSent(Error),
    /// The request was sent, its outcome is unknown.
    Doubtful(Error),
    /// The server does not have the method.
    UnknownMethod(Error),
    /// The server could not work on the request, or it cannot be written.
    Refused(Error),
}

impl CallError {
    pub(in crate::hive) fn into_error(self) -> Error {
        match self {
            Self::NotSent(e) | Self::Doubtful(e) | Self::UnknownMethod(e) | Self::Refused(e) => e,
        }
    }
}

/// An open connection. After a `NotSent` or `Doubtful` error it must not be used again.
#[derive(Debug)]
pub(in crate::hive) struct Connection {
    stream: TcpStream,
    endpoint: Endpoint,
    transport: Transport,
    sequence: i32,
}

impl Connection {
    /// Connects to the first of the host's addresses that answers.
    ///
    /// # Errors
    /// `NotSent` when none does in time.
    pub(in crate::hive) fn open(
        endpoint: &Endpoint,
        framed: bool,
        timeouts: Timeouts,
    ) -> Result<Self, CallError> {
        let failed = |e: IoError| {
            CallError::NotSent(
                Error::new(
                    paimon_core::ErrorKind::Io,
                    "the metastore cannot be reached",
                )
                .with("uri", endpoint)
                .with_source(e),
            )
        };
        let until = Instant::now() + timeouts.connect;
        let addresses = (endpoint.host.as_str(), endpoint.port).to_socket_addrs();
        let mut last = IoError::new(IoErrorKind::NotFound, "the host has no address");
        for address in addresses.map_err(failed)? {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(Self {
                        stream,
                        endpoint: endpoint.clone(),
                        transport: match framed {
                            true => Transport::Framed,
                            false => Transport::Plain,
                        },
                        sequence: 0,
                    });
                }
                Err(e) => last = e,
            }
        }
        Err(failed(last))
    }

    /// Logs in, before anything else is sent.
    ///
    /// # Errors
    /// `NotSent` when there is no ticket, or one side does not accept the other.
    #[cfg(feature = "kerberos")]
    pub(in crate::hive) fn log_in(
        &mut self,
        kerberos: &sasl::Kerberos,
        timeouts: Timeouts,
    ) -> Result<(), CallError> {
        let bounded = Bounded {
            stream: &self.stream,
            until: Instant::now() + timeouts.call,
        };
        let session = sasl::authenticate(kerberos, &self.endpoint.host, bounded);
        let session = session.map_err(|e| CallError::NotSent(self.broken(e, "the login")))?;
        self.transport = Transport::Sasl(Box::new(session));
        Ok(())
    }

    /// Whether the server has not closed the idle connection, as far as this side knows.
    pub(in crate::hive) fn is_open(&self) -> bool {
        let peek = || {
            self.stream.set_nonblocking(true)?;
            let found = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            found
        };
        // bytes that nobody asked for mean that the connection is out of step
        matches!(peek(), Err(e) if e.kind() == IoErrorKind::WouldBlock)
    }

    /// Calls a method: the fields of its result, 0 the value, others its exceptions.
    pub(in crate::hive) fn call(
        &mut self,
        method: &str,
        args: &Struct,
        timeouts: Timeouts,
    ) -> Result<Struct, CallError> {
        self.sequence = self.sequence.wrapping_add(1);
        let message = encode_call(method, self.sequence, args).map_err(CallError::Refused)?;
        let until = Instant::now() + timeouts.call;
        let packed = self.transport.packed(&message);
        let packed = packed.map_err(|e| CallError::NotSent(self.broken(e, method)))?;
        self.send(&packed, until)
            .and_then(|()| self.receive(until))
            .and_then(|reply| self.checked(reply, method))
            .map_err(|e| CallError::Doubtful(self.broken(e, method).with("outcome", "unknown")))
            .and_then(|reply| match reply.message_type {
                REPLY => Ok(reply.fields),
                _ => Err(self.application_error(reply, method)),
            })
    }

    fn send(&self, bytes: &[u8], until: Instant) -> std::io::Result<()> {
        let mut output = Bounded {
            stream: &self.stream,
            until,
        };
        output.write_all(bytes)?;
        output.flush()
    }

    fn receive(&mut self, until: Instant) -> std::io::Result<Reply> {
        let input = Bounded {
            stream: &self.stream,
            until,
        };
        self.transport.reply(BufReader::new(input))
    }

    fn checked(&self, reply: Reply, method: &str) -> std::io::Result<Reply> {
        let known = matches!(reply.message_type, REPLY | EXCEPTION);
        // a server that has no such method may leave the name out
        let ours = reply.sequence == self.sequence && known;
        match ours {
            true => Ok(reply),
            false => Err(IoError::new(
                IoErrorKind::InvalidData,
                format!(
                    "expected the answer {} to {method}, found {} of {:?}",
                    self.sequence, reply.sequence, reply.method
                ),
            )),
        }
    }

    fn broken(&self, error: IoError, method: &str) -> Error {
        let text = match error.kind() {
            IoErrorKind::TimedOut | IoErrorKind::WouldBlock => {
                "the metastore did not answer in time"
            }
            IoErrorKind::InvalidData => {
                "the metastore's answer makes no sense: it may expect another way of logging in \
                 (hive.metastore.sasl.enabled)"
            }
            IoErrorKind::PermissionDenied => "logging in to the metastore failed",
            IoErrorKind::UnexpectedEof | IoErrorKind::ConnectionReset | IoErrorKind::BrokenPipe => {
                "the metastore closed the connection: it may have gone down, or expect another transport \
                 (hive.metastore.thrift.framed.transport.enabled) or another way of logging in \
                 (hive.metastore.sasl.enabled)"
            }
            _ => "the connection to the metastore failed",
        };
        Error::new(paimon_core::ErrorKind::Io, text)
            .with("uri", &self.endpoint)
            .with("call", method)
            .with_source(error)
    }

    fn application_error(&self, mut reply: Reply, method: &str) -> CallError {
        let text = reply.fields.take_text(1).ok().flatten();
        let kind = reply.fields.take_i32(2).ok().flatten();
        let error = Error::new(
            paimon_core::ErrorKind::Io,
            format!(
                "the metastore refused a call: {}",
                text.as_deref().unwrap_or("without a reason")
            ),
        )
        .with("uri", &self.endpoint)
        .with("call", method);
        match kind {
            Some(UNKNOWN_METHOD) => CallError::UnknownMethod(error),
            _ => CallError::Refused(error),
        }
    }
}

fn left(until: Instant) -> std::io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(IoErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

/// Reads and writes until a point in time, however slowly the bytes drip.
struct Bounded<'a> {
    stream: &'a TcpStream,
    until: Instant,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.until)?))?;
        let mut stream = self.stream;
        stream.read(buffer)
    }
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.until)?))?;
        let mut stream = self.stream;
        stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let mut stream = self.stream;
        stream.flush()
    }
}
