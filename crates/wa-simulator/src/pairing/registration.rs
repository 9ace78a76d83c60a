use md5::{Digest, Md5};
use prost::Message as _;
use wa_crypto::{PublicKey, Signature};
use wa_protobuf::{
    companion::DeviceProps,
    payload::{ClientPayload, DevicePairingRegistrationData, user_agent::Platform},
};

use crate::account::SignedKey;
use crate::versions::{Version, Versions, dotted};

/// What a companion says about itself before it is paired.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) noise: PublicKey,
    pub(crate) identity: PublicKey,
    pub(crate) registration_id: u32,
    pub(crate) signed_prekey: SignedKey,
    pub(crate) props: DeviceProps,
    /// The name that the client says, if it does.
    pub(crate) push_name: Option<String>,
    /// The version that it says, dotted.
    pub(crate) version: String,
}

/// Why a registration is refused: each is a `<failure>` for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistrationError {
    #[error("{0} is missing or has a wrong length")]
    Length(&'static str),
    #[error("the key type is not 05")]
    KeyType,
    #[error("the signature of the signed prekey is wrong")]
    SignedPrekey,
    #[error("the build hash is not the MD5 of the version")]
    BuildHash,
    #[error("the device props can't be decoded, or lack system or platform")]
    DeviceProps,
    #[error("the user agent is none of a web client")]
    UserAgent,
    #[error("web info, connect type or connect reason are missing")]
    WebClient,
    #[error("the version is too old")]
    Outdated,
    #[error("a registration has neither username nor device, and is not passive")]
    Login,
}

impl RegistrationError {
    /// The reason in `<failure reason>` (PROTOCOL.md 7.6).
    pub(crate) fn reason(self) -> u16 {
        match self {
            Self::Outdated => 405,
            Self::UserAgent => 409,
            _ => 400,
        }
    }
}

impl Registration {
    /// Checks everything that the server can check about a registration (PROTOCOL.md 3).
    pub(crate) fn check(
        payload: &ClientPayload,
        noise: PublicKey,
        versions: &Versions,
    ) -> Result<Self, RegistrationError> {
        use RegistrationError as E;
        let data = payload.device_pairing_data.as_ref().ok_or(E::Length("devicePairingData"))?;
        if payload.username.is_some() || payload.device.is_some() || payload.passive == Some(true) {
            return Err(E::Login);
        }
        let version = check_user_agent(payload, versions)?;
        check_build_hash(data, &dotted(version))?;
        if bytes::<1>(data.e_keytype.as_deref(), "eKeytype")? != [5] {
            return Err(E::KeyType);
        }
        let identity = PublicKey::from_bytes(bytes(data.e_ident.as_deref(), "eIdent")?);
        let props = data.device_props.as_deref().filter(|props| !props.is_empty()).ok_or(E::DeviceProps)?;
        Ok(Self {
            noise,
            identity,
            registration_id: u32::from_be_bytes(bytes(data.e_regid.as_deref(), "eRegid")?),
            signed_prekey: signed_prekey(data, &identity)?,
            props: device_props(props)?,
            push_name: payload.push_name.clone().filter(|name| !name.is_empty()),
            version: dotted(version),
        })
    }
}

/// What the phone shows of the companion, and which kind of program it is, have to be there.
fn device_props(props: &[u8]) -> Result<DeviceProps, RegistrationError> {
    let props = DeviceProps::decode(props).map_err(|_| RegistrationError::DeviceProps)?;
    let is_named = props.os.as_deref().is_some_and(|os| !os.is_empty());
    let is_whole = is_named && props.platform_type.is_some();
    is_whole.then_some(props).ok_or(RegistrationError::DeviceProps)
}

fn signed_prekey(
    data: &DevicePairingRegistrationData,
    identity: &PublicKey,
) -> Result<SignedKey, RegistrationError> {
    let [a, b, c] = bytes(data.e_skey_id.as_deref(), "eSkeyID")?;
    let key = SignedKey {
        id: u32::from_be_bytes([0, a, b, c]),
        public: PublicKey::from_bytes(bytes(data.e_skey_val.as_deref(), "eSkeyVal")?),
        signature: Signature::from_bytes(bytes(data.e_skey_sig.as_deref(), "eSkeySig")?),
    };
    key.verify(identity).map_err(|_| RegistrationError::SignedPrekey)?;
    Ok(key)
}

/// Checks what a client says of itself, and returns its version. Login payloads pass through it too.
pub(crate) fn check_user_agent(
    payload: &ClientPayload,
    versions: &Versions,
) -> Result<Version, RegistrationError> {
    let agent = payload.user_agent.as_ref().ok_or(RegistrationError::UserAgent)?;
    let platform = agent.platform.and_then(|platform| Platform::try_from(platform).ok());
    let version = agent.app_version.as_ref().ok_or(RegistrationError::UserAgent)?;
    if platform.is_none() || version.primary.is_none() {
        return Err(RegistrationError::UserAgent);
    }
    let [a, b, c] = [version.primary, version.secondary, version.tertiary].map(Option::unwrap_or_default);
    if !versions.lets_in([a, b, c]) {
        return Err(RegistrationError::Outdated);
    }
    if payload.web_info.is_none() || payload.connect_type.is_none() || payload.connect_reason.is_none() {
        return Err(RegistrationError::WebClient);
    }
    Ok([a, b, c])
}

fn check_build_hash(data: &DevicePairingRegistrationData, version: &str) -> Result<(), RegistrationError> {
    let hash: [u8; 16] = bytes(data.build_hash.as_deref(), "buildHash")?;
    if hash != <[u8; 16]>::from(Md5::digest(version)) {
        return Err(RegistrationError::BuildHash);
    }
    Ok(())
}

fn bytes<const N: usize>(field: Option<&[u8]>, name: &'static str) -> Result<[u8; N], RegistrationError> {
    field.and_then(|field| field.try_into().ok()).ok_or(RegistrationError::Length(name))
}
