//! Messages after the negotiation: frames, wrapped when a layer was agreed on.

use std::io::{Read, Result as IoResult};

use super::mechanism::{Layer, SecurityContext};
use super::{denied, exactly, nonsense};

/// Largest frame, bytes. Java's servers put a whole answer into one, whatever size they were told.
const FRAME_MAX: u32 = 512 << 20;

/// What both sides agreed on.
#[derive(Debug)]
pub(in crate::hive::thrift) struct Secured<C> {
    context: C,
    layer: Layer,
    /// Most bytes of a message in one frame.
    part_max: usize,
}

impl<C: SecurityContext> Secured<C> {
    /// `server_buffer`: largest wrapped frame that the server takes, bytes.
    pub(super) fn new(mut context: C, layer: Layer, server_buffer: u32) -> IoResult<Self> {
        let part_max = match layer {
            Layer::None => FRAME_MAX,
            Layer::Integrity | Layer::Privacy => context
                .wrap_size_limit(server_buffer, layer == Layer::Privacy)
                .map_err(denied)?,
        };
        if part_max == 0 {
            return Err(nonsense(format!(
                "the server's buffer of {server_buffer} bytes has no room for a message"
            )));
        }
        Ok(Self {
            context,
            layer,
            part_max: usize::try_from(part_max).unwrap_or(usize::MAX),
        })
    }

    /// A message as frames.
    pub(in crate::hive::thrift) fn frames(&mut self, message: &[u8]) -> IoResult<Vec<u8>> {
        let mut all = Vec::with_capacity(message.len() + 64);
        for part in message.chunks(self.part_max) {
            let wrapped = match self.layer {
                Layer::None => None,
                layer => Some(
                    self.context
                        .wrap(part, layer == Layer::Privacy)
                        .map_err(denied)?,
                ),
            };
            let part = wrapped.as_deref().unwrap_or(part);
            let length = i32::try_from(part.len())
                .map_err(|_| nonsense("a message for the metastore is too large"))?;
            all.extend(length.to_be_bytes());
            all.extend(part);
        }
        Ok(all)
    }

    fn opened(&mut self, frame: Vec<u8>) -> IoResult<Vec<u8>> {
        if self.layer == Layer::None {
            return Ok(frame);
        }
        let (bytes, encrypted) = self.context.unwrap(&frame).map_err(denied)?;
        match self.layer == Layer::Privacy && !encrypted {
            true => Err(denied("expected an encrypted message, found a signed one")),
            false => Ok(bytes),
        }
    }
}

/// The bytes of a message that comes in frames.
pub(in crate::hive::thrift) struct FrameReader<'a, R, C> {
    input: R,
    secured: &'a mut Secured<C>,
    part: std::io::Cursor<Vec<u8>>,
}

impl<'a, R: Read, C: SecurityContext> FrameReader<'a, R, C> {
    pub(in crate::hive::thrift) fn new(input: R, secured: &'a mut Secured<C>) -> Self {
        Self {
            input,
            secured,
            part: std::io::Cursor::default(),
        }
    }

    fn next_part(&mut self) -> IoResult<Vec<u8>> {
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > FRAME_MAX {
            return Err(nonsense(format!(
                "expected a frame of at most {FRAME_MAX} bytes, found length {length}"
            )));
        }
        let frame = exactly(&mut self.input, length)?;
        self.secured.opened(frame)
    }
}

impl<R: Read, C: SecurityContext> Read for FrameReader<'_, R, C> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.part.read(buffer)? {
                0 => self.part = std::io::Cursor::new(self.next_part()?),
                count => return Ok(count),
            }
        }
    }
}
