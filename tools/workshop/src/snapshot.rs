//! Whether an exercise was edited: two [`Snapshot`]s of its files are equal, or somebody has saved one in between.
//!
//! The time of change and the length of each file are known on every file system, also on those that tell nobody of a change. Left out: the
//! text itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::exercise::Exercise;

/// When each file of an exercise was changed, and how long it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot(Vec<(PathBuf, Option<SystemTime>, u64)>);

impl Snapshot {
    /// As they are now.
    pub fn of(exercise: &Exercise) -> Self {
        let folder = exercise.folder();
        let mut files = vec![entry(&folder.join("Cargo.toml"))];
        for part in ["src", "tests"] {
            add(&folder.join(part), &mut files);
        }
        files.sort();
        Snapshot(files)
    }
}

fn entry(path: &Path) -> (PathBuf, Option<SystemTime>, u64) {
    // A file that cannot be looked at, because an editor is just replacing it, is a file that changes.
    let metadata = fs::metadata(path).ok();
    let changed = metadata
        .as_ref()
        .and_then(|metadata| metadata.modified().ok());
    (
        path.to_owned(),
        changed,
        metadata.map_or(0, |metadata| metadata.len()),
    )
}

fn add(folder: &Path, files: &mut Vec<(PathBuf, Option<SystemTime>, u64)>) {
    for found in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = found.path();
        if path.is_dir() {
            add(&path, files);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "sql")
        {
            // Editors put their own files beside.
            files.push(entry(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::fixture::Fixture;

    #[test]
    fn an_editors_own_files_are_no_change() {
        let fixture = Fixture::new();
        let catalogue = Catalogue::load(&fixture.repository()).unwrap();
        let before = Snapshot::of(&catalogue.exercises[0]);

        fixture.write("exercises/01_chapter/01_counter/src/.lib.rs.swp", "x");
        assert_eq!(Snapshot::of(&catalogue.exercises[0]), before);

        fixture.write("exercises/01_chapter/01_counter/src/more.rs", "x");
        assert_ne!(Snapshot::of(&catalogue.exercises[0]), before);
    }
}
