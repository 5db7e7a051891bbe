//! Rule for recorded terminal sessions: `book/sessions.toml` lists each file, and each listed file
//! exists. [`crate::output`] records them.

use std::path::Path;

use super::findings::Findings;
use crate::output::list::{FOLDER, Sessions};
use crate::page::LineIndex;
use crate::repository::{Repository, read};
use crate::site::files_in;

/// Compares the folder with the list. A book without sessions needs neither.
pub fn check(
    repository: &Repository,
    source: &Path,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let folder = source.join(FOLDER);
    let list = Sessions::path(repository);
    if !folder.exists() && !list.exists() {
        return Ok(());
    }
    let sessions = Sessions::read(repository)?;
    let present = files_in(&folder)?;
    for file in present.iter().filter(|file| !sessions.contains(file)) {
        let message = "book/sessions.toml does not list this session, so no check compares it; add it to the list, or remove the file";
        findings.add(
            &repository.relative_path(&folder.join(file)),
            1,
            message.to_owned(),
        );
    }
    let text = read(&list)?;
    let lines = LineIndex::new(&text);
    for session in &sessions.session {
        if !present.contains(&session.file) {
            let line = text
                .find(&format!("\"{}\"", session.file))
                .map_or(1, |at| lines.line_of(at));
            let message = format!(
                "the session `{}` has no file; run `cargo run -p book -- output {0}`",
                session.file
            );
            findings.add(&repository.relative_path(&list), line, message);
        }
    }
    Ok(())
}
