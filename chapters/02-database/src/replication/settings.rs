//! The settings of the read router.

use std::time::Duration;

use super::lag::LagLimits;
use crate::naive::Naive;

/// How reads are spread over the replicas, and what happens if none may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterSettings {
    /// Which of several replicas answers.
    pub choice: ReplicaChoice,
    /// How far a replica may be behind.
    pub lag_limits: LagLimits,
    /// The shortest time between two checks of a replica. The longest is twice that. Random times
    /// keep the clones from checking at the same moment.
    pub check_interval: Duration,
    /// How long a read with a token waits for a replica. After that, the primary answers.
    pub token_wait: Duration,
    /// How many reads may be at the primary at the same time because no replica could answer.
    pub max_fallback_reads: usize,
    /// The naive version ([`Naive::Token`](crate::Naive::Token)): any replica answers a read with
    /// a token.
    pub ignores_tokens: bool,
}

/// Which of several replicas answers a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicaChoice {
    /// Each read goes to the next replica.
    #[default]
    RoundRobin,
    /// The replica with the fewest bytes of lag. With equal lag, in turn.
    LeastLag,
}

impl RouterSettings {
    /// These settings, with the techniques of this list switched to their naive versions.
    #[must_use]
    pub fn naive(self, naive: &[Naive]) -> Self {
        RouterSettings {
            ignores_tokens: self.ignores_tokens || naive.contains(&Naive::Token),
            ..self
        }
    }
}

impl Default for RouterSettings {
    fn default() -> Self {
        RouterSettings {
            choice: ReplicaChoice::RoundRobin,
            lag_limits: LagLimits::default(),
            // Two checks fit into a second, so that a late or dead replica leaves within it.
            check_interval: Duration::from_millis(250),
            token_wait: Duration::from_millis(50),
            max_fallback_reads: 32,
            ignores_tokens: false,
        }
    }
}
