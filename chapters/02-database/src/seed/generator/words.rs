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

/// The form of an article. Names in braces are replaced.
pub(super) struct NewsTemplate {
    pub(super) title: &'static str,
    pub(super) summary: &'static str,
    pub(super) body: [&'static str; 3],
}

pub(super) const NEWS: [NewsTemplate; 8] = [
    NewsTemplate {
        title: "{game} gets a level editor",
        summary: "{developer} hands its own tools to the players.",
        body: [
            "The next update of {game} brings the editor that the studio itself used. It runs on \
             {platform} and needs no account.",
            "\"Half of our best ideas came from the forum,\" says {developer}. \"Now the forum can \
             build them.\"",
            "The first hundred levels are already there. They come from a closed test in autumn.",
        ],
    },
    NewsTemplate {
        title: "Patch 1.1 for {game} is out",
        summary: "Shorter loading times, and a camera that listens.",
        body: [
            "{developer} has published the first large patch for {game}. Old saves keep working.",
            "The patch halves the loading times on {platform} and adds an option for the camera, \
             which many reviews had asked for.",
            "The notes list 43 corrected errors. Number 17 was everybody's favourite; it stays as \
             an option.",
        ],
    },
    NewsTemplate {
        title: "How {game} found its sound",
        summary: "A visit to the basement where the soundtrack was recorded.",
        body: [
            "A piano without three of its keys, a rainy roof and a fan: most sounds of {game} come \
             from one basement.",
            "{developer} recorded for two winters. In summer the street was too loud.",
            "The soundtrack follows the player's pace, so no two evenings sound the same.",
        ],
    },
    NewsTemplate {
        title: "{game} speedrun falls below an hour",
        summary: "A shortcut through the second act saves eleven minutes.",
        body: [
            "The community has worked on the record for {game} for a year. On Sunday it fell.",
            "The new route skips most of the second act. \"We will not patch it,\" says \
             {developer}. \"It is beautiful.\"",
            "The next goal is known already: a run without a single jump.",
        ],
    },
    NewsTemplate {
        title: "Five things to know before you start {game}",
        summary: "Small hints without spoilers, for new players.",
        body: [
            "Talk to everybody twice. The second answer is the honest one.",
            "Do not sell the lamp. Save before the bridge. And yes, the cat can come along.",
            "Last: take your time. {game} is a game of {genre}, but nobody counts the minutes.",
        ],
    },
    NewsTemplate {
        title: "{developer} talks about the end of {game}",
        summary: "The last scene was nearly cut.",
        body: [
            "Four weeks before the release, the end of {game} was a black screen with one sentence.",
            "\"We had no money for the scene,\" says {developer}. \"Then the whole team made it on a \
             weekend.\"",
            "The sentence is still there. Players find it on the ship.",
        ],
    },
    NewsTemplate {
        title: "{game} now runs on old machines",
        summary: "A new mode needs half of the memory.",
        body: [
            "{developer} has written a second renderer for {game}. It looks like the first one, and \
             needs half of the memory.",
            "The studio tested it on computers from a school in its street.",
            "The school keeps the computers, and a free copy for each.",
        ],
    },
    NewsTemplate {
        title: "Players of {game} plant a forest",
        summary: "One tree for each finished run: 20,000 so far.",
        body: [
            "In spring {developer} promised a tree for each finished run of {game}. Nobody expected \
             this many.",
            "The trees stand on a former airfield. The paths between them have the names of levels.",
            "The offer stays. The studio only asks for honest runs.",
        ],
    },
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
