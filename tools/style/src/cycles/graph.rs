//! The dependencies between files, and the search for cycles in them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// For each file: the files that it depends on, and one name that it takes from each.
pub type Graph = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

/// For each edge that lies on a cycle: the shortest cycle through it, each cycle once.
pub fn shortest_cycles(graph: &Graph) -> BTreeSet<Vec<PathBuf>> {
    let mut cycles = BTreeSet::new();
    for (from, targets) in graph {
        for to in targets.keys() {
            if let Some(mut cycle) = shortest_path(graph, to, from) {
                let first = cycle.iter().enumerate().min_by_key(|(_, file)| *file);
                let first = first.map_or(0, |(index, _)| index);
                cycle.rotate_left(first);
                cycles.insert(cycle);
            }
        }
    }
    cycles
}

/// Breadth-first search.
fn shortest_path(graph: &Graph, from: &Path, to: &Path) -> Option<Vec<PathBuf>> {
    let mut previous: BTreeMap<&Path, &Path> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front() {
        if file == to {
            let steps = std::iter::successors(Some(file), |file| previous.get(file).copied());
            let mut path: Vec<PathBuf> = steps.map(Path::to_owned).collect();
            path.reverse();
            return Some(path);
        }
        for next in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if next != from && !previous.contains_key(next.as_path()) {
                previous.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}
