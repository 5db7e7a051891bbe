//! `cargo workshop skip`: goes on without an exercise.
//!
//! It stays in the list, and is solved by checking it, whenever that is. Left out: a reason.

use std::io::{self, Write};
use std::process::ExitCode;

use super::check::Options;
use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::progress::{Progress, State};

/// Skips one exercise.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    skip(&Desk::here(), options, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn skip(desk: &Desk, options: &Options, output: &mut impl Write) -> anyhow::Result<()> {
    let repository = &desk.repository;
    let catalogue = Catalogue::load(repository)?;
    let progress = Progress::load(repository)?;
    let exercise = catalogue.choose(options.exercise.as_deref(), &desk.stands_in, &progress)?;
    if progress.entry(&exercise.id).state == State::Solved {
        writeln!(
            output,
            "{} is solved, so there is nothing to skip.",
            exercise.title
        )?;
        return Ok(());
    }
    let progress = Progress::change(repository, &exercise.id, |entry| {
        entry.state = State::Skipped
    })?;
    writeln!(
        output,
        "{} is skipped; `cargo workshop check {}` takes it up again.",
        exercise.title, exercise.id
    )?;
    match catalogue.current(&progress) {
        Some(next) => writeln!(
            output,
            "Next: {}, in {}",
            next.title,
            repository.name(&next.source())
        )?,
        None => writeln!(output, "It was the last one that was left.")?,
    }
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    fn told(folder: &Folder) -> String {
        let mut output = Vec::new();
        skip(&folder.desk(), &Options::default(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn what_is_skipped_is_not_at_hand_any_more() {
        let folder = Folder::with_exercises(&["first", "second"]);

        let said = told(&folder);
        assert!(said.starts_with("About first is skipped"), "{said}");
        assert!(
            said.ends_with("Next: About second, in exercises/01_chapter/02_second/src/lib.rs\n"),
            "{said}"
        );

        assert!(told(&folder).ends_with("It was the last one that was left.\n"));
        assert_eq!(
            folder.text(".workshop/progress"),
            "first skipped\nsecond skipped\n"
        );
    }

    #[test]
    fn what_is_solved_stays_solved() {
        let folder = Folder::with_exercises(&["first"]);
        folder.write(".workshop/progress", "first solved\n");
        let options = Options {
            exercise: Some("first".to_owned()),
        };

        skip(&folder.desk(), &options, &mut Vec::new()).unwrap();

        assert_eq!(folder.text(".workshop/progress"), "first solved\n");
    }
}
