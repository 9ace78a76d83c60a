use super::table::ENDINGS;

/// Longest name of a document, in bytes: what file systems take.
const MAX_NAME: usize = 255;

/// The ending of a file's name for its MIME type, without the dot; parameters of the type don't count.
pub fn extension(mime: &str) -> Option<&'static str> {
    let mime = canonical(mime.split(';').next().unwrap_or_default().trim());
    ENDINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(mime)).map(|(_, ending)| *ending)
}

/// The name under which a document is sent: never empty, never a path, with an ending wherever its type has one.
pub fn document_name(given: Option<&str>, mime: &str) -> String {
    let name = given.unwrap_or_default();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
    name.truncate(name.floor_char_boundary(MAX_NAME - ".webp".len() - 1));
    let mut name = name.trim().trim_matches('.').to_owned();
    if name.is_empty() {
        name.push_str("document");
    }
    if let (None, Some(ending)) = (ending(&name), extension(mime)) {
        name.push('.');
        name.push_str(ending);
    }
    name
}

/// The MIME type that a file's name says.
pub(super) fn named_type(name: &str) -> Option<&'static str> {
    let ending = ending(name)?.to_ascii_lowercase();
    let known = ENDINGS.iter().find(|(_, known)| *known == ending).map(|(mime, _)| *mime);
    known.or_else(|| mime_guess::from_ext(&ending).first_raw().map(canonical))
}

/// What is behind the last dot, if it looks like an ending: letters and digits, few of them, behind a name.
fn ending(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let is_ending =
        (1..=8).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_ending && !stem.is_empty()).then_some(ending)
}

/// Types that go by several names.
fn canonical(mime: &str) -> &str {
    match mime {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "audio/m4a" | "audio/x-m4a" => "audio/mp4",
        "audio/mp3" | "audio/x-mp3" => "audio/mpeg",
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav",
        "audio/x-aiff" => "audio/aiff",
        "audio/opus" => "audio/ogg",
        "application/x-zip-compressed" => "application/zip",
        "application/x-rar-compressed" => "application/vnd.rar",
        other => other,
    }
}
