//! An exercise's three hints: [`Hints::parse`] takes `HINTS.md` apart.
//!
//! From a nudge to the plan, and never the code. Left out: which of them a learner has seen, which is [`progress`](crate::progress).

/// How many hints an exercise has.
pub const LEVELS: usize = 3;

/// The hints, the gentlest first.
#[derive(Debug, PartialEq, Eq)]
pub struct Hints([String; LEVELS]);

impl Hints {
    /// From the text of the file: a title line, and sections `## 1`, `## 2` and `## 3`. Otherwise a sentence says what is wrong.
    pub fn parse(text: &str) -> Result<Hints, String> {
        let mut title = "";
        let mut levels: Vec<String> = Vec::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                let expected = levels.len() + 1;
                if heading.trim() != expected.to_string() || expected > LEVELS {
                    return Err(format!(
                        "the sections have to be `## 1`, `## 2` and `## 3`; here stands `{line}`"
                    ));
                }
                levels.push(String::new());
            } else if let Some(level) = levels.last_mut() {
                level.push_str(line);
                level.push('\n');
            } else if title.is_empty() {
                title = line;
            }
        }
        if !title.starts_with("# Hints: ") {
            return Err("it has to begin with a title such as `# Hints: Take turns`".to_owned());
        }
        let levels: Vec<String> = levels.iter().map(|level| level.trim().to_owned()).collect();
        if let Some(empty) = levels.iter().position(String::is_empty) {
            return Err(format!("hint {} is empty", empty + 1));
        }
        let levels = levels.try_into();
        levels.map(Hints).map_err(|levels: Vec<String>| {
            format!(
                "there have to be three hints, and there are {}",
                levels.len()
            )
        })
    }

    /// The hint of this level, from 1 to 3.
    pub fn level(&self, level: usize) -> &str {
        &self.0[level.clamp(1, LEVELS) - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Hints: Take turns\n\n## 1\n\nLook at it.\n\n## 2\n\nTwo\n\nparagraphs.\n\n## 3\n\nThe plan.\n";

    #[test]
    fn hints_are_told_one_by_one() {
        let hints = Hints::parse(GOOD).unwrap();
        assert_eq!(hints.level(1), "Look at it.");
        assert_eq!(hints.level(2), "Two\n\nparagraphs.");
        assert_eq!(hints.level(3), "The plan.");
    }

    #[test]
    fn a_file_with_another_shape_is_refused_with_the_reason() {
        for (good, bad, complaint) in [
            ("# Hints: ", "", "begin with a title"),
            ("## 2", "## Two", "here stands `## Two`"),
            ("## 3\n\nThe plan.\n", "", "there are 2"),
            ("The plan.", "", "hint 3 is empty"),
            ("The plan.", "The plan.\n## 4", "here stands `## 4`"),
        ] {
            let error = Hints::parse(&GOOD.replace(good, bad)).unwrap_err();
            assert!(error.contains(complaint), "{bad}: {error}");
        }
    }
}
