//! The techniques of the chapters that `--naive` switches off in the store.
//!
//! Each chapter has an enum of its naive versions. This list names those that the store uses.

use ch02_database::Naive as NaiveDatabase;
use clap::ValueEnum;
use clap::builder::PossibleValue;

/// A technique of a chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NaiveTechnique {
    /// Chapter 2. The store uses the token of a write, and the epoch of the shard map.
    Database(NaiveDatabase),
}

impl ValueEnum for NaiveTechnique {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            NaiveTechnique::Database(NaiveDatabase::Token),
            NaiveTechnique::Database(NaiveDatabase::MapEpoch),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            NaiveTechnique::Database(naive) => naive.to_possible_value(),
        }
    }
}

/// The techniques of chapter 2 in a list.
pub fn of_database(naive: &[NaiveTechnique]) -> Vec<NaiveDatabase> {
    let naive = naive.iter();
    naive
        .map(|NaiveTechnique::Database(naive)| *naive)
        .collect()
}

/// The flag that switches these techniques off in a child process. Empty without techniques.
pub fn naive_flag(naive: &[NaiveTechnique]) -> Vec<String> {
    let names = naive.iter().filter_map(ValueEnum::to_possible_value);
    let flag = names.map(|value| format!("--naive={}", value.get_name()));
    flag.collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn child_process_gets_the_same_techniques() {
        let all = NaiveTechnique::value_variants();
        let flags = naive_flag(all);
        let cli = ["ch05-full", "worker"].map(str::to_owned).into_iter();
        let cli = Cli::try_parse_from(cli.chain(flags)).unwrap();
        let Some(Command::Worker(worker)) = cli.command else {
            panic!("expected a worker");
        };
        assert_eq!(worker.role.naive, all);
    }
}
