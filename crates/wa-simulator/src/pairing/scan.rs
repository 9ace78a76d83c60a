use std::sync::Arc;

use tokio::sync::oneshot;
use wa_crypto::Secret;

use super::{Approach, Offer, QrCode, Waiting};
use crate::{
    ControlError,
    account::Account,
    adv::Vouched,
    faults::{FaultKind, PairingFault, PairingStep},
    world::World,
};

impl World {
    /// The phone of `account` scans a QR text; resolves when the companion is linked, with its device id.
    pub(crate) async fn scan(&self, account: &Arc<Account>, text: &str) -> Result<u16, ControlError> {
        let code = QrCode::parse(text)?;
        let waiting = self.pairings.find(&code.reference)?;
        if waiting.registration.noise != code.noise {
            return Err(ControlError::QrMismatch("noise key"));
        }
        if waiting.registration.identity != code.identity {
            return Err(ControlError::QrMismatch("identity key"));
        }
        if waiting.is_retired(code.adv_secret.expose()) {
            return Err(ControlError::RetiredSecret);
        }
        if self.refresh(account, &waiting).await? {
            waiting.retire(*code.adv_secret.expose());
            return Err(ControlError::RetiredSecret);
        }
        if account.directory().has_passkey {
            return self.link_by_passkey(account, &waiting, &code.adv_secret).await;
        }
        self.offer(account, &waiting, &code.adv_secret).await
    }

    /// Has the client change its secret if a fault wants it; whether one did. The device has no number yet, so that a
    /// fault for one of them doesn't strike.
    pub(super) async fn refresh(
        &self,
        account: &Arc<Account>,
        waiting: &Waiting,
    ) -> Result<bool, ControlError> {
        let fault = self.faults.strike(&account.number, u16::MAX, |kind| match kind {
            FaultKind::RegRefresh { rotate_qr } => Some(*rotate_qr),
            _ => None,
        });
        let Some(rotate_qr) = fault else { return Ok(false) };
        let approach = waiting.approaches.send(Approach::Refresh { rotate_qr });
        approach.await.map_err(|_| ControlError::CompanionGone)?;
        Ok(true)
    }

    /// Vouches for a client, offers it to be the account's companion, and waits for its answer.
    pub(crate) async fn offer(
        &self,
        account: &Arc<Account>,
        waiting: &Waiting,
        adv_secret: &Secret<32>,
    ) -> Result<u16, ControlError> {
        let (device, key_index, raw_id) = self.reserve(account)?;
        let fault = self.faults.strike(&account.number, device, |kind| match kind {
            FaultKind::Pairing { what } => Some(*what),
            _ => None,
        });
        let vouched = Vouched::sign(
            &account.phone.keys().identity.key,
            &waiting.registration.identity,
            (raw_id, key_index),
            self.clock.unix_seconds(),
            fault,
            &mut self.fork_rng(),
        );
        let (reply, answer) = oneshot::channel();
        let offer = Offer {
            account: account.clone(),
            device,
            container: vouched.container(adv_secret.expose(), fault),
            vouched,
            without_device: fault == Some(PairingFault::MissingDevice),
            reply,
        };
        self.while_held(account, device, PairingStep::Success).await;
        waiting.approaches.send(Approach::Offer(offer)).await.map_err(|_| ControlError::CompanionGone)?;
        answer.await.map_err(|_| ControlError::CompanionGone)??;
        Ok(device)
    }

    /// Waits while a fault holds this step back.
    pub(crate) async fn while_held(&self, account: &Account, device: u16, step: PairingStep) {
        let holds = |kind: &FaultKind| *kind == FaultKind::HoldPairing { before: step };
        self.pairings.while_held(|| self.faults.holds(&account.number, device, holds)).await;
    }

    fn reserve(&self, account: &Account) -> Result<(u16, u32, u32), ControlError> {
        let mut directory = account.directory();
        let limit = self.options.max_companions;
        if directory.companions.len() >= limit {
            return Err(ControlError::DeviceLimit(limit));
        }
        let (device, key_index) = directory.reserve().ok_or(ControlError::DeviceLimit(limit))?;
        Ok((device, key_index, directory.raw_id))
    }
}
