use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// Where the demonstration is told: aligned lines, in colour when a person watches.
pub(super) struct Stage {
    out: io::Stdout,
    is_terminal: bool,
}

/// How a line begins.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// A step is done.
    Done,
    /// A text leaves for WhatsApp.
    Out,
    /// A webhook call comes in.
    In,
}

const LABEL_WIDTH: usize = 26;
const DETAIL_WIDTH: usize = 58;

impl Stage {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { out, is_terminal }
    }

    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        let text = self.painted("1", text);
        writeln!(self.out, "\n{text}\n")
    }

    /// One step: what, the interesting part of it, how long it took.
    pub(super) fn step(&mut self, mark: Mark, label: &str, detail: &str, took: Duration) -> io::Result<()> {
        let (symbol, colour) = match mark {
            Mark::Done => ("✓", "32"),
            Mark::Out => ("→", "36"),
            Mark::In => ("←", "35"),
        };
        let symbol = self.painted(colour, symbol);
        // Padding counts characters, so it must happen before escape codes are added.
        let label = format!("{label:<LABEL_WIDTH$}");
        let detail = format!("{detail:<DETAIL_WIDTH$}");
        let took = self.painted("2", &format!("{:>9}", shown(took)));
        writeln!(self.out, "  {symbol} {label} {detail} {took}")?;
        self.out.flush()
    }

    /// A QR code of half-height blocks, when there is a terminal to draw it on.
    pub(super) fn qr(&mut self, text: &str) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let Ok(code) = QrCode::with_error_correction_level(text, qrcode::EcLevel::L) else {
            return Ok(());
        };
        let drawing =
            code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build();
        for line in drawing.lines() {
            let line = self.painted("30;107", line);
            writeln!(self.out, "    {line}")?;
        }
        Ok(())
    }

    /// A name and a value, for what is left running.
    pub(super) fn fact(&mut self, name: &str, value: &str) -> io::Result<()> {
        let name = self.painted("2", &format!("{name:<12}"));
        writeln!(self.out, "  {name} {value}")
    }

    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.is_terminal { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Milliseconds with one digit up to a second, then seconds.
fn shown(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1000.0;
    if millis < 1000.0 { format!("{millis:.1} ms") } else { format!("{:.2} s", took.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(shown(Duration::from_micros(8_240)), "8.2 ms");
        assert_eq!(shown(Duration::from_millis(999)), "999.0 ms");
        assert_eq!(shown(Duration::from_millis(1_234)), "1.23 s");
    }
}
