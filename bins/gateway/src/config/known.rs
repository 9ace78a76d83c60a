//! Secrets that everybody knows, because they stand in examples.

/// Shortest secret that signs tokens: as long as what it makes (RFC 7518, section 3.2).
pub(super) const SHORTEST_SIGNING_SECRET: usize = 32;

/// Parts of secrets that documents and examples show, in lower case.
const PLACEHOLDERS: [&str; 11] = [
    "your-",
    "your_",
    "yoursecret",
    "change-me",
    "change_me",
    "changeme",
    "change-this",
    "change_this",
    "placeholder",
    "secret-key",
    "secret_key",
];

/// Passwords that are tried first, in lower case.
const FIRST_GUESSES: [&str; 20] = [
    "admin123",
    "admin1234",
    "admin12345",
    "administrator",
    "password",
    "password1",
    "password12",
    "password123",
    "passw0rd",
    "p@ssw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "qwerty123",
    "qwertyuiop",
    "letmein1",
    "welcome1",
    "trunkline",
    "whatsapp",
    "secret123",
];

/// Different bytes that a secret has at least: `aaaa…` is none.
const FEWEST_BYTES: usize = 8;

/// What is wrong with a secret that is to sign tokens.
pub(super) fn signing_secret(secret: &str) -> Result<(), String> {
    if secret.len() < SHORTEST_SIGNING_SECRET && !is_placeholder(secret) {
        return Err(format!(
            "must have at least {SHORTEST_SIGNING_SECRET} bytes; leave it out to have one generated."
        ));
    }
    if is_placeholder(secret) || distinct_bytes(secret) < FEWEST_BYTES {
        return Err("is an example that everybody knows; leave it out to have one generated.".to_owned());
    }
    Ok(())
}

/// What is wrong with an administrator's password.
pub(super) fn password(password: &str) -> Result<(), String> {
    let lower = password.to_lowercase();
    if is_placeholder(password) || FIRST_GUESSES.contains(&lower.as_str()) {
        return Err("is one that everybody tries first; leave it out to have one generated.".to_owned());
    }
    Ok(())
}

fn is_placeholder(secret: &str) -> bool {
    let lower = secret.to_lowercase();
    PLACEHOLDERS.iter().any(|part| lower.contains(part))
}

fn distinct_bytes(secret: &str) -> usize {
    secret.bytes().collect::<std::collections::BTreeSet<u8>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_refused_and_what_was_generated_is_not() {
        for known in [
            "your-jwt-secret-key-here",
            "your-super-secret-jwt-key-change-this-in-production",
            "CHANGEME-changeme-changeme-changeme",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "only 31 bytes: qwertzuiopasdfgh",
        ] {
            assert!(signing_secret(known).is_err(), "{known}");
        }
        for known in ["admin123", "Password123", "your-secure-password", "changeme!"] {
            assert!(password(known).is_err(), "{known}");
        }
        signing_secret("3f1d8e5b9a7c46d2b0e4f6a81c2d3e5f").unwrap();
        password("correct horse").unwrap();
    }
}
