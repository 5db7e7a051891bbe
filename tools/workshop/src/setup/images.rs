//! Counts the servers' images: [`count_present`] asks Docker.
//!
//! The testbed gets missing images (`tools/testbed/src/docker/image.rs`).

use std::env;

use crate::run::machine::Machine;

/// The images of the four servers: the name in a registry, and the name when the testbed builds the
/// image. Only one test needs the images of the two proxies, and it gets them itself.
const IMAGES: [[&str; 2]; 4] = [
    ["postgres:17", "workshop/postgres:17"],
    ["redis:8.0", "workshop/redis:8.0"],
    ["memcached:1.6", "workshop/memcached:1.6"],
    ["rabbitmq:4.0", "workshop/rabbitmq:4.0"],
];

/// How many images the servers need.
pub const IMAGE_COUNT: usize = IMAGES.len();

/// How many of the images are present; `None` if Docker cannot list them.
pub fn count_present(machine: &Machine) -> Option<usize> {
    let format = "{{.Repository}}:{{.Tag}}";
    let listing = machine.stdout_of("docker", &["image", "ls", "--format", format])?;
    let registry = env::var("WORKSHOP_REGISTRY").unwrap_or_default();
    Some(count_in(&listing, &registry))
}

/// Whether all images are present.
pub fn are_all_present(machine: &Machine) -> bool {
    count_present(machine) == Some(IMAGE_COUNT)
}

fn count_in(listing: &str, registry: &str) -> usize {
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
    fn testbed_uses_the_same_images() {
        let testbed = fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../testbed/src/docker/image.rs"
        ))
        .unwrap();
        let proxies = 2;
        assert_eq!(testbed.matches("pulled: \"").count(), IMAGE_COUNT + proxies);
        for [pulled, built] in IMAGES {
            assert!(
                testbed.contains(&format!("pulled: \"{pulled}\"")),
                "{pulled}"
            );
            assert!(testbed.contains(&format!("built: \"{built}\"")), "{built}");
        }
    }

    #[test]
    fn each_image_counts_once() {
        let listing = "redis:8.0\nworkshop/redis:8.0\nmirror.example.org/library/postgres:17\nmemcached:1.5\nredis:7\n";
        assert_eq!(count_in(listing, ""), 1);
        assert_eq!(count_in(listing, "mirror.example.org/library/"), 2);
        assert_eq!(count_in("", ""), 0);
    }
}
