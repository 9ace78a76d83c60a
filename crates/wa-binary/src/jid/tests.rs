use super::*;

fn jid(text: &str) -> Jid {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_kind_prints_as_it_was_read() {
    for text in [
        "15550000001@s.whatsapp.net",
        "15550000001:2@s.whatsapp.net",
        "15550000001.7:2@s.whatsapp.net",
        "15550000001.7:0@s.whatsapp.net",
        "100000000000001:1@lid",
        "15550000001:99@hosted",
        "100000000000001:99@hosted.lid",
        "120363000000000000@g.us",
        "15550000001-1400000000@g.us",
        "0@c.us",
        "status@broadcast",
        "120363000000000001@newsletter",
        "1000:300@msgr",
        "3-alice:4@interop",
        "0-12-alice@interop",
        "867051314767696@bot",
        "s.whatsapp.net",
        "g.us",
        "interop",
    ] {
        assert_eq!(jid(text).to_string(), text);
    }
}

#[test]
fn ad_strings_are_read_and_lose_the_zeros() {
    let lid = jid("100000000000001.0:1@lid");
    assert_eq!(lid, Jid::lid("100000000000001").with_device(1));
    assert_eq!(lid.ad_string(), "100000000000001.0:1@lid");
    assert_eq!(jid("15550000001.0:0@s.whatsapp.net"), Jid::pn("15550000001"));
    assert_eq!(jid("@s.whatsapp.net"), Jid::server());
    assert_eq!(jid("alice:1@interop").integrator, 0);
}

#[test]
fn signal_names_tell_the_domains_apart() {
    assert_eq!(jid("1000:3@s.whatsapp.net").signal_name(), "1000");
    assert_eq!(jid("1000:3@lid").signal_name(), "1000_1");
    assert_eq!(jid("1000:3@hosted").signal_name(), "1000_128");
    assert_eq!(jid("1000:3@hosted.lid").signal_name(), "1000_129");
    assert_eq!(jid("1000.7:3@s.whatsapp.net").signal_name(), "1000");
}

#[test]
fn malformed_text_is_refused() {
    for (text, error) in [
        ("", JidError::UnknownServer),
        ("1@", JidError::UnknownServer),
        ("1@example.com", JidError::UnknownServer),
        ("1@lid@lid", JidError::UnknownServer),
        ("1:2:3@lid", JidError::Device),
        ("1:@lid", JidError::Device),
        ("1:256@lid", JidError::Device),
        ("1:+2@lid", JidError::Device),
        ("1:65536@msgr", JidError::Device),
        ("1:1@g.us", JidError::Device),
        ("1.x:1@s.whatsapp.net", JidError::Agent),
        ("1.256:1@s.whatsapp.net", JidError::Agent),
        ("1.2.3:1@s.whatsapp.net", JidError::Agent),
        ("1.1:1@lid", JidError::Agent),
        ("1.128:1@s.whatsapp.net", JidError::Agent),
        (":1@lid", JidError::User),
        ("3-@interop", JidError::User),
    ] {
        assert_eq!(text.parse::<Jid>(), Err(error), "{text}");
    }
}

#[test]
fn kinds_are_told_apart() {
    assert!(Jid::server().is_server() && !Jid::server().is_pn() && !Jid::server().is_user());
    assert!(Jid::pn("1").is_pn() && Jid::pn("1").is_user() && !Jid::pn("1").is_lid());
    assert!(Jid::lid("1").is_lid() && Jid::lid("1").is_user());
    assert!(jid("1:99@hosted").is_hosted() && jid("1:99@hosted").is_user());
    assert!(Jid::group("1").is_group() && !Jid::group("1").is_user());
    assert!(Jid::status().is_status() && !jid("1@broadcast").is_status());
    assert!(jid("1@newsletter").is_newsletter());
}

#[test]
fn bots_have_a_server_and_two_ranges_of_numbers() {
    for text in ["1@bot", "13135550002@s.whatsapp.net", "13165550012@s.whatsapp.net"] {
        assert!(jid(text).is_bot(), "{text}");
    }
    for text in [
        "13135550002:1@s.whatsapp.net",
        "1313555000@s.whatsapp.net",
        "131355500022@s.whatsapp.net",
        "13165550112@s.whatsapp.net",
        "1313555000x@s.whatsapp.net",
        "13135550002@lid",
        "bot",
    ] {
        assert!(!jid(text).is_bot(), "{text}");
    }
}

#[test]
fn devices_share_a_user() {
    let device = jid("1:2@lid");
    assert_eq!(device.to_user(), Jid::lid("1"));
    assert!(device.is_same_user(&Jid::lid("1")));
    assert!(!device.is_same_user(&Jid::pn("1")));
}
