use bytes::Bytes;
use rand_core::CryptoRng;
use wa_crypto::{KeyPair, PublicKey};
use wa_protobuf::handshake::ClientHello;

use crate::{
    Ciphers, HandshakeError, Part, Pattern,
    message::{self, key, require},
    symmetric::SymmetricState,
};

/// The server's side of a handshake: it answers XX and IK, whichever the client starts.
#[derive(Debug)]
pub struct Responder;

impl Responder {
    /// Starts with the server's static key and a chain that certifies it, as
    /// [`Authority::issue`](crate::cert::Authority::issue) makes it.
    pub fn start(static_key: KeyPair, cert_chain: impl Into<Bytes>) -> AwaitClientHello {
        AwaitClientHello { static_key, cert_chain: cert_chain.into() }
    }
}

/// The server waits for a hello.
#[derive(Debug)]
pub struct AwaitClientHello {
    static_key: KeyPair,
    cert_chain: Bytes,
}

/// What the server does about a hello. In either case it sends `server_hello` as a plain frame.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a connection, taken apart at once")]
pub enum Reply {
    /// Wait for the client's last message: the hello was XX's, or an IK hello that this server
    /// could not decrypt and answers with XXfallback.
    AwaitFinish {
        /// The message to send.
        server_hello: Vec<u8>,
        /// Reads the client's last message.
        next: AwaitClientFinish,
    },
    /// Nothing more: the hello was IK's.
    ///
    /// Whoever recorded such a hello can send it again, but then cannot read or write a frame: the
    /// first frame that opens proves the client.
    Established {
        /// The message to send.
        server_hello: Vec<u8>,
        /// The ciphers of the connection.
        ciphers: Ciphers,
        /// Who the client is.
        client: ClientIdentity,
    },
}

impl AwaitClientHello {
    /// Reads the client's hello. One with an encrypted static key and payload is IK's; if they do
    /// not decrypt (the client knows another server key), the answer is XXfallback's
    /// (`whatsapp-rust` facts, "Connect", 2).
    pub fn read(self, hello: &[u8], rng: &mut impl CryptoRng) -> Result<Reply, HandshakeError> {
        let hello = message::parse_client_hello(hello)?;
        let ephemeral = key(Part::Ephemeral, require(Part::Ephemeral, hello.ephemeral.as_ref())?)?;
        match ik_parts(&hello)? {
            None => self.answer_xx(Pattern::Xx, &ephemeral, rng),
            Some(parts) => match self.resume(&ephemeral, parts) {
                Some(resumed) => self.answer_ik(resumed, &ephemeral, rng),
                None => self.answer_xx(Pattern::XxFallback, &ephemeral, rng),
            },
        }
    }

    fn answer_xx(
        self,
        pattern: Pattern,
        client_ephemeral: &PublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Reply, HandshakeError> {
        let ephemeral = KeyPair::generate(rng);
        let mut state = SymmetricState::new(pattern);
        state.mix_public(client_ephemeral);
        state.mix_public(ephemeral.public());
        state.mix_key(ephemeral.private().agree(client_ephemeral))?;
        let static_key = state.encrypt(self.static_key.public().as_bytes());
        state.mix_key(self.static_key.private().agree(client_ephemeral))?;
        let payload = state.encrypt(&self.cert_chain);

        Ok(Reply::AwaitFinish {
            server_hello: message::encode_server_hello(ephemeral.public(), Some(static_key), payload),
            next: AwaitClientFinish { pattern, state, ephemeral },
        })
    }

    /// None if the hello was made for another server key, or was changed on its way.
    fn resume(&self, client_ephemeral: &PublicKey, parts: IkParts<'_>) -> Option<Resumed> {
        let mut state = SymmetricState::new(Pattern::Ik);
        state.mix_public(self.static_key.public());
        state.mix_public(client_ephemeral);
        state.mix_key(self.static_key.private().agree(client_ephemeral)).ok()?;
        let static_key = PublicKey::from_slice(&state.decrypt(parts.static_key).ok()?).ok()?;
        state.mix_key(self.static_key.private().agree(&static_key)).ok()?;
        let payload = state.decrypt(parts.payload).ok()?;
        Some(Resumed { state, client: ClientIdentity { static_key, payload } })
    }

    fn answer_ik(
        self,
        resumed: Resumed,
        client_ephemeral: &PublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Reply, HandshakeError> {
        let Resumed { mut state, client } = resumed;
        let ephemeral = KeyPair::generate(rng);
        state.mix_public(ephemeral.public());
        state.mix_key(ephemeral.private().agree(client_ephemeral))?;
        state.mix_key(ephemeral.private().agree(&client.static_key))?;
        let payload = state.encrypt(&self.cert_chain);

        Ok(Reply::Established {
            server_hello: message::encode_server_hello(ephemeral.public(), None, payload),
            ciphers: server_ciphers(&state),
            client,
        })
    }
}

/// The server has sent its hello.
#[derive(Debug)]
pub struct AwaitClientFinish {
    pattern: Pattern,
    state: SymmetricState,
    ephemeral: KeyPair,
}

impl AwaitClientFinish {
    /// [`Pattern::Xx`] or [`Pattern::XxFallback`].
    pub const fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// Reads the client's last message: who it is and what it wants.
    pub fn read(mut self, finish: &[u8]) -> Result<(Ciphers, ClientIdentity), HandshakeError> {
        let finish = message::parse_client_finish(finish)?;
        let static_key = require(Part::Static, finish.r#static)?;
        let payload = require(Part::Payload, finish.payload)?;

        let static_key =
            self.state.decrypt(&static_key).map_err(HandshakeError::authentication(Part::Static))?;
        let static_key = key(Part::Static, &static_key)?;
        self.state.mix_key(self.ephemeral.private().agree(&static_key))?;
        let payload = self.state.decrypt(&payload).map_err(HandshakeError::authentication(Part::Payload))?;

        let client = ClientIdentity { static_key, payload };
        Ok((server_ciphers(&self.state), client))
    }
}

/// Who the client proved to be, and what it sent along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The client's static Noise key.
    pub static_key: PublicKey,
    /// An encoded `ClientPayload`.
    pub payload: Vec<u8>,
}

struct Resumed {
    state: SymmetricState,
    client: ClientIdentity,
}

#[derive(Clone, Copy)]
struct IkParts<'a> {
    static_key: &'a [u8],
    payload: &'a [u8],
}

/// Both parts or neither: half an IK hello is nobody's.
fn ik_parts(hello: &ClientHello) -> Result<Option<IkParts<'_>>, HandshakeError> {
    match (&hello.r#static, &hello.payload) {
        (Some(static_key), Some(payload)) => Ok(Some(IkParts { static_key, payload })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(HandshakeError::Missing(Part::Static)),
        (Some(_), None) => Err(HandshakeError::Missing(Part::Payload)),
    }
}

fn server_ciphers(state: &SymmetricState) -> Ciphers {
    let (to_server, to_client) = state.split();
    Ciphers::new(&to_client, &to_server)
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([1; 32])
    }

