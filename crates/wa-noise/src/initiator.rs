use rand_core::CryptoRng;
use wa_crypto::{KeyPair, PublicKey};

use crate::{
    Ciphers, HandshakeError, Part, Pattern, TrustRoot, cert,
    message::{self, key, require},
    symmetric::SymmetricState,
};

/// The client's side of a handshake, which is always XX: it proves the server anew each time.
#[derive(Debug)]
pub struct Initiator;

impl Initiator {
    /// Starts with the client's static key, which a companion keeps for life. Also gives the
    /// client hello, to be sent as the first frame behind the preamble.
    pub fn start(static_key: KeyPair, rng: &mut impl CryptoRng) -> (AwaitServerHello, Vec<u8>) {
        let ephemeral = KeyPair::generate(rng);
        let mut state = SymmetricState::new(Pattern::Xx);
        state.mix_public(ephemeral.public());
        let hello = message::encode_client_hello(ephemeral.public());
        let next = AwaitServerHello { state, static_key, ephemeral };
        (next, hello)
    }
}

/// The client has sent its hello.
#[derive(Debug)]
pub struct AwaitServerHello {
    state: SymmetricState,
    static_key: KeyPair,
    ephemeral: KeyPair,
}

impl AwaitServerHello {
    /// Reads the server's hello, verifies its certificates against `trust` at `now_unix` (seconds)
    /// and only then encrypts `client_payload` (an encoded `ClientPayload`).
    ///
    /// Gives the ciphers of the connection and the client finish, to be sent as a plain frame
    /// before anything that the ciphers seal.
    pub fn read(
        mut self,
        server_hello: &[u8],
        trust: &TrustRoot,
        now_unix: u64,
        client_payload: &[u8],
    ) -> Result<(Ciphers, Vec<u8>), HandshakeError> {
        let hello = message::parse_server_hello(server_hello)?;
        let server_ephemeral = key(Part::Ephemeral, &require(Part::Ephemeral, hello.ephemeral)?)?;
        let server_static = require(Part::Static, hello.r#static)?;
        let payload = require(Part::Payload, hello.payload)?;

        self.state.mix_public(&server_ephemeral);
        self.state.mix_key(self.ephemeral.private().agree(&server_ephemeral))?;
        let server_static = self.decrypt_static(&server_static)?;
        self.state.mix_key(self.ephemeral.private().agree(&server_static))?;
        let chain = self.state.decrypt(&payload).map_err(HandshakeError::authentication(Part::Payload))?;
        cert::verify_chain(&chain, &server_static, trust, now_unix)?;

        let finish = self.finish(&server_ephemeral, client_payload)?;
        let (to_server, to_client) = self.state.split();
        Ok((Ciphers::new(&to_server, &to_client), finish))
    }

    fn decrypt_static(&mut self, encrypted: &[u8]) -> Result<PublicKey, HandshakeError> {
        let bytes = self.state.decrypt(encrypted).map_err(HandshakeError::authentication(Part::Static))?;
        key(Part::Static, &bytes)
    }

    fn finish(&mut self, server_ephemeral: &PublicKey, payload: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let static_key = self.state.encrypt(self.static_key.public().as_bytes());
        self.state.mix_key(self.static_key.private().agree(server_ephemeral))?;
        let payload = self.state.encrypt(payload);
        Ok(message::encode_client_finish(static_key, payload))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    /// A server that sends any bytes as its static key, correctly encrypted.
    fn read_static(bytes: &[u8]) -> HandshakeError {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let (client, hello) = Initiator::start(KeyPair::generate(&mut rng), &mut rng);
        let hello = message::parse_client_hello(&hello).unwrap();
        let client_ephemeral = key(Part::Ephemeral, &hello.ephemeral.unwrap()).unwrap();

        let ephemeral = KeyPair::generate(&mut rng);
        let mut state = SymmetricState::new(Pattern::Xx);
        state.mix_public(&client_ephemeral);
        state.mix_public(ephemeral.public());
        state.mix_key(ephemeral.private().agree(&client_ephemeral)).unwrap();
        let static_key = state.encrypt(bytes);
        let answer = message::encode_server_hello(ephemeral.public(), Some(static_key), vec![]);
        client.read(&answer, &TrustRoot::whatsapp(), 0, b"").unwrap_err()
    }

    #[test]
    fn the_servers_static_key_must_have_32_bytes() {
        let part = Part::Static;
        for actual in [0, 31, 33] {
            let error = HandshakeError::KeyLength { part, actual };
            assert_eq!(read_static(&vec![9; actual]), error);
        }
    }

    #[test]
    fn the_servers_static_key_must_not_be_of_small_order() {
        let error = read_static(&[0; 32]);
        assert!(matches!(error, HandshakeError::Agreement(_)), "{error}");
    }

    #[test]
    fn every_part_of_a_server_hello_is_needed() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut read = |answer: &[u8]| {
            let (client, _) = Initiator::start(KeyPair::generate(&mut rng), &mut rng);
            client.read(answer, &TrustRoot::whatsapp(), 0, b"").unwrap_err()
        };
        // Field 3, then the parts as fields 1 to 3.
        let missing = |part| HandshakeError::Missing(part);
        assert_eq!(read(&[]), missing(Part::ServerHello));
        assert_eq!(read(&[0x1a, 0]), missing(Part::Ephemeral));
        let mut hello = vec![0x1a, 34, 0x0a, 32];
        hello.extend_from_slice(&[9; 32]);
        assert_eq!(read(&hello), missing(Part::Static));
        hello[1] += 2;
        hello.extend_from_slice(&[0x12, 0]);
        assert_eq!(read(&hello), missing(Part::Payload));
        hello[1] += 2;
        hello.extend_from_slice(&[0x1a, 0]);
        assert_eq!(read(&hello), HandshakeError::Authentication(Part::Static));
    }
}
