//! The workspace in which all variants are built: [`GeneratedWorkspace`], below cargo's target
//! folder.
//!
//! The stub and the solution are packages like the learner's crate: a library, and a test that
//! includes the exercise's tests. The wrong answers of an exercise are modules of one test, each
//! with the exercise's tests: there are hundreds, and one crate builds faster than many. The
//! workspace has this workspace's dependencies, lints, profiles, `Cargo.lock` and target folder, so
//! cargo does not build the libraries again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use toml::{Table, Value};

use super::variant::Variant;
use crate::app::App;
use crate::run::build::{self, BuildResult, Diagnostic};
use crate::run::cargo;

/// The folder of the workspace.
#[derive(Debug)]
pub struct GeneratedWorkspace {
    dir: PathBuf,
}

impl GeneratedWorkspace {
    /// The workspace below cargo's target folder.
    pub fn new(app: &App) -> Self {
        GeneratedWorkspace {
            dir: app.target_dir.join("workshop-verify"),
        }
    }

    /// Writes and builds all variants. A variant that does not compile does not stop the others.
    pub fn build(
        &self,
        app: &App,
        variants: &[&Variant],
        messages: &mut impl Write,
    ) -> anyhow::Result<BuildResult> {
        if variants.is_empty() {
            return Ok(BuildResult::default());
        }
        let first = self.build_once(app, variants, messages)?;
        let compiles = |variant: &&&Variant| first.errors_in(&variant.source).next().is_none();
        let rest: Vec<&Variant> = variants.iter().filter(compiles).copied().collect();
        if rest.len() == variants.len() || rest.is_empty() {
            return Ok(first);
        }
        // One wrong answer that does not compile stops the others of its package.
        let mut second = self.build_once(app, &rest, messages)?;
        let errors = first.diagnostics.into_iter().filter(Diagnostic::is_error);
        second.diagnostics.extend(errors);
        Ok(second)
    }

    fn build_once(
        &self,
        app: &App,
        variants: &[&Variant],
        messages: &mut impl Write,
    ) -> anyhow::Result<BuildResult> {
        self.write(app, variants)?;
        let mut command = cargo::cargo_command(&app.machine);
        command
            .current_dir(app.repository.root())
            // `cargo test --no-run` stops at the first package that does not compile.
            .args(["build", "--tests", "--keep-going", "--workspace"])
            .arg("--manifest-path")
            .arg(self.dir.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&app.target_dir);
        let is_quick = |package: &str| variants.iter().any(|it| it.package == package);
        let build = build::build(command, &app.machine, is_quick, messages)?;
        build.check_cargo("the exercises")?;
        Ok(build)
    }

    fn write(&self, app: &App, variants: &[&Variant]) -> anyhow::Result<()> {
        let repository = &app.repository;
        let root = repository.root();
        let manifest = read_toml(app, &root.join("Cargo.toml"))?;
        let mut packages: BTreeMap<&str, Vec<&Variant>> = BTreeMap::new();
        for variant in variants {
            packages.entry(&variant.package).or_default().push(variant);
        }
        let manifest = root_manifest(manifest, root, packages.keys().copied().collect())?;
        write_if_changed(&self.dir.join("Cargo.toml"), &manifest.to_string())?;
        let lock = root.join("Cargo.lock");
        if lock.is_file() {
            write_if_changed(&self.dir.join("Cargo.lock"), &repository.read(&lock)?)?;
        }
        for (package, variants) in packages {
            let dir = self.dir.join(package);
            let exercise = &variants[0].exercise;
            let manifest = read_toml(app, &exercise.dir().join("Cargo.toml"))?;
            let manifest = package_manifest(manifest, variants[0])?;
            write_if_changed(&dir.join("Cargo.toml"), &manifest.to_string())?;
            let mut text = format!("//! The tests of `{}`.\n", exercise.id);
            text.extend(variants.iter().map(|variant| test_module(variant)));
            write_if_changed(&dir.join("tests").join("x.rs"), &text)?;
        }
        Ok(())
    }
}

/// The exercise's tests, and the variant under the exercise's name.
fn test_module(variant: &Variant) -> String {
    let id = &variant.exercise.id;
    // `{:?}` writes a path as a Rust string literal.
    let tests = variant.exercise.test_file();
    let tests = format!("include!({:?});", tests.to_string_lossy());
    match &variant.module {
        None => format!("extern crate {} as {id};\n{tests}\n", variant.package),
        Some(module) => {
            let source = variant.source.to_string_lossy();
            format!("mod {module} {{\n#[path = {source:?}]\nmod {id};\n{tests}\n}}\n")
        }
    }
}

