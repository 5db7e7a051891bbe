//! `cargo workshop diff`: shows the differences between the learner's code and the solution.
//!
//! The exercise has to be solved first, unless the learner gives up. Two correct solutions may
//! differ in every line.

use std::io::Write;

use similar::TextDiff;

use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::progress::{Progress, State};
use crate::terminal::style::Styles;

/// Shows the differences. Returns false if the exercise is not solved.
pub fn diff(
    app: &App,
    name: Option<&str>,
    gives_up: bool,
    output: &mut impl Write,
) -> anyhow::Result<bool> {
    let (exercise, progress) = app.select(name)?;
    show(app, &exercise, &progress, gives_up, output)
}

/// Shows the differences if the exercise is solved or the learner gives up.
pub(super) fn show(
    app: &App,
    exercise: &Exercise,
    progress: &Progress,
    gives_up: bool,
    output: &mut impl Write,
) -> anyhow::Result<bool> {
    let id = &exercise.id;
    let is_solved = progress.of(id).state == State::Solved;
    if !is_solved && !gives_up {
        writeln!(
            output,
            "{} is not solved yet. Solve it before you read our solution: \
             `cargo workshop hint {id}` helps.\n\
             `cargo workshop diff {id} --give-up` shows the solution now.",
            exercise.title
        )?;
        return Ok(false);
    }
    let repository = &app.repository;
    let (source_file, solution_file) = (exercise.source_file(), exercise.solution_file());
    // On Windows, git and an editor may write different line endings; `read` removes these.
    let source = repository.read(&source_file)?;
    let solution = repository.read(&solution_file)?;
    if source == solution {
        writeln!(output, "Your code and our solution are identical.")?;
        return Ok(true);
    }
    let diff = TextDiff::from_lines(&source, &solution);
    let source_header = format!("{}  (yours)", repository.display_path(&source_file));
    let solution_header = format!("{}  (ours)", repository.display_path(&solution_file));
    let mut unified = diff.unified_diff();
    unified
        .context_radius(3)
        .header(&source_header, &solution_header);
    for line in unified.to_string().lines() {
        writeln!(output, "{}", style_line(line, app.styles()))?;
    }
    let closing = if is_solved {
        "The comments in our solution say why it differs. Both pass the same tests."
    } else {
        "Read it, close it, and write your own: `cargo workshop check` tells you when it is correct."
    };
    writeln!(output, "\n{closing}")?;
    output.flush()?;
    Ok(true)
}

fn style_line(line: &str, styles: Styles) -> String {
    match line.as_bytes().first() {
        _ if line.starts_with("---") || line.starts_with("+++") => styles.bold(line),
        Some(b'+') => styles.success(line),
        Some(b'-') => styles.error(line),
        Some(b'@') => styles.dim(line),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::{SOLVED, SampleWorkspace};
    use crate::learner::{assert_contains, printed};

    fn run_diff(workspace: &SampleWorkspace, gives_up: bool) -> (bool, String) {
        let mut is_shown = false;
        let text = printed(|output| {
            is_shown = diff(&workspace.app(), Some("counter"), gives_up, output)?;
            Ok(())
        });
        (is_shown, text)
    }

    #[test]
    fn solution_is_hidden_until_solved_or_given_up() {
        let workspace = SampleWorkspace::new();

        let (is_shown, text) = run_diff(&workspace, false);
        assert!(!is_shown);
        assert!(text.starts_with("Count up is not solved yet"), "{text}");
        assert!(!text.contains("last + 1"), "the solution is visible");

        let (is_shown, text) = run_diff(&workspace, true);
        assert!(is_shown);
        assert_contains(&text, "-    todo!(\"return the next number\")\n");
        assert_contains(&text, "+    // Adds one.\n+    last + 1\n");

        workspace.write(".workshop/progress", "counter solved\n");
        assert!(run_diff(&workspace, false).0);
    }

    #[test]
    fn line_endings_are_no_difference() {
        let workspace = SampleWorkspace::new();
        workspace.write(".workshop/progress", "counter solved\n");
        workspace.edit(&SOLVED.replace('\n', "\r\n"));

        let (_, text) = run_diff(&workspace, false);

        assert_eq!(text, "Your code and our solution are identical.\n");
    }
}
