use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

use crate::HistoryError;

/// Bytes that a chunk inflates to at most. Phones cut history into chunks far below; this bounds the time that one takes.
pub const MAX_INFLATED: u64 = 1 << 30;
/// How many times its compressed size a chunk may have. Text compresses to a tenth, JIDs and ids that repeat to less;
/// zlib could do a thousand, which only a bomb does.
pub const MAX_RATIO: u64 = 200;
/// Bytes up to which the ratio doesn't count: a few names repeated prove nothing.
pub const RATIO_FREE: u64 = 4 << 20;

/// Bytes read and inflated at a time: a few pages, so that calls cost nothing beside the work.
const BUFFER: usize = 32 << 10;

/// The inflated stream, byte by byte or in runs, with its position.
pub(crate) struct Inflate<R> {
    source: R,
    zlib: Decompress,
    /// Compressed, of which those up to `read` are used.
    input: Buffer,
    /// Inflated, of which those up to `read` were given out.
    output: Buffer,
    /// Inflated bytes that were given out.
    position: u64,
    ended: bool,
}

struct Buffer {
    bytes: Box<[u8]>,
    read: usize,
    filled: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER].into(), read: 0, filled: 0 }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.read..self.filled]
    }
}

impl<R: Read> Inflate<R> {
    pub(crate) fn new(source: R) -> Self {
        let zlib = Decompress::new(true);
        Self { source, zlib, input: Buffer::new(), output: Buffer::new(), position: 0, ended: false }
    }

    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Whether nothing follows.
    pub(crate) fn is_at_end(&mut self) -> Result<bool, HistoryError> {
        Ok(self.available()?.is_empty())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, HistoryError> {
        let byte = *self.available()?.first().ok_or(HistoryError::Truncated)?;
        self.consume(1);
        Ok(byte)
    }

    /// Appends the next `length` bytes to `out`, which grows as they come, never as the stream claims.
    pub(crate) fn copy(&mut self, length: u64, out: &mut Vec<u8>) -> Result<(), HistoryError> {
        self.each_run(length, |run| out.extend_from_slice(run))
    }

    pub(crate) fn skip(&mut self, length: u64) -> Result<(), HistoryError> {
        self.each_run(length, |_| ())
    }

    fn each_run(&mut self, length: u64, mut take: impl FnMut(&[u8])) -> Result<(), HistoryError> {
        let mut left = length;
        while left > 0 {
            let run = self.available()?;
            let run = &run[..run.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            if run.is_empty() {
                return Err(HistoryError::Truncated);
            }
            take(run);
            let taken = run.len();
            left -= taken as u64;
            self.consume(taken);
        }
        Ok(())
    }

    fn consume(&mut self, count: usize) {
        self.output.read += count;
        self.position += count as u64;
    }

    /// Inflated bytes, as many as are there; none at the end.
    fn available(&mut self) -> Result<&[u8], HistoryError> {
        while self.output.rest().is_empty() && !self.ended {
            if self.input.rest().is_empty() {
                self.input.filled = read(&mut self.source, &mut self.input.bytes)?;
                self.input.read = 0;
            }
            self.inflate()?;
        }
        Ok(self.output.rest())
    }

    fn inflate(&mut self) -> Result<(), HistoryError> {
        let is_last = self.input.filled == 0;
        let (read, written) = (self.zlib.total_in(), self.zlib.total_out());
        let status = self
            .zlib
            .decompress(self.input.rest(), &mut self.output.bytes, FlushDecompress::None)
            .map_err(|_| HistoryError::Corrupt)?;
        let (read, written) = (self.zlib.total_in() - read, self.zlib.total_out() - written);
        // Both fit their buffers.
        self.input.read += usize::try_from(read).unwrap_or_default();
        self.output.read = 0;
        self.output.filled = usize::try_from(written).unwrap_or_default();
        self.ended = status == Status::StreamEnd;
        if is_last && written == 0 && !self.ended {
            return Err(HistoryError::Truncated);
        }
        self.check()
    }

    fn check(&self) -> Result<(), HistoryError> {
        let (read, written) = (self.zlib.total_in(), self.zlib.total_out());
        let is_bomb = written > RATIO_FREE && written / MAX_RATIO > read;
        if is_bomb || written > MAX_INFLATED { Err(HistoryError::TooLarge) } else { Ok(()) }
    }
}

fn read(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, HistoryError> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return Ok(done?),
        }
    }
}
