use serde::Serialize;
use services::PollResult;
use utoipa::ToSchema;

/// What a poll has come to.
#[derive(Serialize, ToSchema)]
pub(crate) struct PollResultResponse {
    question: String,
    /// How many options one person may choose; 0 means all.
    choices: u32,
    options: Vec<OptionResponse>,
    /// How many people have chosen anything.
    voters: usize,
}

#[derive(Serialize, ToSchema)]
struct OptionResponse {
    name: String,
    votes: usize,
    /// JIDs of those who chose it.
    voters: Vec<String>,
}

impl From<PollResult> for PollResultResponse {
    fn from(result: PollResult) -> Self {
        let option =
            |(name, voters): (String, Vec<String>)| OptionResponse { name, votes: voters.len(), voters };
        Self {
            question: result.question,
            choices: result.choices,
            options: result.options.into_iter().map(option).collect(),
            voters: result.voters,
        }
    }
}
