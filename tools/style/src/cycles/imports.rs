//! Finds which file defines each name that a file uses.

use std::path::PathBuf;

use syn::visit::{self, Visit};

use super::graph::Graph;
use super::modules::{Module, ModulePath, Modules, is_re_export};

/// Which file depends on which.
pub fn graph(modules: &Modules) -> Graph {
    let mut graph = Graph::new();
    for (path, module) in modules {
        let mut names = Names { paths: Vec::new() };
        for item in module.items.iter().filter(|item| !is_re_export(item)) {
            names.visit_item(item);
        }
        let own = module.items.iter().filter(|item| !is_re_export(item));
        for name in own.flat_map(imported_paths).chain(names.paths) {
            if let Some(file) = find(modules, path, &name, 0)
                && file != module.file
            {
                let targets = graph.entry(module.file.clone()).or_default();
                targets
                    .entry(file)
                    .or_insert_with(|| name.last().cloned().unwrap_or_default());
            }
        }
    }
    graph
}

/// Collects every path in the code that has at least two segments.
struct Names {
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.paths.push(segments.collect());
        }
        visit::visit_path(self, path);
    }
}

/// The paths that a private `use` names.
fn imported_paths(item: &syn::Item) -> Vec<Vec<String>> {
    fn leaves(tree: &syn::UseTree, prefix: &[String], paths: &mut Vec<Vec<String>>) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), paths),
            syn::UseTree::Name(name) => paths.push(with(&name.ident)),
            syn::UseTree::Rename(rename) => paths.push(with(&rename.ident)),
            syn::UseTree::Glob(_) => {}
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    leaves(tree, prefix, paths);
                }
            }
        }
    }
    let mut paths = Vec::new();
    if let syn::Item::Use(import) = item {
        leaves(&import.tree, &[], &mut paths);
    }
    paths
}

/// A chain of re-exports is followed for so many steps: a chain that goes round ends.
const MOST_STEPS: usize = 16;

/// The file that defines what `name` means inside of the module at `from`. `None` for a name of
/// another crate, and for a module: a module alone is no item.
fn find(modules: &Modules, from: &[String], name: &[String], step: usize) -> Option<PathBuf> {
    if step > MOST_STEPS {
        return None;
    }
    let (first, rest) = name.split_first()?;
    match first.as_str() {
        "crate" => descend(modules, &[], rest, step),
        "self" => descend(modules, from, rest, step),
        "super" => descend(modules, from.get(..from.len().checked_sub(1)?)?, rest, step),
        _ => {
            let module = modules.get(from)?;
            if modules.contains_key(&child(from, first)) || module.defined.contains(first) {
                return descend(modules, from, name, step);
            }
            let behind = module.imported.get(first)?;
            // A name that a crate and its module share stands for the crate here.
            if behind.first() == Some(first) {
                return None;
            }
            find(modules, from, &[behind, rest].concat(), step + 1)
        }
    }
}

/// Follows `name` from the module at `from` downwards.
fn descend(modules: &Modules, from: &[String], name: &[String], step: usize) -> Option<PathBuf> {
    let module = modules.get(from)?;
    let (first, rest) = name.split_first()?;
    if first == "super" {
        return descend(modules, from.get(..from.len().checked_sub(1)?)?, rest, step);
    }
    let below = child(from, first);
    if modules.contains_key(&below) && !rest.is_empty() {
        return descend(modules, &below, rest, step);
    }
    if module.defined.contains(first) {
        return Some(module.file.clone());
    }
    if let Some(behind) = module.imported.get(first) {
        return find(modules, from, &[behind, rest].concat(), step + 1);
    }
    through_globs(modules, from, module, name, step)
}

fn through_globs(
    modules: &Modules,
    from: &[String],
    module: &Module,
    name: &[String],
    step: usize,
) -> Option<PathBuf> {
    let mut globs = module.globs.iter();
    globs.find_map(|glob| find(modules, from, &[glob, name].concat(), step + 1))
}

fn child(path: &[String], name: &str) -> ModulePath {
    [path, &[name.to_owned()]].concat()
}
