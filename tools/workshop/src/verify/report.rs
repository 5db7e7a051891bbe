//! The report of a verification: a [`Row`] per exercise, and then all problems.

use std::io::{self, Write};

use super::variant::{Variant, VariantKind};
use crate::terminal::style::Styles;

/// One exercise.
#[derive(Debug, Default)]
pub struct Row {
    pub(super) id: String,
    /// The problems of the files.
    pub(super) file_problems: Vec<String>,
    stub: Cell,
    solution: Cell,
    wrong_answers: Cell,
    /// A remark that is no failure.
    pub(super) note: Option<String>,
}

/// One kind of variants of an exercise.
#[derive(Debug, Default)]
struct Cell {
    /// How many variants were checked.
    checked: usize,
    /// How many variants behave as expected.
    proved: usize,
    /// The problems of the others.
    problems: Vec<String>,
}

impl Row {
    pub(super) fn new(id: &str) -> Self {
        Row {
            id: id.to_owned(),
            ..Row::default()
        }
    }

    /// Adds the result of a variant.
    pub(super) fn add(&mut self, variant: &Variant, problems: Vec<String>) {
        let cell = match variant.kind {
            VariantKind::Stub => &mut self.stub,
            VariantKind::Solution => &mut self.solution,
            VariantKind::WrongAnswer { .. } => &mut self.wrong_answers,
        };
        cell.checked += 1;
        cell.proved += usize::from(problems.is_empty());
        cell.problems.extend(problems);
    }

    fn cells(&self) -> [&Cell; 3] {
        [&self.stub, &self.solution, &self.wrong_answers]
    }

    /// All problems, those of the files first.
    pub(super) fn problems(&self) -> impl Iterator<Item = &String> {
        let problems = self.cells().into_iter().flat_map(|cell| &cell.problems);
        self.file_problems.iter().chain(problems)
    }

    /// Whether everything is proved.
    pub fn is_proved(&self) -> bool {
        self.file_problems.is_empty() && self.cells().into_iter().all(Cell::is_proved)
    }
}

impl Cell {
    fn is_proved(&self) -> bool {
        self.checked > 0 && self.problems.is_empty()
    }
}

/// Prints all rows, and then every problem.
pub fn print(rows: &[Row], styles: Styles, output: &mut impl Write) -> io::Result<()> {
    let id_width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    for row in rows {
        writeln!(
            output,
            "{:id_width$}   files {}   stub fails {}   solution passes {}   wrong rejected {}/{} {}",
            row.id,
            styles.tick(row.file_problems.is_empty()),
            styles.tick(row.stub.is_proved()),
            styles.tick(row.solution.is_proved()),
            row.wrong_answers.proved,
            row.wrong_answers.checked,
            styles.tick(row.wrong_answers.is_proved()),
        )?;
    }
    writeln!(output)?;
    for row in rows {
        for problem in row.problems() {
            let problem = problem.trim_end().replace('\n', "\n  ");
            writeln!(output, "{} {problem}\n", styles.tick(false))?;
        }
        if let Some(note) = &row.note {
            writeln!(output, "{} {note}\n", styles.dim("note"))?;
        }
    }
    output.flush()
}
