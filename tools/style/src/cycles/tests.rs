use std::fs;
use std::path::PathBuf;

use super::graph::shortest_cycles;
use super::{imports, modules};

/// Writes the files into a crate, and returns the cycles that are found, as file names.
fn cycles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the file");
        fs::write(path, text).expect("a file");
    }
    let modules = modules::read(&folder.path().join("lib.rs")).expect("a readable crate");
    let cycles = shortest_cycles(&imports::graph(&modules));
    let name = |file: &PathBuf| {
        let file = file
            .strip_prefix(folder.path())
            .expect("a file of the crate");
        file.display().to_string()
    };
    cycles
        .iter()
        .map(|cycle| cycle.iter().map(name).collect())
        .collect()
}

#[test]
fn two_files_that_import_each_other() {
    let found = cycles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use super::a; pub struct B; fn f(_: a::A) {}"),
    ]);
    assert_eq!(found, [["a.rs", "b.rs"]]);
}

#[test]
fn three_files_in_a_circle() {
    let found = cycles(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "pub struct C; impl C { fn f(_: crate::a::A) {} }"),
    ]);
    assert_eq!(found, [["a.rs", "b.rs", "c.rs"]]);
}

#[test]
fn re_exports_lead_to_the_definition() {
    let found = cycles(&[
        ("lib.rs", "pub mod a; mod b;"),
        ("a/mod.rs", "mod inner; pub use inner::Inner;"),
        ("a/inner.rs", "pub struct Inner(crate::b::B);"),
        (
            "b.rs",
            "use crate::a::Inner; pub struct B; fn f(_: Inner) {}",
        ),
    ]);
    assert_eq!(
        found,
        [["a/inner.rs", "b.rs"]],
        "`a/mod.rs` only passes the name on"
    );
}

#[test]
fn parent_and_child_can_form_a_cycle() {
    let found = cycles(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod child; pub struct A(child::Child);"),
        ("a/child.rs", "pub struct Child; fn f(_: super::A) {}"),
    ]);
    assert_eq!(found, [["a/child.rs", "a/mod.rs"]]);
}

#[test]
fn tests_may_use_everything() {
    let found = cycles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        (
            "b.rs",
            "pub struct B; #[cfg(test)] mod tests { use crate::a::A; fn f(_: A) {} }",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn names_of_other_crates_are_ignored() {
    let found = cycles(&[
        ("lib.rs", "mod http; mod b;"),
        ("http.rs", "use crate::b::B; pub struct Request(B);"),
        (
            "b.rs",
            "use http::Request; pub struct B; fn f(_: Request) {}",
        ),
    ]);
    assert!(found.is_empty(), "`http` is a crate here: {found:?}");
}
