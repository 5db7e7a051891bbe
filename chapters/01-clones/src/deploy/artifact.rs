//! One immutable artefact: the program and how it is to be started, in a folder that is named after its content.
//!
//! Whoever builds on each server gets servers that differ: another compiler, another library, a file that somebody mended by hand. So one
//! builds once, names the result by a hash of every byte in it, and starts it everywhere. The name is a promise that can be checked, and
//! [`Artifact::open`] checks it. A container image is the same idea, with the system's libraries inside; there the hash is called a
//! digest.
//!
//! Left out: signatures. A hash says that nothing has changed, and not who made it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The program in an artefact's folder.
const PROGRAM: &str = if cfg!(windows) { "clone.exe" } else { "clone" };

/// What it is and how it is started.
const RELEASE: &str = "release.toml";

/// What is written beside the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its name for people, such as `v2`: 1 to 32 of `A-Z a-z 0-9 . _ -`.
    pub version: String,
    /// What each clone of it is started with, after what the site itself says.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// A packed release. Nobody changes it: [`open`](Artifact::open) looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    folder: PathBuf,
    release: Release,
    digest: String,
}

/// Why there is no artefact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file or a folder cannot be read or written: it is not there, the disk is full, or it belongs to somebody else.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// Such as `read`.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `release.toml` says nothing that could be used.
    #[error("`release.toml` in {} cannot be used: {reason}", folder.display())]
    Release {
        /// The artefact.
        folder: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// The version could not be part of a folder's name or of a header.
    #[error(
        "`{0}` cannot be a version; take 1 to 32 of A-Z, a-z, 0-9, `.`, `_` and `-`, such as `v2`"
    )]
    Version(String),
    /// What lies there is not what was packed.
    #[error("{} is not what was packed: its content is {found}; pack it again instead of changing it", folder.display())]
    Changed {
        /// The artefact.
        folder: PathBuf,
        /// The digest of what lies there now.
        found: String,
    },
}

impl Artifact {
    /// Packs a program into a new folder below `into`. The same content gets the same name, and is packed once.
    pub fn pack(program: &Path, release: &Release, into: &Path) -> Result<Self, ArtifactError> {
        check_version(&release.version)?;
        let text = toml::to_string(release).expect("strings and a list of strings are always TOML");
        let bytes = fs::read(program).map_err(failed("read", program))?;
        let digest = digest(&bytes, &text);
        let artifact = Artifact {
            folder: into.join(format!("{}-{}", release.version, &digest[..12])),
            release: release.clone(),
            digest,
        };
        if artifact.folder.exists() {
            return Artifact::open(&artifact.folder);
        }
        fs::create_dir_all(into).map_err(failed("make", into))?;
        // Written beside its place and then moved there, so nobody ever sees half of it.
        let half = tempdir_in(into)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = half.join(name);
            fs::write(&path, bytes)
                .and_then(|()| close(&path, name == PROGRAM))
                .map_err(failed("write", &path))
        };
        let written = write(PROGRAM, &bytes).and_then(|()| write(RELEASE, text.as_bytes()));
        let moved = written.and_then(|()| {
            fs::rename(&half, &artifact.folder).map_err(failed("make", &artifact.folder))
        });
        if moved.is_err() {
            let _ = fs::remove_dir_all(&half);
            // Somebody else may have packed the same a moment ago.
            if artifact.folder.exists() {
                return Artifact::open(&artifact.folder);
            }
        }
        moved.map(|()| artifact)
    }

    /// An artefact that lies in this folder, if it is what was packed.
    pub fn open(folder: &Path) -> Result<Self, ArtifactError> {
        let (program, release) = (folder.join(PROGRAM), folder.join(RELEASE));
        let text = fs::read_to_string(&release).map_err(failed("read", &release))?;
        let bytes = fs::read(&program).map_err(failed("read", &program))?;
        let release: Release = toml::from_str(&text).map_err(|error| ArtifactError::Release {
            folder: folder.to_owned(),
            reason: error.to_string(),
        })?;
        check_version(&release.version)?;
        let digest = digest(&bytes, &text);
        let name = format!("{}-{}", release.version, &digest[..12]);
        if folder.file_name() != Some(name.as_ref()) {
            return Err(ArtifactError::Changed {
                folder: folder.to_owned(),
                found: name,
            });
        }
        Ok(Artifact {
            folder: folder.to_owned(),
            release,
            digest,
        })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program in it.
    pub fn program(&self) -> PathBuf {
        self.folder.join(PROGRAM)
    }

    /// What it is, and how it is started.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The SHA-256 of all that is in it, as 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The lengths go in too, or a byte could move from one file to the other unnoticed.
fn digest(program: &[u8], release: &str) -> String {
    let mut hash = Sha256::new();
    for part in [program, release.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .fold(String::new(), |mut digits, byte| {
            write!(digits, "{byte:02x}").expect("writing to a String cannot fail");
            digits
        })
}

fn check_version(version: &str) -> Result<(), ArtifactError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_version =
        (1..=32).contains(&version.len()) && version.bytes().all(fits) && !version.starts_with('.');
    is_version
        .then_some(())
        .ok_or_else(|| ArtifactError::Version(version.chars().take(40).collect()))
}

/// Read-only from now on, so that a change takes more than a slip of the hand.
fn close(path: &Path, is_program: bool) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(
        &mut permissions,
        if is_program { 0o555 } else { 0o444 },
    );
    #[cfg(not(unix))]
    {
        let _ = is_program;
        permissions.set_readonly(true);
    }
    fs::set_permissions(path, permissions)
}