    /// A client that sends any bytes as its static key, correctly encrypted, in its last message.
    fn read_static(bytes: &[u8]) -> HandshakeError {
        let mut rng = rng();
        let server_key = KeyPair::generate(&mut rng);
        let ephemeral = KeyPair::generate(&mut rng);
        let hello = message::encode_client_hello(ephemeral.public());
        let reply = Responder::start(server_key, Bytes::new()).read(&hello, &mut rng);
        let Ok(Reply::AwaitFinish { server_hello, next }) = reply else {
            panic!("XX needs a finish");
        };
        let hello = message::parse_server_hello(&server_hello).unwrap();
        let server_ephemeral = key(Part::Ephemeral, &hello.ephemeral.unwrap()).unwrap();

        let mut state = SymmetricState::new(Pattern::Xx);
        state.mix_public(ephemeral.public());
        state.mix_public(&server_ephemeral);
        let ee = ephemeral.private().agree(&server_ephemeral);
        state.mix_key(ee).unwrap();
        let server_static = state.decrypt(&hello.r#static.unwrap()).unwrap();
        let server_static = key(Part::Static, &server_static).unwrap();
        let es = ephemeral.private().agree(&server_static);
        state.mix_key(es).unwrap();
        state.decrypt(&hello.payload.unwrap()).unwrap();
        let finish = message::encode_client_finish(state.encrypt(bytes), vec![]);
        next.read(&finish).unwrap_err()
    }

    #[test]
    fn the_clients_static_key_must_have_32_bytes() {
        let part = Part::Static;
        for actual in [0, 31, 33] {
            let error = HandshakeError::KeyLength { part, actual };
            assert_eq!(read_static(&vec![9; actual]), error);
        }
    }

    #[test]
    fn the_clients_static_key_must_not_be_of_small_order() {
        let error = read_static(&[0; 32]);
        assert!(matches!(error, HandshakeError::Agreement(_)), "{error}");
    }

    /// The key is right and only the proof that the client owns it is missing.
    #[test]
    fn somebody_elses_static_key_is_refused() {
        let somebody = KeyPair::generate(&mut rng());
        let error = read_static(somebody.public().as_bytes());
        assert_eq!(error, HandshakeError::Authentication(Part::Payload));
    }

    /// In IK the same faults leave the hello unread, which the fallback answers.
    #[test]
    fn an_ik_hello_with_a_bad_static_key_falls_back() {
        for bytes in [&[9; 31][..], &[9; 33], &[0; 32]] {
            let mut rng = rng();
            let (server_key, ephemeral) = (KeyPair::generate(&mut rng), KeyPair::generate(&mut rng));
            let mut state = SymmetricState::new(Pattern::Ik);
            state.mix_public(server_key.public());
            state.mix_public(ephemeral.public());
            let es = ephemeral.private().agree(server_key.public());
            state.mix_key(es).unwrap();
            let static_key = state.encrypt(bytes);
            let server = Responder::start(server_key, Bytes::new());
            let parts = IkParts { static_key: &static_key, payload: &[0; 40] };
            assert!(server.resume(ephemeral.public(), parts).is_none());
        }
    }
}
