//! What a commit waits for before the primary confirms it.

use std::fmt;

/// The values of PostgreSQL's `synchronous_commit`, from the fastest to the slowest
/// (<https://www.postgresql.org/docs/17/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// For nothing. A crash of the primary loses the last commits.
    Off,
    /// For the primary's disk. A fail-over loses what no replica has received.
    Local,
    /// Until a standby has received the commit. Lost only if both servers crash.
    RemoteWrite,
    /// Until the commit is on a standby's disk.
    On,
    /// Until a standby has replayed the commit, so that its readers see the change.
    RemoteApply,
}

impl CommitMode {
    /// All modes.
    pub const ALL: [CommitMode; 5] = [
        CommitMode::Off,
        CommitMode::Local,
        CommitMode::RemoteWrite,
        CommitMode::On,
        CommitMode::RemoteApply,
    ];

    /// The value of `synchronous_commit`.
    pub fn setting(self) -> &'static str {
        match self {
            CommitMode::Off => "off",
            CommitMode::Local => "local",
            CommitMode::RemoteWrite => "remote_write",
            CommitMode::On => "on",
            CommitMode::RemoteApply => "remote_apply",
        }
    }

    /// The column of `pg_stat_replication` that shows what a standby has confirmed; `None` if a
    /// commit waits for no standby.
    pub(crate) fn standby_column(self) -> Option<&'static str> {
        match self {
            CommitMode::Off | CommitMode::Local => None,
            CommitMode::RemoteWrite => Some("write_lsn"),
            CommitMode::On => Some("flush_lsn"),
            CommitMode::RemoteApply => Some("replay_lsn"),
        }
    }
}

impl fmt::Display for CommitMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.setting())
    }
}
