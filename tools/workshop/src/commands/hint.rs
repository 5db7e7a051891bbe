//! `cargo workshop hint`: shows the next of an exercise's three hints.
//!
//! One at a time, for the smallest hint that helps teaches most. Left out: the answer, which is what `diff --give-up` shows.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::hints::{Hints, LEVELS};
use crate::progress::{Progress, State};

/// The command line of `cargo workshop hint`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Which exercise, and which hint from 1 to 3; without them the one at hand, and its next hint
    #[arg(value_names = ["ID", "LEVEL"], num_args = 0..=2)]
    words: Vec<String>,
}

/// Shows a hint.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    hint(&Desk::here(), options, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn hint(desk: &Desk, options: &Options, output: &mut impl Write) -> anyhow::Result<()> {
    let (name, level) = understand(&options.words)?;
    let catalogue = Catalogue::load(&desk.repository)?;
    let progress = Progress::load(&desk.repository)?;
    let exercise = catalogue.choose(name, &desk.stands_in, &progress)?;
    show(desk, exercise, level, output)
}

/// The exercise's name and the hint's number, each of which may be left out.
fn understand(words: &[String]) -> anyhow::Result<(Option<&str>, Option<usize>)> {
    let number = |word: &str| -> anyhow::Result<usize> {
        let number = word
            .parse()
            .ok()
            .filter(|level| (1..=LEVELS).contains(level));
        number.with_context(|| format!("there is no hint {word}; they are 1, 2 and 3"))
    };
    Ok(match words {
        [] => (None, None),
        // No id begins with a digit and ends there.
        [level] if level.parse::<i64>().is_ok() => (None, Some(number(level)?)),
        [name] => (Some(name), None),
        [name, level] => (Some(name), Some(number(level)?)),
        _ => bail!("that is more than an exercise and a number"),
    })
}

/// Shows this hint of an exercise, or the next one.
pub(super) fn show(
    desk: &Desk,
    exercise: &Exercise,
    level: Option<usize>,
    output: &mut impl Write,
) -> anyhow::Result<()> {
    let repository = &desk.repository;
    let file = exercise.hints();
    let hints = Hints::parse(&repository.read(&file)?)
        .map_err(|error| anyhow::anyhow!("{}: {error}", repository.name(&file)))?;
    let seen = Progress::load(repository)?.entry(&exercise.id).hints;
    let level = level.unwrap_or(seen + 1).min(LEVELS);

    let paint = desk.paint();
    let title = format!("{}, hint {level} of {LEVELS}", exercise.title);
    writeln!(output, "{}\n\n{}\n", paint.bold(&title), hints.level(level))?;
    let rest = if level < LEVELS {
        format!(
            "Not enough? `cargo workshop hint` once more gives the next. The page is {}",
            page(desk, exercise)
        )
    } else {
        format!(
            "That was the last hint. The page is {}; and `cargo workshop diff {} --give-up` shows the answer",
            page(desk, exercise),
            exercise.id
        )
    };
    writeln!(output, "{}", paint.dim(&rest))?;
    output.flush()?;
    // Last, so that no hint counts as seen that nobody saw.
    Progress::change(repository, &exercise.id, |entry| {
        entry.hints = entry.hints.max(level);
        if entry.state == State::Fresh {
            entry.state = State::Started;
        }
    })?;
    Ok(())
}

fn page(desk: &Desk, exercise: &Exercise) -> String {
    desk.repository.name(&exercise.page_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn told(fixture: &Fixture, words: &[&str]) -> Result<String, String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let mut output = Vec::new();
        let done = hint(&fixture.desk(), &Options { words }, &mut output);
        done.map(|()| String::from_utf8(output).unwrap())
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn hints_come_one_at_a_time_and_the_last_one_stays() {
        let fixture = Fixture::new();
        for text in [
            "Look at the name.",
            "Think of fingers.",
            "Add, and give it back.",
            "Add, and give it back.",
        ] {
            let said = told(&fixture, &[]).unwrap();
            assert!(said.contains(text), "{said}");
        }
        assert_eq!(
            fixture.text(".workshop/progress"),
            "counter started hints=3\n"
        );
    }

    #[test]
    fn a_hint_can_be_had_by_its_number() {
        let fixture = Fixture::new();
        assert!(told(&fixture, &["2"]).unwrap().contains("fingers"));
        assert!(
            told(&fixture, &["counter", "1"])
                .unwrap()
                .contains("the name")
        );
        assert_eq!(
            fixture.text(".workshop/progress"),
            "counter started hints=2\n",
            "the highest one"
        );
        assert!(
            told(&fixture, &["counter"])
                .unwrap()
                .contains("give it back"),
            "the next one"
        );
    }

    #[test]
    fn what_is_no_hint_is_told() {
        let fixture = Fixture::new();
        assert_eq!(
            told(&fixture, &["4"]).unwrap_err(),
            "there is no hint 4; they are 1, 2 and 3"
        );
        assert!(
            told(&fixture, &["couter"])
                .unwrap_err()
                .contains("Did you mean `counter`?")
        );
        fixture.write(
            "exercises/01_chapter/01_counter/HINTS.md",
            "# Hints: Count up\n",
        );
        let error = told(&fixture, &[]).unwrap_err();
        assert_eq!(
            error,
            "exercises/01_chapter/01_counter/HINTS.md: there have to be three hints, and there are 0"
        );
    }
}
