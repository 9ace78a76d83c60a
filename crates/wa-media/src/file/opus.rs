use std::time::Duration;

/// Bytes of a page's header before the table of its segments (RFC 3533, section 6).
const PAGE_LEN: usize = 27;
/// Bytes of an `OpusHead` without a mapping table (RFC 7845, section 5.1).
const HEAD_LEN: usize = 19;
/// Opus counts its samples at this rate, whatever it was recorded at.
const SAMPLES_PER_SECOND: u64 = 48_000;
/// The position of a page on which no packet ends.
const NO_POSITION: u64 = u64::MAX;

/// What there is to know of an Ogg/Opus file without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opus {
    /// Voice notes have one.
    pub channels: u8,
    /// How long it plays.
    pub duration: Duration,
}

/// Finds the Opus stream in an Ogg file, and how long it plays, as the file passes by in pieces.
///
/// It keeps one page's header. Checksums aren't verified: who plays the file does that.
#[derive(Debug, Default)]
pub struct OpusScan {
    /// Header and table of the page; before the stream is found, also the start of its content.
    page: Vec<u8>,
    /// Content of the page that is still to be skipped.
    skip: usize,
    stream: Option<Stream>,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Pages,
    /// Something was no page. What is behind it can't be found.
    Broken,
}

#[derive(Debug)]
struct Stream {
    serial: [u8; 4],
    channels: u8,
    /// Samples at the start that aren't played.
    pre_skip: u16,
    /// Position of the last page.
    end: u64,
}

impl OpusScan {
    /// Takes the next bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.state == State::Pages {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = self.wanted();
            let (taken, rest) = bytes.split_at(bytes.len().min(wanted - self.page.len()));
            self.page.extend_from_slice(taken);
            bytes = rest;
            if self.page.len() == wanted && self.wanted() == wanted {
                self.end_page();
            }
        }
    }

    /// What was found; `None` if it is no Ogg file, or there is no Opus in it.
    pub fn finish(self) -> Option<Opus> {
        let stream = self.stream.filter(|_| self.state == State::Pages)?;
        let samples = stream.end.saturating_sub(u64::from(stream.pre_skip));
        let (seconds, rest) = (samples / SAMPLES_PER_SECOND, samples % SAMPLES_PER_SECOND);
        let nanos = rest * 1_000_000_000 / SAMPLES_PER_SECOND;
        let duration = Duration::new(seconds, u32::try_from(nanos).unwrap_or_default());
        Some(Opus { channels: stream.channels, duration })
    }

    /// Bytes of the page that are needed, as far as those that are there tell.
    fn wanted(&self) -> usize {
        let Some(segments) = self.page.get(PAGE_LEN - 1) else { return PAGE_LEN };
        let table = PAGE_LEN + usize::from(*segments);
        match self.page.get(PAGE_LEN..table) {
            Some(segments) if self.stream.is_none() => table + content_len(segments).min(HEAD_LEN),
            _ => table,
        }
    }

    fn end_page(&mut self) {
        let page = std::mem::take(&mut self.page);
        let Some(next) = Page::parse(&page) else {
            self.state = State::Broken;
            return;
        };
        self.skip = next.skip;
        if self.stream.is_none() {
            self.stream = next.stream();
        }
        if let Some(stream) = &mut self.stream
            && stream.serial == next.serial
            && next.position != NO_POSITION
        {
            stream.end = next.position;
        }
    }
}

struct Page<'a> {
    position: u64,
    serial: [u8; 4],
    /// The start of its content, if that was wanted.
    content: &'a [u8],
    /// Bytes of content behind that.
    skip: usize,
}

impl<'a> Page<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"OggS\0")?;
        let (position, rest) = rest.get(1..)?.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (segments, rest) = rest.get(8..)?.split_first()?;
        let (table, content) = rest.split_at_checked(usize::from(*segments))?;
        let skip = content_len(table).checked_sub(content.len())?;
        Some(Self { position: u64::from_le_bytes(*position), serial: *serial, content, skip })
    }

    /// The stream that begins here, if it is Opus of a version that there is.
    fn stream(&self) -> Option<Stream> {
        let head = self.content.strip_prefix(b"OpusHead")?;
        let [version, channels, low, high, ..] = *head.first_chunk::<11>()?;
        let is_known = version >> 4 == 0 && channels > 0;
        let pre_skip = u16::from_le_bytes([low, high]);
        is_known.then_some(Stream { serial: self.serial, channels, pre_skip, end: 0 })
    }
}

fn content_len(segments: &[u8]) -> usize {
    segments.iter().map(|segment| usize::from(*segment)).sum()
}
