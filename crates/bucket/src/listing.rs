//! What a store answers to a list, as far as it is needed.

use std::time::SystemTime;

use chrono::DateTime;

/// A file in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key, behind the prefix of the bucket.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// Since when it is there.
    pub since: SystemTime,
}

/// A page of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) files: Vec<Listed>,
    /// Beginnings of keys up to the next slash.
    pub(crate) folders: Vec<String>,
    /// What the next page is asked for with.
    pub(crate) next: Option<String>,
}

impl Page {
    /// Reads a `ListBucketResult`. `None` if it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let list = element(text, "ListBucketResult")?;
        let files = elements(list, "Contents").map(file).collect::<Option<_>>()?;
        let folders = elements(list, "CommonPrefixes").filter_map(|folder| element(folder, "Prefix"));
        let goes_on = element(list, "IsTruncated") == Some("true");
        let next = element(list, "NextContinuationToken").filter(|_| goes_on);
        Some(Self { files, folders: folders.map(plain).collect(), next: next.map(plain) })
    }
}

fn file(text: &str) -> Option<Listed> {
    let since = DateTime::parse_from_rfc3339(element(text, "LastModified")?).ok()?;
    let size = element(text, "Size")?.parse().ok()?;
    Some(Listed { key: plain(element(text, "Key")?), size, since: since.into() })
}

/// The content of the first element of this name. None of those that are asked for holds one of its own name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    elements(text, name).next()
}

fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (begin, end) = (format!("<{name}"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, found) = rest.split_once(&begin)?;
            // The end of the name, and not the beginning of a longer one.
            let Some(attributes) = found.strip_prefix('>').map(|_| "").or_else(|| {
                found
                    .starts_with([' ', '\n', '\r', '\t'])
                    .then(|| found.split('>').next().unwrap_or_default())
            }) else {
                rest = found;
                continue;
            };
            let (content, after) = found.get(attributes.len() + 1..)?.split_once(&end)?;
            rest = after;
            return Some(content);
        }
    })
}

/// Text without entities.
fn plain(text: &str) -> String {
    let named =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&#39;", "'")];
    let text = named.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>p/</Prefix><KeyCount>2</KeyCount>
<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>
<Contents><Key>p/a-1</Key><LastModified>1970-01-02T00:00:00.000Z</LastModified><ETag>&#34;x&#34;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>
<Contents><Key>p/&lt;b&gt;</Key><LastModified>1970-01-01T00:00:01Z</LastModified><Size>0</Size></Contents>
<CommonPrefixes><Prefix>p/c/</Prefix></CommonPrefixes></ListBucketResult>"#;

    #[test]
    fn a_list_is_read() {
        let listed = |key: &str, size, seconds| Listed {
            key: key.to_owned(),
            size,
            since: UNIX_EPOCH + Duration::from_secs(seconds),
        };
        let expected = Page {
            files: vec![listed("p/a-1", 7, 86_400), listed("p/<b>", 0, 1)],
            folders: vec!["p/c/".to_owned()],
            next: Some("a&b=".to_owned()),
        };
        assert_eq!(Page::read(LIST), Some(expected));
        let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(Page::read(empty), Some(Page::default()));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in [
            "",
            "<html></html>",
            "<Error><Code>NoSuchBucket</Code></Error>",
            "<ListBucketResult>",
            "<ListBucketResult",
        ] {
            assert_eq!(Page::read(text), None, "{text}");
        }
        for end in 0..LIST.len() {
            // None of it panics, and only the whole is a list.
            assert_eq!(Page::read(&LIST[..end]), None);
        }
        assert_eq!(Page::read(&LIST.replace("<Size>7", "<Size>many")), None);
    }
}
