//! `cargo workshop diff`: shows what the solution does otherwise than the learner.
//!
//! Only after it is solved, unless they give up: an answer that is read is not an answer that is found. Left out: a judgement of which is
//! better; two right answers may differ in every line.

use std::io::{self, Write};
use std::process::ExitCode;

use similar::TextDiff;

use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::paint::Paint;
use crate::progress::{Progress, State};

/// The command line of `cargo workshop diff`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Which exercise: its id or its folder; without it, the one you stand in, or the first that is to do
    #[arg(value_name = "ID")]
    exercise: Option<String>,
    /// Show it though the exercise is not solved
    #[arg(long)]
    give_up: bool,
}

/// Shows the differences. The exit code is 1 if they are not shown.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let is_shown = diff(&Desk::here(), options, &mut io::stdout())?;
    Ok(if is_shown {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn diff(desk: &Desk, options: &Options, output: &mut impl Write) -> anyhow::Result<bool> {
    let catalogue = Catalogue::load(&desk.repository)?;
    let progress = Progress::load(&desk.repository)?;
    let exercise = catalogue.choose(options.exercise.as_deref(), &desk.stands_in, &progress)?;
    show(desk, exercise, &progress, options.give_up, output)
}

/// Shows the differences, if it is time for that.
pub(super) fn show(
    desk: &Desk,
    exercise: &Exercise,
    progress: &Progress,
    gives_up: bool,
    output: &mut impl Write,
) -> anyhow::Result<bool> {
    let id = &exercise.id;
    let entry = progress.entry(id);
    if entry.state != State::Solved && !gives_up {
        writeln!(
            output,
            "{} is not solved yet, and its solution is worth most afterwards. `cargo workshop hint {id}` helps without telling;\n\
             `cargo workshop diff {id} --give-up` shows it all the same.",
            exercise.title
        )?;
        return Ok(false);
    }
    let repository = &desk.repository;
    let theirs = exercise.solution().join("src").join("lib.rs");
    let (mine, ours) = (
        repository.read(&exercise.source())?,
        repository.read(&theirs)?,
    );
    // A checkout of Windows may have other line endings than an editor.
    let (mine, ours) = (mine.replace("\r\n", "\n"), ours.replace("\r\n", "\n"));
    if mine == ours {
        writeln!(output, "Yours and ours are the same, letter for letter.")?;
        return Ok(true);
    }
    let diff = TextDiff::from_lines(&mine, &ours);
    let mine = format!("{}  (yours)", repository.name(&exercise.source()));
    let ours = format!("{}  (ours)", repository.name(&theirs));
    for line in diff
        .unified_diff()
        .context_radius(3)
        .header(&mine, &ours)
        .to_string()
        .lines()
    {
        writeln!(output, "{}", coloured(line, desk.paint()))?;
    }
    let closing = if entry.state == State::Solved {
        "Where they differ, the comments in ours say why. Both pass the same tests."
    } else {
        "Read it, close it, and write it yourself: `cargo workshop check` tells you when it is right."
    };
    writeln!(output, "\n{closing}")?;
    output.flush()?;
    Ok(true)
}

fn coloured(line: &str, paint: Paint) -> String {
    match line.as_bytes().first() {
        _ if line.starts_with("---") || line.starts_with("+++") => paint.bold(line),
        Some(b'+') => paint.green(line),
        Some(b'-') => paint.red(line),
        Some(b'@') => paint.dim(line),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, SOLVED};

    fn shown(fixture: &Fixture, gives_up: bool) -> (bool, String) {
        let mut output = Vec::new();
        let options = Options {
            exercise: Some("counter".to_owned()),
            give_up: gives_up,
        };
        let is_shown = diff(&fixture.desk(), &options, &mut output).unwrap();
        (is_shown, String::from_utf8(output).unwrap())
    }

    #[test]
    fn the_answer_is_shown_after_it_was_found_or_given_up() {
        let fixture = Fixture::new();

        let (is_shown, said) = shown(&fixture, false);
        assert!(!is_shown);
        assert!(said.starts_with("Count up is not solved yet"), "{said}");
        assert!(
            !said.contains("last + 1"),
            "the answer is given away: {said}"
        );

        let (is_shown, said) = shown(&fixture, true);
        assert!(is_shown);
        assert!(
            said.contains("-    todo!(\"return the next number\")\n"),
            "{said}"
        );
        assert!(
            said.contains("+    // One more, and none is left out.\n+    last + 1\n"),
            "{said}"
        );

        fixture.write(".workshop/progress", "counter solved\n");
        assert!(shown(&fixture, false).0);
    }

    #[test]
    fn what_is_the_same_is_said_and_line_endings_do_not_count() {
        let fixture = Fixture::new();
        fixture.write(".workshop/progress", "counter solved\n");
        fixture.edit(&SOLVED.replace('\n', "\r\n"));

        let (_, said) = shown(&fixture, false);

        assert_eq!(said, "Yours and ours are the same, letter for letter.\n");
    }
}