fn read_toml(app: &App, file: &Path) -> anyhow::Result<Table> {
    let text = app.repository.read(file)?;
    text.parse()
        .with_context(|| app.repository.display_path(file))
}

/// This workspace's root manifest, with other members.
fn root_manifest(mut manifest: Table, root: &Path, members: Vec<&str>) -> anyhow::Result<Table> {
    let workspace = manifest.get_mut("workspace").and_then(Value::as_table_mut);
    let workspace = workspace.context("the Cargo.toml of the root has no [workspace]")?;
    for key in ["default-members", "exclude"] {
        workspace.remove(key);
    }
    manifest.remove("package");
    // They are built once, so without what helps a debugger and a next build.
    let quick: Table = "debug = false\nincremental = false"
        .parse()
        .expect("this is TOML");
    let packages = ["profile", "dev", "package"]
        .into_iter()
        .try_fold(&mut manifest, |table, key| {
            table
                .entry(key)
                .or_insert(Table::new().into())
                .as_table_mut()
        })
        .context("[profile.dev.package] must be a table in the Cargo.toml of the root")?;
    for member in &members {
        packages.insert((*member).to_owned(), quick.clone().into());
    }
    let workspace = manifest["workspace"].as_table_mut().expect("found above");
    workspace.insert("members".to_owned(), members.into());
    make_paths_absolute(&mut manifest, root);
    Ok(manifest)
}

/// The manifest of a variant's package.
fn package_manifest(mut manifest: Table, variant: &Variant) -> anyhow::Result<Table> {
    let dir = variant.exercise.dir();
    make_paths_absolute(&mut manifest, &dir);
    let package = manifest.get_mut("package").and_then(Value::as_table_mut);
    let package = package
        .with_context(|| format!("{} has no [package]", dir.join("Cargo.toml").display()))?;
    package.insert("name".to_owned(), variant.package.as_str().into());
    manifest.remove("lib");
    if variant.module.is_none() {
        let mut library = Table::new();
        let source = variant.source.to_string_lossy().into_owned();
        library.insert("path".to_owned(), source.into());
        library.insert("test".to_owned(), false.into());
        library.insert("doctest".to_owned(), false.into());
        manifest.insert("lib".to_owned(), library.into());
    }
    // The tests have another path here.
    manifest.remove("test");
    Ok(manifest)
}

/// Makes the path of every dependency absolute.
fn make_paths_absolute(table: &mut Table, base: &Path) {
    for (key, value) in table.iter_mut() {
        match value {
            Value::String(path) if key == "path" => {
                *path = base.join(&*path).to_string_lossy().into_owned();
            }
            Value::Table(inner) => make_paths_absolute(inner, base),
            _ => {}
        }
    }
}

/// Writes a file only if its text changes, because cargo rebuilds files with a newer time.
fn write_if_changed(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(path).is_ok_and(|current| current == text) {
        return Ok(());
    }
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, text)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_paths_become_absolute() {
        let mut table: Table =
            "[workspace.dependencies]\nours = { path = \"tools/ours\", features = [\"x\"] }\ntheirs = \"1\"\n\
                                [profile.dev.package.\"*\"]\ndebug = false\n"
                .parse()
                .unwrap();
        make_paths_absolute(&mut table, Path::new("/w"));
        let ours = &table["workspace"]["dependencies"]["ours"];
        assert_eq!(
            Path::new(ours["path"].as_str().unwrap()),
            Path::new("/w/tools/ours")
        );
        assert_eq!(ours["features"][0].as_str(), Some("x"));
    }

    #[test]
    fn root_manifest_keeps_profiles_and_replaces_members() {
        let ours = "[workspace]\nmembers = [\"a/*\"]\ndefault-members = [\"a/b\"]\n[profile.dev]\ndebug = false\n";
        let table =
            root_manifest(ours.parse().unwrap(), Path::new("/w"), vec!["stub_of_x"]).unwrap();
        assert_eq!(table["workspace"]["members"][0].as_str(), Some("stub_of_x"));
        assert!(table["workspace"].get("default-members").is_none());
        assert!(table["profile"]["dev"].get("debug").is_some());
    }
}
