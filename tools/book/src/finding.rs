//! The result of the lint: a [`Finding`] is one problem, and a [`Report`] holds all of them in
//! order.

use std::fmt;

/// A problem and its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the repository's root, with `/` on every system.
    pub file: String,
    /// The line, from 1. It is also 1 if the line is unknown, as in text that an include adds.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// All findings, and the number of pages that the lint read.
#[derive(Debug)]
pub struct Report {
    pages: usize,
    findings: Vec<Finding>,
}

impl Report {
    /// Sorts the findings by file and line, and removes duplicates.
    pub fn new(pages: usize, mut findings: Vec<Finding>) -> Report {
        findings.sort();
        findings.dedup();
        Report { pages, findings }
    }

    /// The findings in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        match self.findings.len() {
            0 => write!(f, "{} pages, no finding", self.pages),
            1 => write!(f, "1 finding"),
            many => write!(f, "{many} findings"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str, line: usize, message: &str) -> Finding {
        Finding {
            file: file.to_owned(),
            line,
            message: message.to_owned(),
        }
    }

    #[test]
    fn report_is_sorted_and_ends_with_count() {
        let report = Report::new(
            3,
            vec![
                finding("b.md", 1, "x"),
                finding("a.md", 10, "y"),
                finding("a.md", 9, "z"),
            ],
        );

        assert_eq!(
            report.to_string(),
            "a.md:9: z\na.md:10: y\nb.md:1: x\n3 findings"
        );
    }

    #[test]
    fn report_removes_duplicates() {
        let report = Report::new(1, vec![finding("a.md", 2, "x"), finding("a.md", 2, "x")]);

        assert_eq!(report.to_string(), "a.md:2: x\n1 finding");
    }

    #[test]
    fn report_without_findings_has_one_line() {
        assert_eq!(
            Report::new(14, Vec::new()).to_string(),
            "14 pages, no finding"
        );
    }
}
