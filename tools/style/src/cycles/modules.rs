//! Reads the modules of a crate: the file of each, what it defines, and what it re-exports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use syn::{Attribute, Item, UseTree, Visibility};

/// The path of a module from the crate's root, such as `["balancer", "health"]`.
pub type ModulePath = Vec<String>;

/// One module of the crate.
pub struct Module {
    /// The file that it stands in.
    pub file: PathBuf,
    /// The names of the items that it defines itself.
    pub defined: Vec<String>,
    /// What `use` brings in: the name in this module, and the path behind it.
    pub imported: BTreeMap<String, Vec<String>>,
    /// The paths of `use path::*`.
    pub globs: Vec<Vec<String>>,
    /// The code, without modules and tests.
    pub items: Vec<Item>,
}

/// All modules of a crate.
pub type Modules = BTreeMap<ModulePath, Module>;

/// Reads the crate whose root file is `root`.
pub fn read(root: &Path) -> anyhow::Result<Modules> {
    let mut modules = Modules::new();
    let folder = root.parent().context("a crate root lies in a folder")?;
    read_file(&mut modules, Vec::new(), root, folder)?;
    Ok(modules)
}

/// `folder` is where the files of the child modules lie.
fn read_file(
    modules: &mut Modules,
    path: ModulePath,
    file: &Path,
    folder: &Path,
) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let parsed = syn::parse_file(&text).with_context(|| format!("parse {}", file.display()))?;
    add(modules, path, file, folder, parsed.items)
}

fn add(
    modules: &mut Modules,
    path: ModulePath,
    file: &Path,
    folder: &Path,
    items: Vec<Item>,
) -> anyhow::Result<()> {
    let mut module = Module {
        file: file.to_owned(),
        defined: Vec::new(),
        imported: BTreeMap::new(),
        globs: Vec::new(),
        items: Vec::new(),
    };
    for item in items {
        if is_test_code(attributes(&item)) {
            continue;
        }
        if let Item::Mod(child) = item {
            let name = child.ident.to_string();
            let child_path = [path.clone(), vec![name.clone()]].concat();
            let child_folder = folder.join(&name);
            if let Some((_, items)) = child.content {
                add(modules, child_path, file, &child_folder, items)?;
            } else if let Some(given) = given_path(&child.attrs) {
                let child_file = file.with_file_name(given);
                let child_folder = child_file.parent().unwrap_or(folder).to_owned();
                read_file(modules, child_path, &child_file, &child_folder)?;
            } else {
                let leaf = folder.join(format!("{name}.rs"));
                let with_children = child_folder.join("mod.rs");
                let found = [leaf, with_children].into_iter().find(|file| file.exists());
                let Some(child_file) = found else {
                    bail!("{}: the file of `mod {name}` is missing", file.display());
                };
                read_file(modules, child_path, &child_file, &child_folder)?;
            }
            continue;
        }
        if let Item::Use(import) = &item {
            collect(&import.tree, &[], &mut module);
        }
        module.defined.extend(defined_name(&item));
        module.items.push(item);
    }
    modules.insert(path, module);
    Ok(())
}

fn collect(tree: &UseTree, prefix: &[String], module: &mut Module) {
    let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => collect(&path.tree, &with(&path.ident), module),
        UseTree::Name(name) if name.ident == "self" => {
            if let Some(last) = prefix.last() {
                module.imported.insert(last.clone(), prefix.to_vec());
            }
        }
        UseTree::Name(name) => {
            module
                .imported
                .insert(name.ident.to_string(), with(&name.ident));
        }
        UseTree::Rename(rename) => {
            module
                .imported
                .insert(rename.rename.to_string(), with(&rename.ident));
        }
        UseTree::Glob(_) => module.globs.push(prefix.to_vec()),
        UseTree::Group(group) => {
            for tree in &group.items {
                collect(tree, prefix, module);
            }
        }
    }
}

/// Whether the item exists in tests only: `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`.
fn is_test_code(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test")
        }
        meta => meta
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "test"),
    })
}

/// The file that `#[path = "…"]` names, relative to the folder of the file that says so.
fn given_path(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined_name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(name.to_string())
}

/// Whether an import only passes a name on: `pub use`, `pub(crate) use`.
pub fn is_re_export(item: &Item) -> bool {
    matches!(item, Item::Use(import) if !matches!(import.vis, Visibility::Inherited))
}
