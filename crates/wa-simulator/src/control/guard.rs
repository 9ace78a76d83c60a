//! Who may use the control API. It needs no credential on loopback, so that pages in a browser of this machine must not
//! reach it: neither under a name of theirs that leads here, nor as a form or script of theirs.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    Method, Request,
    body::{Body, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN},
};

use crate::ControlError;

/// What a caller of the control API must show.
#[derive(Debug)]
pub(crate) struct Guard {
    listen: IpAddr,
    /// Asked for instead of a name of this machine: no page knows it.
    token: Option<String>,
}

impl Guard {
    pub(crate) fn new(listen: SocketAddr, token: Option<String>) -> Self {
        Self { listen: listen.ip(), token }
    }

    pub(super) fn check(&self, request: &Request<Incoming>) -> Result<(), ControlError> {
        self.check_caller(request.headers())?;
        let has_body = *request.method() != Method::GET && !request.body().is_end_stream();
        if has_body && !is_json(request.headers()) {
            return Err(ControlError::NotJson);
        }
        Ok(())
    }

    fn check_caller(&self, headers: &HeaderMap) -> Result<(), ControlError> {
        let host = text(headers, &HOST);
        if let Some(origin) = text(headers, &ORIGIN) {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            if authority.is_none() || authority != host {
                return Err(ControlError::ForeignOrigin);
            }
        }
        match &self.token {
            Some(token) if !shows(headers, token) => Err(ControlError::Unauthorized),
            Some(_) => Ok(()),
            None if host.is_some_and(|host| self.is_here(host)) => Ok(()),
            None => Err(ControlError::WrongHost),
        }
    }

    /// Whether this is a name that nobody else gives out.
    fn is_here(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || address == self.listen,
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, &CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn shows(headers: &HeaderMap, token: &str) -> bool {
    let shown = text(headers, &AUTHORIZATION).and_then(|shown| shown.split_once(' '));
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("bearer") && are_equal(shown.trim(), token)
    })
}

/// In a time that says nothing of where they differ.
fn are_equal(shown: &str, token: &str) -> bool {
    let differences = shown.bytes().zip(token.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    shown.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(token: Option<&str>) -> Guard {
        Guard::new("127.0.0.1:4000".parse().unwrap(), token.map(str::to_owned))
    }

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_names_of_this_machine_lead_here() {
        for host in ["127.0.0.1:4000", "localhost:4000", "LOCALHOST", "[::1]:4000", "127.8.8.8"] {
            assert!(guard(None).check_caller(&headers(&[(HOST, host)])).is_ok(), "{host}");
        }
        for host in
            ["evil.example:4000", "localhost.evil.example", "10.0.0.1:4000", "", "127.0.0.1.evil.example"]
        {
            assert!(guard(None).check_caller(&headers(&[(HOST, host)])).is_err(), "{host}");
        }
        assert!(guard(None).check_caller(&headers(&[])).is_err());
        let elsewhere = Guard::new("10.0.0.1:4000".parse().unwrap(), None);
        assert!(elsewhere.check_caller(&headers(&[(HOST, "10.0.0.1:4000")])).is_ok());
    }

    #[test]
    fn a_page_may_call_only_where_it_comes_from() {
        let host = (HOST, "localhost:4000");
        for (origin, is_good) in [
            ("http://localhost:4000", true),
            ("http://localhost:3000", false),
            ("null", false),
            ("https://x", false),
        ] {
            assert_eq!(
                guard(None).check_caller(&headers(&[host.clone(), (ORIGIN, origin)])).is_ok(),
                is_good
            );
        }
    }

    #[test]
    fn a_token_stands_for_a_name() {
        let guard = guard(Some("secret"));
        let host = (HOST, "simulator:4000");
        assert!(guard.check_caller(&headers(&[host.clone(), (AUTHORIZATION, "Bearer secret")])).is_ok());
        for wrong in ["Bearer secre", "Bearer secreT", "Bearer secret2", "Basic secret", "secret"] {
            assert!(
                guard.check_caller(&headers(&[host.clone(), (AUTHORIZATION, wrong)])).is_err(),
                "{wrong}"
            );
        }
        assert!(guard.check_caller(&headers(&[host])).is_err());
    }
}
