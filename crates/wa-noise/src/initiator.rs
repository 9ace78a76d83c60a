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
