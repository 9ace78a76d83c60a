use std::str::FromStr;

use reqwest::Url;

/// Which pages may show the QR page in a frame, and hear from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum QrPageParents {
    /// Pages of any origin.
    #[default]
    Everybody,
    /// Those of these origins; without any, none but the gateway's own.
    Origins(Vec<String>),
}

impl FromStr for QrPageParents {
    type Err = String;

    /// Origins, separated by commas; `*` for all, `none` for none.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "*" => Ok(Self::Everybody),
            "none" => Ok(Self::Origins(Vec::new())),
            list => {
                let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(origin);
                Ok(Self::Origins(origins.collect::<Result<_, _>>()?))
            }
        }
    }
}

fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("must list origins such as https://app.example, or be * or none, not {text:?}.");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_origin { Ok(url.origin().ascii_serialization()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed() {
        let origins =
            |list: &[&str]| QrPageParents::Origins(list.iter().map(|it| (*it).to_owned()).collect());
        assert_eq!("*".parse(), Ok(QrPageParents::Everybody));
        assert_eq!("none".parse(), Ok(origins(&[])));
        let two = origins(&["https://a.example", "http://b.example:8080"]);
        assert_eq!("https://A.example/, http://b.example:8080".parse(), Ok(two));
        for text in
            ["a.example", "https://a.example/page", "ftp://a.example", "https://u@a.example", "https://*'; x"]
        {
            assert!(text.parse::<QrPageParents>().is_err(), "{text}");
        }
    }
}
