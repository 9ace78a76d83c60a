//! Who is who, as the own phone says it (PROTOCOL.md 16, 20). What can't be read of that is kept as it came, until there is
//! code that reads it.

use bytes::Bytes;
use prost::Message as _;
use wa_binary::Jid;
use wa_protobuf::e2e::{LidMigrationMappingSyncMessage, LidMigrationMappingSyncPayload};
use wa_protobuf::history::PhoneNumberToLidMapping;
use wa_store::PeerDataSort;

/// Pairs that one map may bring; more is not believed.
const MAX_PAIRS: usize = 100_000;

/// The phone numbers and LIDs in what the phone has sent; `None` if it can't be read.
pub(crate) fn pairs(sort: PeerDataSort, raw: &Bytes) -> Option<Vec<(Jid, Jid)>> {
    match sort {
        PeerDataSort::LidMap => of_map(raw),
        PeerDataSort::LidPair => PhoneNumberToLidMapping::decode(raw.clone())
            .ok()
            .and_then(|pair| of_pair(&pair))
            .map(|pair| vec![pair]),
        _ => None,
    }
}

fn of_map(raw: &Bytes) -> Option<Vec<(Jid, Jid)>> {
    let sync = LidMigrationMappingSyncMessage::decode(raw.clone()).ok()?;
    let payload = sync.encoded_mapping_payload.unwrap_or_default();
    let payload = LidMigrationMappingSyncPayload::decode(payload).ok()?;
    let pair =
        |(pn, lid): (Option<u64>, Option<u64>)| Some((Jid::pn(pn?.to_string()), Jid::lid(lid?.to_string())));
    let mappings = payload.pn_to_lid_mappings.iter().take(MAX_PAIRS);
    Some(
        mappings
            .filter_map(|mapping| pair((mapping.pn, mapping.latest_lid.or(mapping.assigned_lid))))
            .collect(),
    )
}

/// The two names of one person; `None` if either is missing, or is none.
pub(crate) fn of_pair(pair: &PhoneNumberToLidMapping) -> Option<(Jid, Jid)> {
    let named = |jid: &Option<String>| jid.as_deref()?.parse::<Jid>().ok().map(|jid| jid.to_user());
    let (pn, lid) = (named(&pair.pn_jid)?, named(&pair.lid_jid)?);
    (pn.is_pn() && lid.is_lid()).then_some((pn, lid))
}

#[cfg(test)]
mod tests {
    use wa_protobuf::e2e::LidMigrationMapping;

    use super::*;

    fn map(payload: Vec<u8>) -> Bytes {
        LidMigrationMappingSyncMessage { encoded_mapping_payload: Some(payload.into()) }
            .encode_to_vec()
            .into()
    }

    #[test]
    fn a_map_and_a_pair_are_read() {
        let mapping = LidMigrationMapping { pn: Some(1), assigned_lid: Some(2), latest_lid: Some(3) };
        let incomplete = LidMigrationMapping { pn: Some(1), ..Default::default() };
        let payload = LidMigrationMappingSyncPayload {
            pn_to_lid_mappings: vec![mapping, incomplete],
            ..Default::default()
        };
        let wanted = vec![(Jid::pn("1"), Jid::lid("3"))];
        assert_eq!(pairs(PeerDataSort::LidMap, &map(payload.encode_to_vec())), Some(wanted.clone()));
        let pair = |pn: &str, lid: &str| {
            let (pn_jid, lid_jid) = (Some(pn.to_owned()), Some(lid.to_owned()));
            Bytes::from(PhoneNumberToLidMapping { pn_jid, lid_jid }.encode_to_vec())
        };
        let read = |raw: Bytes| pairs(PeerDataSort::LidPair, &raw);
        assert_eq!(read(pair("1@s.whatsapp.net", "3@lid")), Some(wanted));
        assert_eq!(read(pair("3@lid", "1@s.whatsapp.net")), None);
        assert_eq!(read(pair("1@s.whatsapp.net", "")), None);
    }

    #[test]
    fn what_is_no_map_is_not_read() {
        for raw in [Bytes::from_static(b"\xff"), map(vec![0xff])] {
            assert_eq!(pairs(PeerDataSort::LidMap, &raw), None);
            assert_eq!(pairs(PeerDataSort::LidPair, &raw), None);
        }
        assert_eq!(pairs(PeerDataSort::LidMap, &map(Vec::new())), Some(Vec::new()));
    }
}
