use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::ops::RangeInclusive;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};
use storage::Timestamp;

use crate::error::ApiError;

/// A type that is read from a query string.
pub(crate) trait FromQuery: Sized {
    /// Takes what it knows out of the parameters; what is left is refused by name.
    ///
    /// # Errors
    /// A 400 that names the parameter.
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError>;
}

/// The query string of a request.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: FromQuery> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Parameters::parse(request.query_string()).and_then(|mut parameters| {
            let query = T::from_query(&mut parameters)?;
            parameters.finish().map(|()| Self(query))
        }))
    }
}

/// The parameters of a query string that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|_| ApiError::invalid("The query string can't be read."))?
            .into_inner();
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if parameters.insert(name.clone(), value).is_some() {
                return Err(wrong(&name, "is given twice"));
            }
        }
        Ok(Self(parameters))
    }

    /// A whole number within `range`, or `default`.
    pub(crate) fn number<T>(
        &mut self,
        name: &str,
        range: RangeInclusive<T>,
        default: T,
    ) -> Result<T, ApiError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.0.remove(name) else {
            return Ok(default);
        };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (start, end) = (range.start(), range.end());
            wrong(name, &format!("must be a whole number from {start} to {end}"))
        })
    }

    /// An ISO 8601 time with a zone, or a date.
    pub(crate) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let problem = "must be an ISO 8601 time such as 2023-01-01T12:00:00.000Z";
        self.0
            .remove(name)
            // In a query string `+` means a space, and clients forget to escape the one of `+02:00`.
            .map(|text| text.replace(' ', "+").parse().map_err(|_| wrong(name, problem)))
            .transpose()
    }

    /// A value of any type that is read from text.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str, problem: &str) -> Result<Option<T>, ApiError> {
        let text = self.0.remove(name);
        text.map(|text| text.parse().map_err(|_| wrong(name, problem))).transpose()
    }

    /// One of these words, or `default`.
    pub(crate) fn word<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
        default: T,
    ) -> Result<T, ApiError> {
        let Some(text) = self.0.remove(name) else { return Ok(default) };
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        known.ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            wrong(name, &format!("must be one of {}", words.join(", ")))
        })
    }

    /// The entries of a comma-separated list; each has to be one that `parse` knows.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ApiError> {
        let text = self.0.remove(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| parse(entry).ok_or_else(|| wrong(name, &format!("has an unknown entry {entry:?}"))))
            .collect()
    }

    /// Leaves out a parameter that somebody else has read.
    pub(crate) fn pass(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn finish(self) -> Result<(), ApiError> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "unknown_field",
                format!("There is no query parameter {name:?}."),
            )
            .with_field(name)),
        }
    }
}

fn wrong(name: &str, problem: &str) -> ApiError {
    ApiError::invalid(format!("{name:?} {problem}.")).with_field(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::parse(query).unwrap()
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(parameters("").number("limit", 1..=100, 20), Ok(20));
        assert_eq!(parameters("limit=100").number("limit", 1..=100, 20), Ok(100));
        for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit="] {
            let error = parameters(query).number("limit", 1..=100, 20).unwrap_err();
            assert!(error.to_string().contains("limit"), "{query}");
        }
    }

    #[test]
    fn times_are_iso_8601() {
        let time = parameters("since=2023-01-01T12:00:00.250Z").time("since").unwrap().unwrap();
        assert_eq!(time.millis(), 1_672_574_400_250);
        assert_eq!(parameters("since=2023-01-01T14:00:00.250+02:00").time("since").unwrap(), Some(time));
        assert_eq!(parameters("since=2023-01-01T14:00:00.250%2B02:00").time("since").unwrap(), Some(time));
        assert!(parameters("since=yesterday").time("since").is_err());
        assert_eq!(parameters("").time("since"), Ok(None));
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert!(parameters("x=1").finish().is_err());
        assert!(Parameters::parse("limit=1&limit=2").is_err());
        let known = |entry: &str| (entry == "a").then_some(1);
        assert_eq!(parameters("types=a,%20a,").list("types", known), Ok(vec![1, 1]));
        assert!(parameters("types=b").list("types", known).is_err());
    }
}
