use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::{Details, Fault, FaultKind};
use crate::{account::Account, queue::Stanza};

/// The faults that are still to strike.
#[derive(Default)]
pub(crate) struct Faults {
    /// Number of faults, so that the message path costs nothing without any.
    len: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    last_id: u64,
    active: Vec<Active>,
}

/// A fault that is still to strike.
pub(crate) struct Active {
    pub(crate) id: u64,
    pub(crate) fault: Fault,
    /// Messages that a [`FaultKind::Reorder`] holds.
    pub(crate) held: Vec<(Arc<Account>, u16, Stanza)>,
    /// When a [`FaultKind::Ban`] that has begun ends, in seconds since 1970.
    end: Option<u64>,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) -> u64 {
        let mut list = self.list.lock();
        list.last_id += 1;
        let id = list.last_id;
        list.active.push(Active { id, fault, held: Vec::new(), end: None });
        self.len.store(list.active.len(), Ordering::Release);
        id
    }

    /// The id for a fault that strikes at once and is not kept.
    pub(crate) fn next_id(&self) -> u64 {
        let mut list = self.list.lock();
        list.last_id += 1;
        list.last_id
    }

    pub(crate) fn list(&self) -> Vec<(u64, Fault)> {
        self.list.lock().active.iter().map(|active| (active.id, active.fault.clone())).collect()
    }

    /// Takes faults out: one, or all of them.
    pub(crate) fn clear(&self, id: Option<u64>) -> Vec<Active> {
        let mut list = self.list.lock();
        let (cleared, kept) = std::mem::take(&mut list.active)
            .into_iter()
            .partition(|active| id.is_none_or(|id| active.id == id));
        list.active = kept;
        self.len.store(list.active.len(), Ordering::Release);
        cleared
    }

    /// Whether a condition holds for the device. Nothing is counted.
    pub(crate) fn holds(&self, number: &str, device: u16, is: impl Fn(&FaultKind) -> bool) -> bool {
        self.any()
            && self
                .list
                .lock()
                .active
                .iter()
                .any(|active| is(&active.fault.kind) && active.fault.strikes(number, device))
    }

    /// Lets the first fault strike that `pick` takes, and counts it.
    pub(crate) fn strike<T>(
        &self,
        number: &str,
        device: u16,
        pick: impl Fn(&FaultKind) -> Option<T>,
    ) -> Option<T> {
        self.strike_if(|fault| fault.strikes(number, device), pick)
    }

    /// Like [`strike`](Self::strike) where the device is not known yet.
    pub(crate) fn strike_anybody<T>(&self, pick: impl Fn(&FaultKind) -> Option<T>) -> Option<T> {
        self.strike_if(|_| true, pick)
    }

    fn strike_if<T>(
        &self,
        strikes: impl Fn(&Fault) -> bool,
        pick: impl Fn(&FaultKind) -> Option<T>,
    ) -> Option<T> {
        if !self.any() {
            return None;
        }
        let mut list = self.list.lock();
        let (index, picked) = list.active.iter().enumerate().find_map(|(index, active)| {
            let struck = strikes(&active.fault).then(|| pick(&active.fault.kind)).flatten();
            struck.map(|picked| (index, picked))
        })?;
        self.count_down(&mut list, index);
        Some(picked)
    }

    /// What a banned account is told at a login, at this time (seconds since the simulator was started). A ban that is over is forgotten.
    pub(crate) fn ban(&self, number: &str, device: u16, now: u64) -> Option<Details> {
        if !self.any() {
            return None;
        }
        let mut list = self.list.lock();
        list.active.retain(|active| active.end.is_none_or(|end| now < end));
        self.len.store(list.active.len(), Ordering::Release);
        list.active.iter_mut().find_map(|active| match active.fault.kind {
            FaultKind::Ban { code, seconds, growth } if active.fault.strikes(number, device) => {
                let end = active.end.map_or(now + seconds, |end| end + growth);
                active.end = Some(end);
                Some(Details { code: Some(code), expire: Some(end - now) })
            }
            _ => None,
        })
    }

    /// Gives a message to the first [`FaultKind::Reorder`] for its device. `Err` gives the message back when
    /// there is none; `Ok` returns what is now to be delivered, last first.
    pub(crate) fn reorder(
        &self,
        account: &Arc<Account>,
        device: u16,
        stanza: Stanza,
    ) -> Result<Vec<(Arc<Account>, u16, Stanza)>, Stanza> {
        if !self.any() {
            return Err(stanza);
        }
        let mut list = self.list.lock();
        let found = list.active.iter_mut().enumerate().find_map(|(index, active)| match active.fault.kind {
            FaultKind::Reorder { window } if active.fault.strikes(&account.number, device) => {
                Some((index, window, &mut active.held))
            }
            _ => None,
        });
        let Some((index, window, held)) = found else { return Err(stanza) };
        held.push((account.clone(), device, stanza));
        if held.len() < window {
            return Ok(Vec::new());
        }
        let mut due = std::mem::take(held);
        due.reverse();
        self.count_down(&mut list, index);
        Ok(due)
    }

    fn any(&self) -> bool {
        self.len.load(Ordering::Acquire) > 0
    }

    fn count_down(&self, list: &mut List, index: usize) {
        let Some(active) = list.active.get_mut(index) else { return };
        let Some(count) = &mut active.fault.count else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            list.active.remove(index);
            self.len.store(list.active.len(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: &FaultKind) -> Option<u16> {
        match kind {
            FaultKind::RefuseSend { error } => Some(*error),
            _ => None,
        }
    }

    #[test]
    fn a_fault_is_over_after_its_count() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::NoAck));
        faults.add(Fault::new(FaultKind::RefuseSend { error: 479 }).number("15550001").times(2));
        assert_eq!(faults.strike("15550002", 1, refusal), None);
        assert_eq!(faults.strike("15550001", 0, refusal), None);
        assert_eq!(faults.strike("15550001", 1, refusal), Some(479));
        assert_eq!(faults.strike("15550001", 2, refusal), Some(479));
        assert_eq!(faults.strike("15550001", 1, refusal), None);
        assert_eq!(faults.list().len(), 1);
    }

    #[test]
    fn a_ban_grows_with_every_early_login_and_ends_by_itself() {
        let faults = Faults::default();
        let ban = FaultKind::Ban { code: 101, seconds: 60, growth: 30 };
        faults.add(Fault::new(ban).number("15550001"));
        let rest = |now| faults.ban("15550001", 1, now).map(|details| details.expire);
        assert_eq!(faults.ban("15550002", 1, 0), None);
        assert_eq!((rest(100), rest(110), rest(189)), (Some(Some(60)), Some(Some(80)), Some(Some(31))));
        assert_eq!(rest(220), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_condition_holds_until_cleared() {
        let faults = Faults::default();
        let id = faults.add(Fault::new(FaultKind::Backlog));
        let holds = || faults.holds("15550001", 1, |kind| *kind == FaultKind::Backlog);
        assert!(holds() && holds());
        assert_eq!(faults.clear(Some(id)).len(), 1);
        assert!(!holds());
    }
}
