use std::time::Duration;

use super::*;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn files_of_other_programs_are_recognised() {
    let types = [
        ("photo.jpg", "image/jpeg"),
        ("drawing.png", "image/png"),
        ("still.gif", "image/gif"),
        ("lossy.webp", "image/webp"),
        ("voice.opus", "audio/ogg; codecs=opus"),
        ("letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("table.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("talk.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        ("letter.odt", "application/vnd.oasis.opendocument.text"),
        ("book.epub", "application/epub+zip"),
        ("program.apk", "application/vnd.android.package-archive"),
        ("program.jar", "application/java-archive"),
        ("plain.zip", "application/zip"),
    ];
    for (name, mime) in types {
        // Whatever it is called, and whatever whoever sent it says.
        assert_eq!(mime_type(&file(name), Some("a.pdf"), Some("text/html")), mime, "{name}");
    }
}

/// Beginnings as the formats' specifications have them.
#[test]
fn formats_are_known_by_how_they_begin() {
    let mpeg_ts: Vec<u8> = (0..400).map(|at| if at % 188 == 0 { 0x47 } else { 0 }).collect();
    let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
    let types: [(&[u8], &str); 31] = [
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\x24\0\0\0AVI LIST", "video/x-msvideo"),
        (b"FORM\0\0\0\x24AIFFCOMM", "audio/aiff"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "video/mp4"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isom", "video/mp4"),
        (b"\0\0\0\x18ftyp3gp5\0\0\0\0", "video/3gpp"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "audio/mp4"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0", "video/quicktime"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "image/avif"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\xa3B\x82\x88matroska", "video/x-matroska"),
        (b"\0\0\x01\xba\x44", "video/mpeg"),
        (&mpeg_ts, "video/mp2t"),
        (b"ID3\x04\0\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf3\x84\xc4", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"#!AMR\n\x3c", "audio/amr"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\r\n\xef\xbb\xbf%PDF-1.4", "application/pdf"),
        (b"{\\rtf1\\ansi", "application/rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "application/x-ole-storage"),
        (b"Rar!\x1a\x07\x01\0", "application/vnd.rar"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "application/x-7z-compressed"),
        (b"\x1f\x8b\x08\0", "application/gzip"),
        (&tar, "application/x-tar"),
        (b"BM\x46\0\0\0\0\0\0\0\x36", "image/bmp"),
        (b"BEGIN:VCARD\nVERSION:3.0", "text/vcard"),
    ];
    for (bytes, mime) in types {
        assert_eq!(content_type(bytes), Some(mime));
    }
    for bytes in
        [&b""[..], b"R", b"RIFF", b"PK", b"OggT", b"\xff\xff\xff", b"\xff\xe0\0", b"BM text", b"hello"]
    {
        assert_eq!(content_type(bytes), None, "{bytes:?}");
    }
}

#[test]
fn a_name_tells_what_is_in_a_container() {
    let ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    let mp4 = b"\0\0\0\x18ftypmp42\0\0\0\0";
    assert_eq!(mime_type(ole, Some("old.DOC"), None), "application/msword");
    assert_eq!(mime_type(ole, Some("old.xls"), None), "application/vnd.ms-excel");
    assert_eq!(mime_type(ole, Some("old.jpg"), None), "application/x-ole-storage");
    assert_eq!(mime_type(mp4, Some("voice.m4a"), None), "audio/mp4");
    assert_eq!(mime_type(mp4, Some("voice.mp3"), None), "video/mp4");
    assert_eq!(
        mime_type(&file("plain.zip"), Some("form.docx"), None),
        mime_type(&file("letter.docx"), None, None)
    );
    assert_eq!(mime_type(&file("plain.zip"), Some("form.pdf"), None), "application/zip");
}

#[test]
fn without_content_the_name_counts_then_the_sender_then_text() {
    assert_eq!(mime_type(b"a,b\n", Some("list.csv"), Some("image/png")), "text/csv");
    assert_eq!(mime_type(b"solid\n", Some("letters.woff2"), None), "font/woff2");
    assert_eq!(
        mime_type(b"\0\x01", Some("no ending"), Some("application/x-own; v=1")),
        "application/x-own; v=1"
    );
    for said in [None, Some(""), Some("nonsense"), Some("a/b\r\nc: d"), Some("application/octet-stream")] {
        assert_eq!(mime_type("grüße\n".as_bytes(), None, said), "text/plain");
        assert_eq!(mime_type(&"grüße".as_bytes()[..4], None, said), "text/plain");
        assert_eq!(mime_type(b"\0\x01", None, said), "application/octet-stream");
        assert_eq!(mime_type(b"", None, said), "application/octet-stream");
    }
}

#[test]
fn a_document_has_a_name_with_an_ending() {
    let pdf = "application/pdf";
    assert_eq!(document_name(Some("Bill 3.pdf"), pdf), "Bill 3.pdf");
    assert_eq!(document_name(Some("Bill 3"), pdf), "Bill 3.pdf");
    assert_eq!(document_name(Some("v1.2 final"), pdf), "v1.2 final.pdf");
    assert_eq!(document_name(None, pdf), "document.pdf");
    assert_eq!(document_name(Some("../../etc/passwd"), "text/plain"), "passwd.txt");
    assert_eq!(document_name(Some("C:\\x\\\u{7}."), "application/x-unheard"), "document");
    let long = document_name(Some(&"ü".repeat(400)), "image/webp");
    assert!(long.len() <= 255 && long.ends_with(".webp"));
    assert_eq!(extension("audio/ogg; codecs=opus"), Some("ogg"));
    assert_eq!(extension("Audio/MP3"), None);
    assert_eq!(extension("audio/mp3"), Some("mp3"));
}

#[test]
fn every_ending_of_a_type_names_it_again() {
    for (mime, ending) in table::ENDINGS {
        let named = name::named_type(&format!("a.{ending}")).unwrap();
        assert_eq!(extension(named), Some(*ending), "{mime}");
    }
}

#[test]
fn pictures_have_their_size() {
    for name in
        ["photo.jpg", "drawing.png", "still.gif", "moving.gif", "lossy.webp", "lossless.webp", "sticker.webp"]
    {
        assert_eq!(dimensions(&file(name)), Some(Dimensions { width: 40, height: 30 }), "{name}");
    }
    assert_eq!(dimensions(&file("alpha.webp")), Some(Dimensions { width: 512, height: 512 }));
    assert_eq!(dimensions(&file("voice.opus")), None);
    assert_eq!(dimensions(b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0"), None);

    let jpeg = file("photo.jpg");
    let exif = [&b"\xff\xe1\xff\xff"[..], &[0; 0xfffd]].concat();
    let camera = [&jpeg[..2], &exif, &exif, &jpeg[2..]].concat();
    assert!(camera.len() < HEAD_LEN);
    assert_eq!(dimensions(&camera), Some(Dimensions { width: 40, height: 30 }));
}

#[test]
fn stickers_that_move_are_told_apart() {
    assert!(is_animated(&file("sticker.webp")));
    for name in ["lossy.webp", "lossless.webp", "alpha.webp", "moving.gif"] {
        assert!(!is_animated(&file(name)), "{name}");
    }
    // The flag alone, and a frame alone.
    let chunk = |name: &[u8], content: &[u8]| [name, &[content.len() as u8, 0, 0, 0], content].concat();
    let webp = |chunks: &[u8]| [b"RIFF\0\0\0\0WEBP", chunks].concat();
    assert!(is_animated(&webp(&chunk(b"VP8X", &[2, 0, 0, 0, 1, 0, 0, 1, 0, 0]))));
    assert!(is_animated(&webp(&[chunk(b"ICCP", b"abc"), b"\0".to_vec(), chunk(b"ANMF", b"")].concat())));
    assert!(!is_animated(&webp(&chunk(b"ICCP", b"ANMF\0\0\0\0"))));
}

#[test]
fn recordings_have_their_length() {
    let scan = |bytes: &[u8]| {
        let mut scan = OpusScan::default();
        bytes.chunks(100).for_each(|piece| scan.update(piece));
        scan.finish()
    };
    let voice = Opus { channels: 1, duration: Duration::from_millis(2500) };
    assert_eq!(scan(&file("voice.opus")), Some(voice));
    let stereo = Opus { channels: 2, duration: Duration::from_millis(300) };
    assert_eq!(scan(&file("stereo.opus")), Some(stereo));
    assert_eq!(scan(&file("photo.jpg")), None);
    assert_eq!(scan(b""), None);
    assert_eq!(scan(&[&file("voice.opus")[..], &[7; 40]].concat()), None);
}
