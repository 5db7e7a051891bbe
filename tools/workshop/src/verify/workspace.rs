//! The workspace in which all variants are built: [`build()`] writes it below cargo's target folder, and has cargo build it.
//!
//! Each variant is a package whose library is the variant's own file, where it lies, and whose only test is the exercise's, included. The
//! workspace has the dependencies, lints and profiles of ours and a copy of its `Cargo.lock`, and shares its target folder; so the libraries
//! are the same, and are not built again. Left out: removing it; what is not a member any more takes no part.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml::{Table, Value};

use super::variant::Variant;
use crate::build::{self, Built};
use crate::cargo;
use crate::desk::Desk;
use crate::exercise::Exercise;

/// Builds all variants. Those that do not compile keep no other from being built.
pub fn build(
    desk: &Desk,
    variants: &[(usize, Exercise, Variant)],
    messages: &mut impl Write,
) -> anyhow::Result<Workspace> {
    let folder = desk.target.join("workshop-verify");
    let workspace = Workspace {
        folder,
        built: Built::default(),
    };
    if variants.is_empty() {
        return Ok(workspace);
    }
    workspace.write(desk, variants)?;
    let mut command = cargo::cargo(&desk.machine);
    command
        .current_dir(desk.repository.root())
        // Not `cargo test --no-run`, which stops at the first package that does not compile.
        .args(["build", "--tests", "--keep-going", "--workspace"])
        .arg("--manifest-path")
        .arg(workspace.folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&desk.target);
    let names: Vec<&str> = variants
        .iter()
        .map(|(_, _, variant)| variant.package.as_str())
        .collect();
    let built = build::build(
        command,
        desk.machine.colour.stderr,
        |name| names.contains(&name),
        messages,
    )?;
    let has_errors = built
        .diagnostics
        .iter()
        .any(|diagnostic| diagnostic.is_error);
    if !built.success && !has_errors {
        bail!(
            "cargo could not build the exercises. It says:\n{}",
            built.complaints.trim_end()
        );
    }
    Ok(Workspace { built, ..workspace })
}

/// Where it is, and what was built.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
    /// What cargo said.
    pub(super) built: Built,
}

impl Workspace {
    /// The manifest of a variant's package.
    pub(super) fn manifest(&self, variant: &Variant) -> PathBuf {
        self.folder.join(&variant.package).join("Cargo.toml")
    }

    fn write(&self, desk: &Desk, variants: &[(usize, Exercise, Variant)]) -> anyhow::Result<()> {
        let root = desk.repository.root();
        let ours = table(desk, &root.join("Cargo.toml"))?;
        let members = variants
            .iter()
            .map(|(_, _, variant)| variant.package.as_str())
            .collect();
        write(
            &self.folder.join("Cargo.toml"),
            &root_manifest(ours, root, members)?.to_string(),
        )?;
        let lock = root.join("Cargo.lock");
        if lock.is_file() {
            let text = desk.repository.read(&lock)?;
            write(&self.folder.join("Cargo.lock"), &text)?;
        }
        for (_, exercise, variant) in variants {
            let folder = exercise.folder();
            let manifest = manifest(table(desk, &folder.join("Cargo.toml"))?, &folder, variant)?;
            write(&self.manifest(variant), &manifest.to_string())?;
            // `{:?}` writes a path as a text in Rust, with all that has to be escaped.
            let tests = format!(
                "//! The tests of `{id}`.\n\nextern crate {} as {id};\ninclude!({:?});\n",
                variant.package,
                exercise.tests().to_string_lossy(),
                id = exercise.id
            );
            write(
                &self
                    .folder
                    .join(&variant.package)
                    .join("tests")
                    .join("x.rs"),
                &tests,
            )?;
        }
        Ok(())
    }
}

fn table(desk: &Desk, file: &Path) -> anyhow::Result<Table> {
    let text = desk.repository.read(file)?;
    text.parse().with_context(|| desk.repository.name(file))
}

/// Our own root manifest, with other members.
fn root_manifest(mut ours: Table, root: &Path, members: Vec<&str>) -> anyhow::Result<Table> {
    let workspace = ours.get_mut("workspace").and_then(Value::as_table_mut);
    let workspace = workspace.context("the Cargo.toml of the root has no [workspace]")?;
    for key in ["default-members", "exclude"] {
        workspace.remove(key);
    }
    workspace.insert("members".to_owned(), members.into());
    // Features of dependencies, of which the root itself has none.
    ours.remove("package");
    make_absolute(&mut ours, root);
    Ok(ours)
}

/// The exercise's manifest, for a variant of it.
fn manifest(mut table: Table, folder: &Path, variant: &Variant) -> anyhow::Result<Table> {
    make_absolute(&mut table, folder);
    let package = table.get_mut("package").and_then(Value::as_table_mut);
    let package = package
        .with_context(|| format!("{} has no [package]", folder.join("Cargo.toml").display()))?;
    package.insert("name".to_owned(), variant.package.as_str().into());
    let library = [
        (
            "path",
            Value::from(variant.source.to_string_lossy().into_owned()),
        ),
        ("test", false.into()),
        ("doctest", false.into()),
    ];
    let library: Table = library
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    table.insert("lib".to_owned(), library.into());
    // Its tests lie elsewhere now.
    table.remove("test");
    Ok(table)
}

/// Makes every path of a dependency lead to where it did.
fn make_absolute(table: &mut Table, from: &Path) {
    for (key, value) in table.iter_mut() {
        if key == "path" {
            if let Value::String(path) = value {
                *path = from.join(&*path).to_string_lossy().into_owned();
            }
        } else if let Value::Table(inner) = value {
            make_absolute(inner, from);
        }
    }
}

/// Writes a file, unless it is that already: cargo builds again what is newer than its last build.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, text)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_where_they_did() {
        let mut table: Table =
            "[workspace.dependencies]\nours = { path = \"tools/ours\", features = [\"x\"] }\ntheirs = \"1\"\n\
                                [profile.dev.package.\"*\"]\ndebug = false\n"
                .parse()
                .unwrap();
        make_absolute(&mut table, Path::new("/w"));
        let ours = &table["workspace"]["dependencies"]["ours"];
        assert_eq!(
            Path::new(ours["path"].as_str().unwrap()),
            Path::new("/w/tools/ours")
        );
        assert_eq!(ours["features"][0].as_str(), Some("x"));
    }

    #[test]
    fn the_root_has_our_dependencies_and_other_members() {
        let ours = "[workspace]\nmembers = [\"a/*\"]\ndefault-members = [\"a/b\"]\n[profile.dev]\ndebug = false\n";
        let table =
            root_manifest(ours.parse().unwrap(), Path::new("/w"), vec!["stub_of_x"]).unwrap();
        assert_eq!(table["workspace"]["members"][0].as_str(), Some("stub_of_x"));
        assert!(table["workspace"].get("default-members").is_none());
        assert!(table["profile"]["dev"].get("debug").is_some());
    }
}
