use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use storage::StoredMessageId;

use super::*;

/// A folder with programs that are scripts; it goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("trunkline-{}", StoredMessageId::generate()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn with(self, name: &str, script: &str) -> Self {
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn programs(&self) -> Programs {
        Programs::among(Some(self.0.as_os_str()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MP4: Pictured = Pictured::Video("mov");

#[tokio::test]
async fn what_a_program_answers_is_the_picture() {
    let script = "echo \"$@\"; env | sort | grep -v '^\\(PWD\\|SHLVL\\|_\\|OLDPWD\\)='; true";
    let folder = Folder::new().with("ffmpeg", script).with("pdftoppm", script);
    let programs = folder.programs();
    let said = |picture: Option<Vec<u8>>| String::from_utf8(picture.unwrap()).unwrap();
    let of_video = said(programs.picture(MP4, Path::new("/spool/$(reboot) ; a")).await);
    assert!(
        of_video.contains("-protocol_whitelist file -threads 1 -f mov -i file:/spool/$(reboot) ; a "),
        "{of_video}"
    );
    assert_eq!(of_video.lines().count(), 1, "no setting of ours is passed on: {of_video}");
    let of_page = said(programs.picture(Pictured::Pdf, Path::new("/spool/b")).await);
    assert!(of_page.ends_with("-l 1 -singlefile -scale-to 800 /spool/b\n"), "{of_page}");
}

#[tokio::test]
async fn one_that_fails_hangs_or_answers_without_end_makes_no_picture() {
    for script in ["exit 1", "echo picture; exit 3", "true", "exec cat /dev/zero"] {
        let folder = Folder::new().with("ffmpeg", script);
        assert_eq!(folder.programs().picture(MP4, Path::new("/a")).await, None, "{script}");
    }
    let folder = Folder::new().with("ffmpeg", "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 600");
    let begun = Instant::now();
    let programs = folder.programs();
    assert_eq!(programs.picture_within(MP4, Path::new("/a"), Duration::from_secs(2)).await, None);
    assert!(begun.elapsed() < Duration::from_secs(8));
    let pid = fs::read_to_string(folder.0.join("pid")).unwrap();
    let is_gone = || async { (!is_running(pid.trim())).then_some(()) };
    test_support::until("the process is gone", is_gone).await;
}

/// Whether there is such a process; one that has ended and wasn't waited for isn't running.
fn is_running(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_is_bounded_in_memory_and_files() {
    // They are set right after its start; the one of memory last.
    let script = "trap '' 25; until grep -q 'Max address space *2147483648' /proc/$$/limits; do :; done
        echo x > \"$(dirname \"$0\")/file\" 2>/dev/null; cat /proc/$$/limits";
    let folder = Folder::new().with("pdftoppm", script);
    let answer = folder.programs().picture(Pictured::Pdf, Path::new("/a")).await;
    let limits = String::from_utf8(answer.unwrap()).unwrap();
    assert!(limits.contains("Max file size             0 "), "{limits}");
    assert_eq!(fs::metadata(folder.0.join("file")).map_or(0, |file| file.len()), 0);
}

#[test]
fn programs_are_looked_for_where_path_says() {
    assert_eq!(Programs::among(None), Programs::default());
    assert_eq!(Programs::among(Some(OsStr::new("/nowhere:/proc:.:"))), Programs::default());
    let folder = Folder::new().with("ffmpeg", "true");
    let found = folder.programs();
    assert_eq!(found, Programs { ffmpeg: Some(folder.0.join("ffmpeg")), pdftoppm: None });
    assert_eq!(Pictured::of("video/mp4; codecs=avc1"), Some(MP4));
    for lists_other_files in
        ["application/vnd.apple.mpegurl", "application/x-mpegurl", "text/plain", "image/png"]
    {
        assert_eq!(Pictured::of(lists_other_files), None);
    }
}

#[tokio::test]
async fn without_a_program_there_is_no_picture() {
    assert_eq!(Programs::default().picture(MP4, Path::new("/a")).await, None);
    let gone = Programs { ffmpeg: Some("/nowhere/ffmpeg".into()), pdftoppm: None };
    assert_eq!(gone.picture(MP4, Path::new("/a")).await, None);
}

/// The real ones, where this machine has them.
#[tokio::test]
async fn the_real_programs_make_pictures() {
    let (programs, folder) = (Programs::found(), Folder::new());
    if let Some(ffmpeg) = &programs.ffmpeg {
        let video = folder.0.join("video");
        let source =
            ["-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:duration=1", "-f", "mp4"];
        let made = Command::new(ffmpeg).args(source).arg(&video).status().await.unwrap();
        assert!(made.success());
        let picture = programs.picture(MP4, &video).await.expect("a picture of a video");
        let picture = image::load_from_memory_with_format(&picture, image::ImageFormat::Jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), (320, 180));
        // A list of other files is no video, whatever it is called.
        fs::write(&video, format!("#EXTM3U\n#EXTINF:1,\nfile://{}\n", video.display())).unwrap();
        assert_eq!(programs.picture(MP4, &video).await, None);
    } else {
        eprintln!("SKIPPED LOUDLY: ffmpeg is not installed");
    }
    if programs.pdftoppm.is_some() {
        let page = folder.0.join("page");
        fs::write(&page, PDF).unwrap();
        let picture = programs.picture(Pictured::Pdf, &page).await.expect("a picture of a page");
        let picture = image::load_from_memory_with_format(&picture, image::ImageFormat::Jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), (400, 800));
    } else {
        eprintln!("SKIPPED LOUDLY: pdftoppm is not installed");
    }
}

/// An empty page of 100 by 200 points.
const PDF: &str = "%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 200]>>endobj
trailer<</Root 1 0 R>>
";
