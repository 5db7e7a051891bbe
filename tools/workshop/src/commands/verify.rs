//! `cargo workshop verify`: proves that every exercise is what it should be.
//!
//! For those who write exercises, and for the gate. Left out: how that is proved, which is in [`verify`].

use std::io::{self, Write};
use std::process::ExitCode;

use crate::catalogue;
use crate::desk::Desk;
use crate::exercise::{Exercise, Place};
use crate::setup;
use crate::verify::{self, Count, Options as Choice};

/// The command line of `cargo workshop verify`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Only these exercises, by their ids
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Fail if the file in exercises/ is not the stub any more, as in a fresh clone
    #[arg(long)]
    pristine: bool,
}

/// Verifies. The exit code is 0 only if there was something to prove and all of it was proved.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let desk = Desk::here();
    let (mut output, mut messages) = (io::stdout(), io::stderr());
    let places = choose(&desk, &options.ids)?;
    if places.iter().any(|place| needs_servers(&desk, place)) {
        setup::servers(&desk.machine, &mut messages)?;
    }
    let choice = Choice {
        places,
        is_pristine: options.pristine,
    };
    let count = verify::verify(&desk, &choice, &mut output, &mut messages)?;
    writeln!(output, "{} proved, {} failed", count.proved, count.failed)?;
    output.flush()?;
    Ok(if count.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Verifies all exercises for `cargo workshop test`, which has looked after the servers.
pub(super) fn all(
    desk: &Desk,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<Count> {
    let choice = Choice {
        places: verify::places(&desk.repository)?,
        is_pristine: false,
    };
    verify::verify(desk, &choice, output, messages)
}

fn choose(desk: &Desk, ids: &[String]) -> anyhow::Result<Vec<Place>> {
    let all = verify::places(&desk.repository)?;
    for id in ids {
        if !all.iter().any(|place| place.id() == id) {
            let names = all.iter().map(Place::id);
            let advice = catalogue::nearest(id, names.clone()).map_or_else(
                || format!("There are: {}", names.collect::<Vec<_>>().join(", ")),
                |near| format!("Did you mean `{near}`?"),
            );
            anyhow::bail!("there is no exercise `{id}`. {advice}");
        }
    }
    let is_chosen = |place: &Place| ids.is_empty() || ids.iter().any(|id| id == place.id());
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// What cannot be understood is told by the verification itself.
fn needs_servers(desk: &Desk, place: &Place) -> bool {
    Exercise::read(&desk.repository, place).is_ok_and(|exercise| !exercise.services.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    #[test]
    fn some_exercises_can_be_chosen_by_their_ids() {
        let folder = Folder::with_exercises(&["first", "second"]);
        let chosen = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            choose(&folder.desk(), &ids).map(|places| {
                places
                    .iter()
                    .map(|place| place.id().to_owned())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(chosen(&[]).unwrap(), ["first", "second"]);
        assert_eq!(chosen(&["second"]).unwrap(), ["second"]);
        assert!(
            chosen(&["secnd"])
                .unwrap_err()
                .to_string()
                .ends_with("Did you mean `second`?")
        );
    }
}
