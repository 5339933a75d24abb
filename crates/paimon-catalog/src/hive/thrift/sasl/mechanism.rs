//! The mechanism GSSAPI (RFC 4752), on any kind of context. No I/O.
//!
//! Tokens go to and fro until both sides know each other. Then the server offers layers and the size of its buffer,
//! signed; the client chooses:
//!
//! ```text
//! layers (1 byte: 1 none, 2 integrity, 4 privacy)  size (3)  [client: user to act as, empty here]
//! ```

use std::io::Result as IoResult;

use super::layer::Secured;
use super::negotiation::Mechanism;
use super::{denied, nonsense};

/// Largest buffer that can be named, bytes: what this side takes.
const BUFFER: u32 = 0x00ff_ffff;

/// What the mechanism needs of a security context; errors are texts.
pub(in crate::hive::thrift) trait SecurityContext {
    /// The answer to a token, an empty one at first.
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, String>;
    fn is_complete(&self) -> bool;
    fn can_encrypt(&self) -> bool;
    fn wrap(&mut self, bytes: &[u8], encrypt: bool) -> Result<Vec<u8>, String>;
    /// The bytes, and whether they were encrypted.
    fn unwrap(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, bool), String>;
    /// Bytes whose wrapped form is not larger than this.
    fn wrap_size_limit(&mut self, wrapped_max: u32, encrypt: bool) -> Result<u32, String>;
}

/// How messages are protected; Hadoop's `hadoop.rpc.protection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::hive) enum Layer {
    /// `authentication`: not at all.
    None = 1,
    /// `integrity`: signed.
    Integrity = 2,
    /// `privacy`: encrypted.
    Privacy = 4,
}

#[derive(Debug)]
enum State {
    /// Until the context is established.
    Context,
    /// The server's offer comes next.
    Offer,
    Done {
        layer: Layer,
        server_buffer: u32,
    },
}

/// The client's side.
#[derive(Debug)]
pub(super) struct Gssapi<C> {
    context: C,
    /// The first that the server offers is taken.
    wanted: Vec<Layer>,
    state: State,
}

impl<C: SecurityContext> Gssapi<C> {
    pub(super) fn new(context: C, wanted: Vec<Layer>) -> Self {
        Self {
            context,
            wanted,
            state: State::Context,
        }
    }

    /// Messages from now on.
    pub(super) fn into_secured(self) -> IoResult<Secured<C>> {
        match self.state {
            State::Done {
                layer,
                server_buffer,
            } => Secured::new(self.context, layer, server_buffer),
            State::Context | State::Offer => Err(nonsense("the login is not complete")),
        }
    }

    fn chosen(&mut self, offer: &[u8]) -> IoResult<Vec<u8>> {
        let (offer, _) = self.context.unwrap(offer).map_err(denied)?;
        let &[offered, ref size @ ..] = offer.as_slice() else {
            return Err(nonsense("expected an offer of layers, found nothing"));
        };
        let &[a, b, c] = size else {
            return Err(nonsense(format!(
                "expected an offer of 4 bytes, found {}",
                offer.len()
            )));
        };
        let server_buffer = u32::from_be_bytes([0, a, b, c]);
        let can_encrypt = self.context.can_encrypt();
        let layer = self
            .wanted
            .iter()
            .copied()
            .filter(|layer| *layer != Layer::Privacy || can_encrypt)
            .find(|layer| offered & (*layer as u8) != 0)
            .ok_or_else(|| {
                denied(format!(
                    "no common protection of messages: hadoop.rpc.protection asks for {:?}, the server offers {offered:#04x} \
                     (1 authentication, 2 integrity, 4 privacy)",
                    self.wanted
                ))
            })?;
        let buffer = match layer {
            Layer::None => 0,
            Layer::Integrity | Layer::Privacy => BUFFER,
        };
        let [_, size @ ..] = buffer.to_be_bytes();
        let answer = [&[layer as u8], &size[..]].concat();
        self.state = State::Done {
            layer,
            server_buffer,
        };
        self.context.wrap(&answer, false).map_err(denied)
    }
}

impl<C: SecurityContext> Mechanism for Gssapi<C> {
    const NAME: &'static str = "GSSAPI";

    fn step(&mut self, challenge: &[u8]) -> IoResult<Vec<u8>> {
        match self.state {
            State::Context => {
                let token = self.context.step(challenge).map_err(denied)?;
                if self.context.is_complete() {
                    self.state = State::Offer;
                }
                Ok(token)
            }
            State::Offer => self.chosen(challenge),
            State::Done { .. } => Err(nonsense("a challenge came after the last answer")),
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, State::Done { .. })
    }
}
