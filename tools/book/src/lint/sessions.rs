//! Rule for recorded terminal sessions: `book/sessions.toml` lists each file, and each listed file
//! exists. [`crate::output`] records them.

use std::path::Path;

use super::findings::Findings;
use crate::output::list::{FOLDER, Sessions};
use crate::page::Lines;
use crate::repository::{Repository, read};
use crate::site::files_below;

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
    let present = files_below(&folder)?;
    for file in present.iter().filter(|file| !sessions.has(file)) {
        let what = "nothing regenerates this session, so nobody will notice when it is wrong; list it in book/sessions.toml, or remove it";
        findings.add(&repository.name(&folder.join(file)), 1, what.to_owned());
    }
    let text = read(&list)?;
    let lines = Lines::of(&text);
    for session in &sessions.session {
        if !present.contains(&session.file) {
            let line = text
                .find(&format!("\"{}\"", session.file))
                .map_or(1, |at| lines.at(at));
            let what = format!(
                "`{}` has not been made; run `cargo run -p book -- output {0}`",
                session.file
            );
            findings.add(&repository.name(&list), line, what);
        }
    }
    Ok(())
}
