//! The collection that every rule of the lint adds its findings to.

use crate::finding::Finding;

/// The findings so far, in the order of the rules.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a finding. `message` says what is wrong and what to do.
    pub fn add(&mut self, file: &str, line: usize, message: String) {
        let file = file.to_owned();
        self.0.push(Finding {
            file,
            line,
            message,
        });
    }

    /// Whether an earlier rule has a finding in this file, from line `first` to line `last`.
    pub fn has_finding_between(&self, file: &str, first: usize, last: usize) -> bool {
        let mut findings = self.0.iter();
        findings.any(|finding| finding.file == file && (first..=last).contains(&finding.line))
    }

    /// All findings, for the report.
    pub fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}
