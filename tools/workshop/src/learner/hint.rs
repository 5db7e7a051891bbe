//! `cargo workshop hint`: shows the next of an exercise's three hints.

use std::io::Write;

use anyhow::{Context, anyhow, ensure};

use super::CommandStyle;
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::hints::{HINT_COUNT, Hints};
use crate::exercises::progress::{Progress, State};

/// Shows a hint. `words` are the exercise and the hint's number from 1 to 3, in any order.
pub fn hint(app: &App, words: &[String], output: &mut impl Write) -> anyhow::Result<()> {
    let (name, number) = parse_words(words)?;
    let (exercise, _) = app.select(name)?;
    show(app, &exercise, number, CommandStyle::Shell, output)
}

/// The exercise's name and the hint's number. Both are optional.
fn parse_words(words: &[String]) -> anyhow::Result<(Option<&str>, Option<usize>)> {
    // No id is a number.
    let is_number = |word: &&String| word.parse::<i64>().is_ok();
    let (numbers, names): (Vec<_>, Vec<_>) = words.iter().partition(is_number);
    ensure!(
        numbers.len() <= 1 && names.len() <= 1,
        "expected at most an exercise and a hint's number"
    );
    let level = numbers.first().map(|number| {
        let level = number.parse().ok();
        level
            .filter(|level| (1..=HINT_COUNT).contains(level))
            .with_context(|| format!("there is no hint {number}; the hints are 1, 2 and 3"))
    });
    Ok((names.first().map(|name| name.as_str()), level.transpose()?))
}

/// Shows the hint with this number, or the next one.
pub(super) fn show(
    app: &App,
    exercise: &Exercise,
    number: Option<usize>,
    style: CommandStyle,
    output: &mut impl Write,
) -> anyhow::Result<()> {
    let repository = &app.repository;
    let file = exercise.hints_file();
    let hints = Hints::parse(&repository.read(&file)?)
        .map_err(|error| anyhow!("{}: {error}", repository.display_path(&file)))?;
    let shown = Progress::load(repository)?.of(&exercise.id).hints;
    let number = number.unwrap_or(shown + 1).min(HINT_COUNT);

    let styles = app.styles();
    let title = format!("{}, hint {number} of {HINT_COUNT}", exercise.title);
    let hint = hints.get(number);
    writeln!(output, "{}\n\n{hint}\n", styles.bold(&title))?;
    let page = exercise.page_link();
    let footer = if number < HINT_COUNT {
        let hint = style.command("hint", "");
        format!("{hint} again shows the next hint. The page is {page}")
    } else {
        format!(
            "This was the last hint. The page is {page}. `cargo workshop diff {} --give-up` shows \
             the solution",
            exercise.id
        )
    };
    writeln!(output, "{}", styles.dim(&footer))?;
    output.flush()?;
    // At the end, so that a hint counts as shown only if it was printed.
    Progress::update(repository, &exercise.id, |exercise| {
        exercise.hints = exercise.hints.max(number);
        if exercise.state == State::NotStarted {
            exercise.state = State::Started;
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::SampleWorkspace;
    use crate::learner::assert_contains;

    fn run_hint(workspace: &SampleWorkspace, words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut output = Vec::new();
        match hint(&workspace.app(), &words, &mut output) {
            Ok(()) => Ok(String::from_utf8(output).unwrap()),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[test]
    fn hints_come_one_at_a_time() {
        let workspace = SampleWorkspace::new();
        for (words, text, shown) in [
            (&[][..], "Look at the name.", 1),
            (&[], "Think of fingers.", 2),
            (&["1", "counter"], "Look at the name.", 2),
            (&["counter"], "Add, and return the sum.", 3),
            (&["counter", "2"], "Think of fingers.", 3),
            (&[], "Add, and return the sum.", 3),
        ] {
            assert_contains(&run_hint(&workspace, words).unwrap(), text);
            let progress = format!("counter started hints={shown}\n");
            assert_eq!(workspace.text(".workshop/progress"), progress);
        }
    }

    #[test]
    fn wrong_arguments_and_files_are_explained() {
        let workspace = SampleWorkspace::new();
        let hints = "exercises/01_chapter/01_counter/HINTS.md";
        workspace.write(hints, "# Hints: Count up\n");
        for (words, explanation) in [
            (&["4"][..], "there is no hint 4; the hints are 1, 2 and 3"),
            (&["counter", "0"], "there is no hint 0"),
            (&["counter", "second"], "at most an exercise and a hint's"),
            (&["couter"], "Did you mean `counter`?"),
            (&[], "there must be three hints, but there are 0"),
        ] {
            assert_contains(&run_hint(&workspace, words).unwrap_err(), explanation);
        }
        let error = run_hint(&workspace, &[]).unwrap_err();
        assert!(error.starts_with(hints), "{error}");
    }
}
