//! The word lists for titles, descriptions and reviews.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

pub(super) const STUDIO_SUFFIXES: [&str; 6] = [
    "Games",
    "Interactive",
    "Studios",
    "Works",
    "Softworks",
    "Play",
];
pub(super) const PLATFORMS: [&str; 5] = ["Linux", "macOS", "PlayStation", "Switch", "Windows"];

const ADJECTIVES: [&str; 40] = [
    "Amber",
    "Ancient",
    "Arctic",
    "Ashen",
    "Autumn",
    "Blazing",
    "Broken",
    "Cobalt",
    "Copper",
    "Crimson",
    "Crystal",
    "Distant",
    "Drifting",
    "Electric",
    "Emerald",
    "Endless",
    "Forgotten",
    "Frozen",
    "Gilded",
    "Hidden",
    "Hollow",
    "Iron",
    "Ivory",
    "Last",
    "Lonely",
    "Lunar",
    "Midnight",
    "Neon",
    "Obsidian",
    "Paper",
    "Quiet",
    "Restless",
    "Royal",
    "Rusty",
    "Scarlet",
    "Silent",
    "Solar",
    "Velvet",
    "Wandering",
    "Wild",
];
const NOUNS: [&str; 40] = [
    "Archipelago",
    "Atlas",
    "Beacon",
    "Bastion",
    "Canyon",
    "Caravan",
    "Cathedral",
    "Citadel",
    "Clockwork",
    "Compass",
    "Courier",
    "Delta",
    "Dynasty",
    "Echo",
    "Engine",
    "Expedition",
    "Falcon",
    "Forest",
    "Frontier",
    "Garden",
    "Gambit",
    "Harbour",
    "Horizon",
    "Lagoon",
    "Lantern",
    "Labyrinth",
    "Meridian",
    "Monsoon",
    "Oracle",
    "Orchard",
    "Outpost",
    "Reef",
    "Rebellion",
    "Shipyard",
    "Signal",
    "Summit",
    "Tides",
    "Tower",
    "Voyage",
    "Winter",
];
const TITLE_SUFFIXES: [&str; 12] = [
    "", "", "", "", "", " II", " III", " Online", " Origins", " Reborn", " Tactics", " Deluxe",
];
const HEROES: [&str; 10] = [
    "a retired cartographer",
    "the last lighthouse keeper",
    "a crew of four strangers",
    "an apprentice clockmaker",
    "a courier with no memory",
    "two rival captains",
    "a village of inventors",
    "a very small robot",
    "an exiled queen",
    "a night-shift engineer",
];
const GOALS: [&str; 10] = [
    "rebuild a drowned city",
    "outrun a storm that never ends",
    "map a continent that moves at night",
    "win a race nobody has finished",
    "keep one fire burning until spring",
    "find out who turned off the stars",
    "run the most honest market on the frontier",
    "bring a forgotten railway back to life",
    "defend a valley with nothing but wit",
    "deliver the letter that ends a war",
];
const FEATURES: [&str; 10] = [
    "Every choice is remembered, and so is every hesitation.",
    "Plays alone or with up to four friends.",
    "A full run takes an evening; no two runs agree.",
    "The soundtrack follows your pace.",
    "No map markers: the world tells you where to go.",
    "Build, break, and build it better.",
    "Controls you learn in a minute and refine for a year.",
    "A photo mode for those who stop to look.",
    "With a level editor and a kind community.",
    "Easy to leave, hard to forget.",
];
const POSITIVE_REVIEWS: [&str; 8] = [
    "I meant to play for ten minutes. It is morning.",
    "Best of its kind in years.",
    "Worth it for the second act alone.",
    "My whole family plays it now.",
    "Runs smoothly on my old machine.",
    "The ending made me call my brother.",
    "Small, clever, and finished: a rare thing.",
    "I bought a second copy for a friend.",
];
const MIXED_REVIEWS: [&str; 8] = [
    "Good ideas, slow start.",
    "Fine, though the menus need work.",
    "Fun with friends, thin alone.",
    "Wait for a sale.",
    "Charming for an hour, then it repeats.",
    "I wanted to like the last level more.",
    "Decent, but the camera is against you.",
    "Solid. I will not remember it next year.",
];
const NEGATIVE_REVIEWS: [&str; 6] = [
    "Crashed twice before the title screen.",
    "Not for me.",
    "The trailer is better than the game.",
    "My save was gone after an update.",
    "Too long by half.",
    "I asked for a refund.",
];

/// A title, such as "Iron Harbour II".
pub(super) fn title(rng: &mut ChaCha8Rng) -> String {
    format!(
        "{} {}{}",
        pick(rng, &ADJECTIVES),
        pick(rng, &NOUNS),
        pick(rng, &TITLE_SUFFIXES)
    )
}

/// Three sentences about the game.
pub(super) fn description(rng: &mut ChaCha8Rng, title: &str, genre: &str) -> String {
    let first = rng.random_range(0..FEATURES.len());
    let second = (first + rng.random_range(1..FEATURES.len())) % FEATURES.len();
    format!(
        "{title} is a game of {genre} in which {} must {}. {} {}",
        pick(rng, &HEROES),
        pick(rng, &GOALS),
        FEATURES[first],
        FEATURES[second]
    )
}

/// A review that fits the number of stars.
pub(super) fn review(rng: &mut ChaCha8Rng, stars: u8) -> String {
    let sentence = match stars {
        4.. => pick(rng, &POSITIVE_REVIEWS),
        3 => pick(rng, &MIXED_REVIEWS),
        _ => pick(rng, &NEGATIVE_REVIEWS),
    };
    (*sentence).to_owned()
}

/// A random element.
pub(super) fn pick<'a, T>(rng: &mut ChaCha8Rng, choices: &'a [T]) -> &'a T {
    choices
        .choose(rng)
        .expect("a list of choices must not be empty")
}
