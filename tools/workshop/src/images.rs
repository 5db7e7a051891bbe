//! How many of the servers' images are present: [`present`] asks Docker.
//!
//! Left out: getting them, which is the testbed's work (`tools/testbed/src/image.rs`); here they are only counted.

use std::env;

use crate::machine::Machine;

/// The names under which a registry has the four images, and those that the testbed gives them when it builds them itself.
const IMAGES: [[&str; 2]; 4] = [
    ["postgres:17", "workshop/postgres:17"],
    ["redis:8.0", "workshop/redis:8.0"],
    ["memcached:1.6", "workshop/memcached:1.6"],
    ["rabbitmq:4.0", "workshop/rabbitmq:4.0"],
];

/// How many images there are.
pub const ALL: usize = IMAGES.len();

/// How many of them are present; `None` if Docker does not tell.
pub fn present(machine: &Machine) -> Option<usize> {
    let listing = machine.answer(
        "docker",
        &["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
    )?;
    Some(count(
        &listing,
        &env::var("WORKSHOP_REGISTRY").unwrap_or_default(),
    ))
}

fn count(listing: &str, registry: &str) -> usize {
    let is_present = |[pulled, built]: &&[&str; 2]| {
        let mirrored = format!("{}/{pulled}", registry.trim_end_matches('/'));
        listing
            .lines()
            .any(|line| line == *pulled || line == *built || line == mirrored)
    };
    IMAGES.iter().filter(is_present).count()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_testbed_uses_these_images() {
        let testbed = fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../testbed/src/image.rs"
        ))
        .unwrap();
        assert_eq!(testbed.matches("pulled: \"").count(), ALL);
        for [pulled, built] in IMAGES {
            assert!(
                testbed.contains(&format!("pulled: \"{pulled}\"")),
                "{pulled}"
            );
            assert!(testbed.contains(&format!("built: \"{built}\"")), "{built}");
        }
    }

    #[test]
    fn an_image_counts_once_wherever_it_came_from() {
        let listing = "redis:8.0\nworkshop/redis:8.0\nmirror.example.org/library/postgres:17\nmemcached:1.5\nredis:7\n";
        assert_eq!(count(listing, ""), 1);
        assert_eq!(count(listing, "mirror.example.org/library/"), 2);
        assert_eq!(count("", ""), 0);
    }
}
