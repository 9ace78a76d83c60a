use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wa_import::{Counts, Import, LeftOut};

/// `POST /api/instances/{id}/import`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ImportRequest {
    /// A store of Baileys: `{"creds", "keys": {"session": {…}, …}}`, or `{"creds", "session-…", …}`, as its files are named.
    #[schema(value_type = Object, example = json!({"creds": {}}))]
    pub(crate) baileys: serde_json::Value,
    /// Says that the old gateway is stopped and won't be started again with this store: two that go on with the same keys break
    /// them for both.
    pub(crate) old_side_stopped: bool,
    /// Only tells what would be taken over.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What was taken over, or with `dryRun` would be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportResponse {
    /// The account that the device is linked to.
    #[schema(example = "79001234567@s.whatsapp.net")]
    jid: Option<String>,
    dry_run: bool,
    sessions: usize,
    identities: usize,
    prekeys: usize,
    sender_keys: usize,
    app_state_keys: usize,
    lid_mappings: usize,
    privacy_tokens: usize,
    contacts: usize,
    /// What can't be read. The rest doesn't depend on it.
    left_out: Vec<LeftOutResponse>,
    left_out_count: usize,
    /// How much is of no use here.
    passed_over: usize,
}

/// Something of a store that can't be read.
#[derive(Serialize, ToSchema)]
pub(crate) struct LeftOutResponse {
    /// What it is called there.
    place: String,
    problem: String,
}

impl ImportResponse {
    pub(crate) fn of(import: &Import, dry_run: bool) -> Self {
        let Counts {
            sessions,
            identities,
            prekeys,
            sender_keys,
            app_state_keys,
            app_states: _,
            lid_mappings,
            privacy_tokens,
            contacts,
            left_out,
            passed_over,
        } = import.counts;
        let one = |it: &LeftOut| LeftOutResponse { place: it.place.clone(), problem: it.problem.to_string() };
        Self {
            jid: import.account().map(|account| account.to_string()),
            dry_run,
            sessions,
            identities,
            prekeys,
            sender_keys,
            app_state_keys,
            lid_mappings,
            privacy_tokens,
            contacts,
            left_out: import.left_out.iter().map(one).collect(),
            left_out_count: left_out,
            passed_over,
        }
    }
}
