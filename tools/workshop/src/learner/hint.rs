//! `cargo workshop hint`: shows the next of an exercise's three hints.

use std::io::Write;

use anyhow::{Context, bail};

use super::CommandStyle;
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::hints::{HINT_COUNT, Hints};
use crate::exercises::progress::{Progress, State};

/// The arguments of `cargo workshop hint`.
#[derive(Debug, Default, clap::Args)]
pub struct HintOptions {
    /// The exercise and the hint's number from 1 to 3. The default is the next hint of the current
    /// exercise
    #[arg(value_names = ["ID", "LEVEL"], num_args = 0..=2)]
    words: Vec<String>,
}

/// Shows a hint.
pub fn hint(app: &App, options: &HintOptions, output: &mut impl Write) -> anyhow::Result<()> {
    let (name, number) = parse_words(&options.words)?;
    let (exercise, _) = app.select(name)?;
    show(app, &exercise, number, CommandStyle::Shell, output)
}

/// The exercise's name and the hint's number. Both are optional.
fn parse_words(words: &[String]) -> anyhow::Result<(Option<&str>, Option<usize>)> {
    let parse_number = |word: &str| -> anyhow::Result<usize> {
        let number = word.parse().ok();
        number
            .filter(|number| (1..=HINT_COUNT).contains(number))
            .with_context(|| format!("there is no hint {word}; the hints are 1, 2 and 3"))
    };
    Ok(match words {
        [] => (None, None),
        // No id is a number.
        [number] if number.parse::<i64>().is_ok() => (None, Some(parse_number(number)?)),
        [name] => (Some(name), None),
        [number, name] if number.parse::<i64>().is_ok() => {
            (Some(name), Some(parse_number(number)?))
        }
        [name, number] => (Some(name), Some(parse_number(number)?)),
        _ => bail!("expected at most an exercise and a number"),
    })
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
        .map_err(|error| anyhow::anyhow!("{}: {error}", repository.display_path(&file)))?;
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

    fn run_hint(workspace: &SampleWorkspace, words: &[&str]) -> Result<String, String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let mut output = Vec::new();
        let result = hint(&workspace.app(), &HintOptions { words }, &mut output);
        result
            .map(|()| String::from_utf8(output).unwrap())
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn hints_come_one_at_a_time() {
        let workspace = SampleWorkspace::new();
        for text in [
            "Look at the name.",
            "Think of fingers.",
            "Add, and return the sum.",
            "Add, and return the sum.",
        ] {
            let printed = run_hint(&workspace, &[]).unwrap();
            assert!(printed.contains(text), "{printed}");
        }
        assert_eq!(
            workspace.text(".workshop/progress"),
            "counter started hints=3\n"
        );
    }

    #[test]
    fn hint_can_be_selected_by_number() {
        let workspace = SampleWorkspace::new();
        assert!(run_hint(&workspace, &["2"]).unwrap().contains("fingers"));
        assert!(
            run_hint(&workspace, &["1", "counter"])
                .unwrap()
                .contains("the name")
        );
        assert_eq!(
            workspace.text(".workshop/progress"),
            "counter started hints=2\n",
            "the highest number is saved"
        );
        assert!(
            run_hint(&workspace, &["counter"])
                .unwrap()
                .contains("return the sum"),
            "the next hint is the third"
        );
    }

    #[test]
    fn wrong_arguments_and_files_are_explained() {
        let workspace = SampleWorkspace::new();
        assert_eq!(
            run_hint(&workspace, &["4"]).unwrap_err(),
            "there is no hint 4; the hints are 1, 2 and 3"
        );
        assert!(
            run_hint(&workspace, &["couter"])
                .unwrap_err()
                .contains("Did you mean `counter`?")
        );
        workspace.write(
            "exercises/01_chapter/01_counter/HINTS.md",
            "# Hints: Count up\n",
        );
        let error = run_hint(&workspace, &[]).unwrap_err();
        assert_eq!(
            error,
            "exercises/01_chapter/01_counter/HINTS.md: there must be three hints, but there are 0"
        );
    }
}
