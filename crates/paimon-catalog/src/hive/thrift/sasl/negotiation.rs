//! The framing of the negotiation: which message is sent next. No I/O.

use std::io::Result as IoResult;

use super::{denied, nonsense};

/// Longest payload, bytes: a ticket with all groups of a user takes tens of thousands.
const PAYLOAD_MAX: u32 = 4 << 20;
/// Longest reason of a server that is shown, characters.
const REASON_MAX: usize = 500;

/// First byte of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Start = 1,
    Ok = 2,
    Bad = 3,
    Error = 4,
    Complete = 5,
}

/// One side of a mechanism: the answers to challenges.
pub(super) trait Mechanism {
    /// As the server knows it.
    const NAME: &'static str;

    /// The answer to a challenge, an empty one at first.
    fn step(&mut self, challenge: &[u8]) -> IoResult<Vec<u8>>;

    /// Whether this side has said all it has to say.
    fn is_complete(&self) -> bool;
}

/// A message of the negotiation.
pub(super) fn message(status: Status, payload: &[u8]) -> IoResult<Vec<u8>> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|length| *length <= PAYLOAD_MAX)
        .ok_or_else(|| nonsense(format!("a token of {} bytes is too large", payload.len())))?;
    Ok([&[status as u8], &length.to_be_bytes()[..], payload].concat())
}

/// Status and length of the payload of the server's next message.
pub(super) fn header([status, length @ ..]: [u8; 5]) -> IoResult<(Status, u32)> {
    let status = match status {
        1 => Status::Start,
        2 => Status::Ok,
        3 => Status::Bad,
        4 => Status::Error,
        5 => Status::Complete,
        other => {
            return Err(nonsense(format!(
                "expected a status of SASL between 1 and 5, found {other}"
            )));
        }
    };
    let length = u32::from_be_bytes(length);
    match length <= PAYLOAD_MAX {
        true => Ok((status, length)),
        false => Err(nonsense(format!(
            "expected a token of at most {PAYLOAD_MAX} bytes, found length {length}"
        ))),
    }
}

/// A client's negotiation under way.
pub(super) struct Negotiation<M> {
    mechanism: M,
}

impl<M: Mechanism> Negotiation<M> {
    /// With the first bytes for the server: the mechanism's name and its first token.
    pub(super) fn begin(mut mechanism: M) -> IoResult<(Self, Vec<u8>)> {
        let mut bytes = message(Status::Start, M::NAME.as_bytes())?;
        let first = mechanism.step(&[])?;
        bytes.extend(message(Status::Ok, &first)?);
        Ok((Self { mechanism }, bytes))
    }

    /// What to send for a message of the server's; `None` when it has accepted this side.
    pub(super) fn receive(&mut self, status: Status, payload: &[u8]) -> IoResult<Option<Vec<u8>>> {
        let complete = self.mechanism.is_complete();
        match status {
            Status::Bad | Status::Error => Err(denied(format!(
                "the server refused the login: {}",
                reason(payload)
            ))),
            Status::Ok if !complete => {
                let answer = self.mechanism.step(payload)?;
                let status = match self.mechanism.is_complete() {
                    true => Status::Complete,
                    false => Status::Ok,
                };
                message(status, &answer).map(Some)
            }
            Status::Complete if complete => Ok(None),
            // it has not shown yet who it is
            Status::Complete => Err(denied("the server ended the login before it was complete")),
            Status::Ok | Status::Start => Err(nonsense(format!(
                "expected the end of the login, found status {status:?}"
            ))),
        }
    }

    /// After [`Self::receive`] said that all is done.
    pub(super) fn into_mechanism(self) -> M {
        self.mechanism
    }
}

fn reason(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    text.chars()
        .take(REASON_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
