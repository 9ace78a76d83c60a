use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wa_binary::Node;
use wa_crypto::PrivateKey;
use wa_store::Device;

use crate::config::Config;
use crate::event::QrCode;

const URL: &str = "https://wa.me/settings/linked_devices#";
/// References that one pair-device may bring; real ones bring six.
const MAX_REFS: usize = 16;
/// Longest reference that still makes a code that a camera can read.
const MAX_REF: usize = 512;

/// The references of one pair-device, which become codes one after the other (PROTOCOL.md 6.1).
#[derive(Debug, Default)]
pub(super) struct Codes {
    refs: VecDeque<String>,
    current: Option<String>,
    shown: usize,
}

impl Codes {
    pub(super) fn new(pair_device: &Node<'_>) -> Self {
        let refs = pair_device.children_named("ref").filter_map(Node::content_text);
        let refs = refs.filter(|text| !text.is_empty() && text.len() <= MAX_REF);
        Self { refs: refs.take(MAX_REFS).map(str::to_owned).collect(), ..Self::default() }
    }

    /// Whether a code has been shown yet.
    pub(super) fn were_shown(&self) -> bool {
        self.shown > 0
    }

    /// The next code and how long it is valid; `None` once all have been shown.
    pub(super) fn next(
        &mut self,
        device: &Device,
        client_type: char,
        config: &Config,
    ) -> Option<(Code, Duration)> {
        let reference = self.refs.pop_front()?;
        let lifetime = if self.shown == 0 { config.first_qr } else { config.next_qr };
        self.shown += 1;
        let code = Code(bare_text(&reference, device, client_type));
        self.current = Some(reference);
        Some((code, lifetime))
    }

    /// The code that is shown, made anew.
    pub(super) fn current(&self, device: &Device, client_type: char) -> Option<Code> {
        Some(Code(bare_text(self.current.as_deref()?, device, client_type)))
    }

    /// How long codes are still shown behind the present one.
    pub(super) fn left(&self, config: &Config) -> Duration {
        config.next_qr.saturating_mul(u32::try_from(self.refs.len()).unwrap_or(u32::MAX))
    }
}

/// A code without its time.
pub(super) struct Code(String);

impl Code {
    pub(super) fn expiring_at(self, expires_at: i64) -> QrCode {
        QrCode { text: format!("{URL}{}", self.0), bare: self.0, expires_at }
    }
}

fn bare_text(reference: &str, device: &Device, client_type: char) -> String {
    let public = |private| STANDARD.encode(PrivateKey::from_bytes(private).public_key().as_bytes());
    let (noise, identity) = (public(device.noise_key), public(device.identity_key));
    let secret = STANDARD.encode(device.adv_secret);
    format!("{reference},{noise},{identity},{secret},{client_type}")
}

#[cfg(test)]
mod tests {
    use wa_store::conformance::sample_device;

    use super::*;

    fn pair_device(refs: usize) -> Node<'static> {
        let refs = (0..refs).map(|index| Node::new("ref").with_bytes(format!("2@ref{index}").into_bytes()));
        Node::new("pair-device").with_children(refs)
    }

    #[test]
    fn the_text_has_five_parts_behind_the_url() {
        let (config, device) = (Config::default(), sample_device());
        let (code, _) = Codes::new(&pair_device(1)).next(&device, '1', &config).unwrap();
        let code = code.expiring_at(5);
        assert_eq!(code.text, format!("https://wa.me/settings/linked_devices#{}", code.bare));
        let parts: Vec<_> = code.bare.split(',').collect();
        assert_eq!((parts.len(), parts[0], parts[4]), (5, "2@ref0", "1"));
        assert_eq!(STANDARD.decode(parts[3]).unwrap(), device.adv_secret);
        let identity = PrivateKey::from_bytes(device.identity_key).public_key();
        assert_eq!(STANDARD.decode(parts[2]).unwrap(), identity.as_bytes());
    }

    #[test]
    fn the_first_code_lasts_a_minute_and_the_others_twenty_seconds() {
        let (config, device) = (Config::default(), sample_device());
        let mut codes = Codes::new(&pair_device(6));
        assert!(!codes.were_shown());
        let times = std::iter::from_fn(|| codes.next(&device, '1', &config)).map(|(_, time)| time.as_secs());
        assert_eq!(times.collect::<Vec<_>>(), [60, 20, 20, 20, 20, 20]);
        assert!(codes.were_shown());
    }

    #[test]
    fn a_flood_of_references_is_cut() {
        assert_eq!(Codes::new(&pair_device(1000)).refs.len(), MAX_REFS);
    }
}
