//! What was found, as a person reads it: a [`Row`] for each exercise, and below them what is wrong.
//!
//! Left out: what was well, of which a tick is enough.

use std::io::{self, Write};

use super::variant::{Kind, Variant};
use crate::paint::Paint;

/// One exercise.
#[derive(Debug)]
pub struct Row {
    id: String,
    /// Whether its files have the right shape.
    pub(super) shape: Cell,
    stub: Cell,
    solution: Cell,
    /// Whether each wrong answer is rejected.
    pub(super) wrong: Cell,
    /// What is no failure and still worth a line.
    pub(super) note: Option<String>,
}

/// One thing that was to be shown.
#[derive(Debug, Default)]
pub struct Cell {
    /// How often it was tried.
    tried: usize,
    /// How often it was shown.
    shown: usize,
    /// Why not.
    pub(super) problems: Vec<String>,
}

impl Row {
    pub(super) fn new(id: &str) -> Self {
        Row {
            id: id.to_owned(),
            shape: Cell::default(),
            stub: Cell::default(),
            solution: Cell::default(),
            wrong: Cell::default(),
            note: None,
        }
    }

    /// Takes notice of what was found about a variant.
    pub(super) fn take(&mut self, variant: &Variant, problems: Vec<String>) {
        let cell = match variant.kind {
            Kind::Stub => &mut self.stub,
            Kind::Solution => &mut self.solution,
            Kind::Wrong { .. } => &mut self.wrong,
        };
        cell.tried += 1;
        cell.shown += usize::from(problems.is_empty());
        cell.problems.extend(problems);
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    #[cfg(test)]
    pub(super) fn problems(&self) -> Vec<&str> {
        self.cells()
            .into_iter()
            .flat_map(|cell| &cell.problems)
            .map(String::as_str)
            .collect()
    }

    fn cells(&self) -> [&Cell; 4] {
        [&self.shape, &self.stub, &self.solution, &self.wrong]
    }

    /// Whether everything was shown.
    pub fn is_proved(&self) -> bool {
        let is_tried = self.stub.tried == 1 && self.solution.tried == 1 && self.wrong.tried > 0;
        is_tried && self.cells().iter().all(|cell| cell.problems.is_empty())
    }
}

/// Prints all rows, and then every problem.
pub fn print(rows: &[Row], paint: Paint, output: &mut impl Write) -> io::Result<()> {
    let width = rows
        .iter()
        .map(|row| row.id.len())
        .max()
        .unwrap_or_default();
    let tick = |is_good: bool| {
        if is_good {
            paint.green("✓")
        } else {
            paint.red("✗")
        }
    };
    for row in rows {
        let once = |cell: &Cell| tick(cell.tried == 1 && cell.problems.is_empty());
        writeln!(
            output,
            "{:width$}   files {}   stub red {}   solution green {}   wrong rejected {}/{} {}",
            row.id,
            tick(row.shape.problems.is_empty()),
            once(&row.stub),
            once(&row.solution),
            row.wrong.shown,
            row.wrong.tried,
            tick(row.wrong.tried > 0 && row.wrong.problems.is_empty()),
        )?;
    }
    writeln!(output)?;
    for row in rows {
        for problem in row.cells().into_iter().flat_map(|cell| &cell.problems) {
            let problem = problem.trim_end().replace('\n', "\n  ");
            writeln!(output, "{} {problem}\n", paint.red("✗"))?;
        }
        if let Some(note) = &row.note {
            writeln!(output, "{} {note}\n", paint.dim("note"))?;
        }
    }
    output.flush()
}
