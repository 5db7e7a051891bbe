//! `cargo workshop` alone: where am I, and what next?
//!
//! For somebody who comes for the first time three steps; for somebody under way the exercise at hand. Left out: the other commands' flags,
//! which `--help` tells.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::paint;
use crate::progress::{Progress, State};

const COMMANDS: [&str; 5] = [
    "check   is it right?                   watch   check whenever a file is saved",
    "hint    the next of three hints        diff    our solution beside yours",
    "skip    go on without this one         reset   begin it anew; yours is kept",
    "list    all exercises                  book    read the book in a browser",
    "test    every test of the repository   doctor  what this machine lacks",
];

/// Says where the learner is.
pub fn run() -> anyhow::Result<ExitCode> {
    welcome(&Desk::here(), &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn welcome(desk: &Desk, output: &mut impl Write) -> anyhow::Result<()> {
    let catalogue = Catalogue::load(&desk.repository)?;
    let progress = Progress::load(&desk.repository)?;
    let paint = desk.paint();
    if progress.is_empty() {
        return newcomer(desk, &catalogue, output);
    }

    let (done, all) = (catalogue.solved(&progress), catalogue.exercises.len());
    writeln!(
        output,
        "{}  {done} of {all} exercises solved\n",
        paint::bar(paint, done, all)
    )?;
    match catalogue.choose(None, &desk.stands_in, &progress) {
        Ok(exercise) => {
            at_hand(desk, exercise, &progress, output)?;
            // Who stands in the folder of one that is solved may want to go on.
            if progress.entry(&exercise.id).state == State::Solved
                && let Some(next) = catalogue.current(&progress)
            {
                writeln!(
                    output,
                    "         then {}, in {}",
                    next.title,
                    desk.repository.name(&next.source())
                )?;
            }
            writeln!(output, "\nWords to put after `cargo workshop`:")?;
            for line in COMMANDS {
                writeln!(output, "  {line}")?;
            }
        }
        Err(_) if done == all => writeln!(
            output,
            "All solved. `cargo run -p ch05-full` runs the whole of which they are parts, and `cargo workshop reset ID` lets you do\n\
             one again."
        )?,
        Err(_) => writeln!(
            output,
            "What is left are exercises that you have skipped: `cargo workshop list` names them, `cargo workshop check ID` takes one up."
        )?,
    }
    output.flush()?;
    Ok(())
}

fn newcomer(desk: &Desk, catalogue: &Catalogue, output: &mut impl Write) -> anyhow::Result<()> {
    let minutes = paint::minutes(
        catalogue
            .exercises
            .iter()
            .map(|exercise| exercise.minutes)
            .sum(),
    );
    let all = paint::count(catalogue.exercises.len(), "exercise");
    let first = &catalogue.exercises[0];
    let name = |path: &_| desk.repository.name(path);
    writeln!(
        output,
        "{}: {all}, {minutes}. Begin like this:\n",
        desk.paint().bold("The scalability workshop")
    )?;
    writeln!(
        output,
        "1  cargo workshop doctor   says whether this machine has what you need"
    )?;
    writeln!(
        output,
        "2  read {}, then edit {}",
        name(&first.page_file()),
        name(&first.source())
    )?;
    writeln!(
        output,
        "3  cargo workshop check    says what is not right yet: red at first, and green when it is solved\n"
    )?;
    writeln!(output, "`cargo workshop --help` names the other commands.")?;
    output.flush()?;
    Ok(())
}

fn at_hand(
    desk: &Desk,
    exercise: &Exercise,
    progress: &Progress,
    output: &mut impl Write,
) -> io::Result<()> {
    let entry = progress.entry(&exercise.id);
    let name = |path: &_| desk.repository.name(path);
    let title = desk.paint().bold(&exercise.title);
    let minutes = paint::minutes(exercise.minutes);
    writeln!(output, "At hand  {title} ({}, {minutes})", exercise.id)?;
    writeln!(output, "         page {}", name(&exercise.page_file()))?;
    writeln!(output, "         file {}", name(&exercise.source()))?;
    let next = match (entry.state, entry.hints) {
        (State::Solved, _) => "it is solved: `cargo workshop diff` compares it with ours",
        (State::Fresh, _) => "read the page, open the file, and then `cargo workshop check`",
        (_, 0) => {
            "edit the file, and then `cargo workshop check`; `cargo workshop hint` gives a nudge"
        }
        _ => "edit the file, and then `cargo workshop check`",
    };
    writeln!(output, "Next     {next}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    fn welcomed(folder: &Folder) -> String {
        let mut output = Vec::new();
        welcome(&folder.desk(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_newcomer_is_told_three_steps() {
        let folder = Folder::with_exercises(&["first", "second"]);
        assert_eq!(
            welcomed(&folder),
            "The scalability workshop: 2 exercises, 20 minutes. Begin like this:\n\
             \n\
             1  cargo workshop doctor   says whether this machine has what you need\n\
             2  read book/src/page.md, then edit exercises/01_chapter/01_first/src/lib.rs\n\
             3  cargo workshop check    says what is not right yet: red at first, and green when it is solved\n\
             \n\
             `cargo workshop --help` names the other commands.\n"
        );
    }

    #[test]
    fn somebody_under_way_is_told_what_is_at_hand() {
        let folder = Folder::with_exercises(&["first", "second"]);
        folder.write(".workshop/progress", "first solved\n");

        let said = welcomed(&folder);

        let beginning = "██████████░░░░░░░░░░  1 of 2 exercises solved\n\n\
                         At hand  About second (second, 10 minutes)\n         page book/src/page.md\n         \
                         file exercises/01_chapter/02_second/src/lib.rs\nNext     read the page";
        assert!(said.starts_with(beginning), "{said}");
    }

    #[test]
    fn the_end_is_said_and_skipped_exercises_are_not_the_end() {
        let folder = Folder::with_exercises(&["first", "second"]);
        folder.write(".workshop/progress", "first solved\nsecond skipped\n");
        assert!(welcomed(&folder).contains("exercises that you have skipped"));

        folder.write(".workshop/progress", "first solved\nsecond solved\n");
        assert!(welcomed(&folder).contains("All solved."));
    }
}
