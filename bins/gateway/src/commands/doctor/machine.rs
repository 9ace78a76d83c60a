//! What this machine gives: open files, programs.

use services::Programs;

use super::finding::Finding;
use crate::server::raise_descriptor_limit;

/// With fewer open files a gateway has no room for a few hundred instances and their webhooks.
const FEW_FILES: u64 = 4_096;

pub(super) fn look() -> [Finding; 2] {
    [files(), programs(&Programs::found())]
}

fn files() -> Finding {
    const WHAT: &str = "open files";
    match raise_descriptor_limit() {
        (_, limit) if limit < FEW_FILES => Finding::odd(
            WHAT,
            format!("{limit} are allowed: enough for some {} instances (LimitNOFILE, ulimit -n)", limit / 4),
        ),
        (_, limit) => Finding::sound(WHAT, format!("{limit} are allowed")),
    }
}

fn programs(found: &Programs) -> Finding {
    const WHAT: &str = "programs";
    let Programs { ffmpeg, pdftoppm } = found;
    let missing = [(ffmpeg, "ffmpeg", "videos"), (pdftoppm, "pdftoppm", "PDFs")];
    let missing = missing.into_iter().filter(|(path, ..)| path.is_none());
    let told: Vec<_> =
        missing.map(|(_, name, of)| format!("no {name}: {of} have no small picture")).collect();
    match told.is_empty() {
        true => Finding::sound(WHAT, "ffmpeg and pdftoppm make small pictures of files"),
        false => Finding::sound(WHAT, told.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn missing_programs_keep_nobody_from_working() {
        let found = Programs { ffmpeg: Some("/usr/bin/ffmpeg".into()), pdftoppm: None };
        let finding = programs(&found);
        assert_eq!(
            (finding.verdict, &*finding.text),
            (Verdict::Sound, "no pdftoppm: PDFs have no small picture")
        );
    }
}