fn tempdir_in(into: &Path) -> Result<PathBuf, ArtifactError> {
    let folder = into.join(format!(".packing-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir(&folder).map_err(failed("make", &folder))?;
    Ok(folder)
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |source| ArtifactError::File {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> Release {
        Release {
            version: version.to_owned(),
            arguments: Vec::new(),
        }
    }

    /// A folder with a program in it.
    fn workbench() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "the code").unwrap();
        (folder, program)
    }

    #[test]
    fn the_same_content_has_the_same_name_and_anything_else_another() {
        let (folder, program) = workbench();
        let pack = |release: &Release| Artifact::pack(&program, release, folder.path()).unwrap();
        let first = pack(&release("v1"));
        assert_eq!(pack(&release("v1")), first);
        assert_eq!(Artifact::open(first.folder()).unwrap(), first);

        let mut other = release("v1");
        other.arguments.push("--verbose".to_owned());
        assert_ne!(
            pack(&other).digest(),
            first.digest(),
            "does the way it is started count?"
        );
        fs::write(&program, "the Code").unwrap();
        assert_ne!(
            pack(&release("v1")).digest(),
            first.digest(),
            "does every byte count?"
        );
    }

    #[test]
    fn the_same_may_be_packed_by_several_at_once() {
        let (folder, program) = workbench();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Artifact::pack(&program, &release("v1"), folder.path()).unwrap());
            }
        });
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "the program, and one artefact"
        );
    }

    #[test]
    fn what_was_changed_after_packing_is_not_started() {
        let (folder, program) = workbench();
        for file in [PROGRAM, RELEASE] {
            let artifact = Artifact::pack(&program, &release("v1"), folder.path()).unwrap();
            let path = artifact.folder().join(file);
            assert!(fs::metadata(&path).unwrap().permissions().readonly());
            fs::remove_file(&path).unwrap();
            fs::write(&path, "version = 'v1'\n").unwrap();
            let error = Artifact::open(artifact.folder()).unwrap_err();
            assert!(
                matches!(error, ArtifactError::Changed { .. }),
                "{file}: {error}"
            );
            fs::remove_dir_all(artifact.folder()).unwrap();
        }
    }

    #[test]
    fn a_version_becomes_a_folder_so_it_must_be_a_plain_word() {
        let (folder, program) = workbench();
        for wrong in ["", "../v1", "v 1", ".v1", "v1/..", &"v".repeat(33)] {
            let error = Artifact::pack(&program, &release(wrong), folder.path()).unwrap_err();
            assert!(
                matches!(error, ArtifactError::Version(_)),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn what_cannot_be_packed_leaves_nothing_behind() {
        let (folder, program) = workbench();
        let missing = Artifact::pack(
            &folder.path().join("nothing"),
            &release("v1"),
            folder.path(),
        );
        assert!(missing.unwrap_err().to_string().contains("cannot read"));
        let in_a_file = Artifact::pack(&program, &release("v1"), &program);
        assert!(in_a_file.unwrap_err().to_string().contains("cannot make"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
