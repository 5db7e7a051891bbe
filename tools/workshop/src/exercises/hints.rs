//! The three hints of an exercise: [`Hints::parse`] reads `HINTS.md`.

/// How many hints an exercise has.
pub const HINT_COUNT: usize = 3;

/// The hints, from a nudge to a plan. No hint contains code.
#[derive(Debug, PartialEq, Eq)]
pub struct Hints([String; HINT_COUNT]);

impl Hints {
    /// Parses a title line and the sections `## 1`, `## 2` and `## 3`. An error explains the
    /// mistake.
    pub fn parse(text: &str) -> Result<Hints, String> {
        let mut title = "";
        let mut hints: Vec<String> = Vec::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                let expected = hints.len() + 1;
                if heading.trim() != expected.to_string() || expected > HINT_COUNT {
                    return Err(format!(
                        "the sections must be `## 1`, `## 2` and `## 3`, but there is `{line}`"
                    ));
                }
                hints.push(String::new());
            } else if let Some(hint) = hints.last_mut() {
                hint.push_str(line);
                hint.push('\n');
            } else if title.is_empty() {
                title = line;
            }
        }
        if !title.starts_with("# Hints: ") {
            return Err(
                "the file must begin with a title such as `# Hints: Take turns`".to_owned(),
            );
        }
        let hints: Vec<String> = hints.iter().map(|hint| hint.trim().to_owned()).collect();
        if let Some(empty) = hints.iter().position(String::is_empty) {
            return Err(format!("hint {} is empty", empty + 1));
        }
        let hints = hints.try_into();
        hints.map(Hints).map_err(|hints: Vec<String>| {
            format!("there must be three hints, but there are {}", hints.len())
        })
    }

    /// The hint with this number, from 1 to 3.
    pub fn get(&self, number: usize) -> &str {
        &self.0[number.clamp(1, HINT_COUNT) - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Hints: Take turns\n\n## 1\n\nLook at it.\n\n## 2\n\nTwo\n\nparagraphs.\n\n## 3\n\nThe plan.\n";

    #[test]
    fn hints_are_parsed() {
        let hints = Hints::parse(GOOD).unwrap();
        assert_eq!(hints.get(1), "Look at it.");
        assert_eq!(hints.get(2), "Two\n\nparagraphs.");
        assert_eq!(hints.get(3), "The plan.");
    }

    #[test]
    fn wrong_hint_files_are_explained() {
        for (good, bad, complaint) in [
            ("# Hints: ", "", "begin with a title"),
            ("## 2", "## Two", "there is `## Two`"),
            ("## 3\n\nThe plan.\n", "", "there are 2"),
            ("The plan.", "", "hint 3 is empty"),
            ("The plan.", "The plan.\n## 4", "there is `## 4`"),
        ] {
            let error = Hints::parse(&GOOD.replace(good, bad)).unwrap_err();
            assert!(error.contains(complaint), "{bad}: {error}");
        }
    }
}
