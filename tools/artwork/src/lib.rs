//! The pictures of the store's games: cover, screenshots and trailer, drawn as SVG from the game's
//! id.
//!
//! The same id gives the same bytes on every clone, so no picture is stored, copied or downloaded.
//! Ten thousand games have forty thousand pictures, and the repository contains none.
//!
//! Left out: real photographs. They would be in an object store behind a content delivery network.

mod motifs;
mod scene;

use maud::html;

use motifs::motif_of;
use scene::{Scene, hex};

/// The store's icon, for the browser's tab and the header.
pub const ICON_SVG: &str = concat!(
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">"##,
    r##"<rect width="64" height="64" rx="16" fill="#5a3fd0"/>"##,
    r##"<path d="M20 12h24v40L32 42 20 52z" fill="#fff"/>"##,
    r##"<path d="M32 18v14M25 25h14" stroke="#5a3fd0" stroke-width="5"/></svg>"##,
);

/// The drawing at `/static/art/{id}/{name}`, or `None` for an unknown name.
///
/// ```
/// assert_eq!(artwork::svg("cover.svg", 7), Some(artwork::cover(7)));
/// assert_eq!(artwork::svg("cover.png", 7), None);
/// ```
pub fn svg(name: &str, id: i64) -> Option<String> {
    match name {
        "cover.svg" => Some(cover(id)),
        "screen-1.svg" => Some(screenshot(id, 1)),
        "screen-2.svg" => Some(screenshot(id, 2)),
        "trailer.svg" => Some(trailer(id)),
        _ => None,
    }
}

/// The cover of a game's box, 3:4.
pub fn cover(id: i64) -> String {
    let mut scene = Scene::new(id, 0, 300, 400);
    let drawing = scene.draw(motif_of(id));
    let [.., light, _, _] = scene.palette;
    // A thin frame makes the landscape look like a cover.
    scene.finish(&html! {
        (drawing)
        rect x="10" y="10" width="280" height="380" rx="8" fill="none" stroke=(hex(light)) opacity=".4" {}
    })
}

/// A screenshot of the game, 16:9. Each `n`, from 1, shows another view of the same landscape.
pub fn screenshot(id: i64, n: u8) -> String {
    let mut scene = Scene::new(id, n.into(), 320, 180);
    let drawing = scene.draw(motif_of(id));
    scene.finish(&drawing)
}

/// An animated picture of the game, 16:9: a slow camera movement and rising sparks.
///
/// An SVG in an `<img>` cannot query whether the user prefers less motion. The page does, with
/// `<picture>`.
pub fn trailer(id: i64) -> String {
    let mut scene = Scene::new(id, 9, 320, 180);
    let drawing = scene.draw(motif_of(id));
    let [.., light, _, _] = scene.palette;
    let sparks: Vec<_> = (0..6)
        .map(|_| {
            (
                scene.random(10, 310),
                scene.random(8, 16),
                scene.random(1, 4),
            )
        })
        .collect();
    scene.finish(&html! {
        g {
            animateTransform attributeName="transform" type="translate" values="0 0;-16 -9;0 0"
                dur="24s" repeatCount="indefinite" {}
            g transform="scale(1.1)" { (drawing) }
        }
        g fill=(hex(light)) opacity=".8" {
            @for (x, seconds, radius) in sparks {
                circle cx=(x) cy="190" r=(radius) {
                    // A negative start time, so that the sparks are spread out at once.
                    animate attributeName="cy" values="190;-10" begin={ "-" (x % 8) "s" }
                        dur={ (seconds) "s" } repeatCount="indefinite" {}
                }
            }
        }
        path d="M0 0h320v14H0zM0 166h320v14H0z" {}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["cover.svg", "screen-1.svg", "screen-2.svg", "trailer.svg"];

    fn drawings(ids: std::ops::Range<i64>) -> impl Iterator<Item = String> {
        ids.flat_map(|id| {
            NAMES.map(|name| svg(name, id).expect("every game has these four drawings"))
        })
    }

    #[test]
    fn same_id_gives_same_bytes() {
        assert!(
            drawings(1..60).eq(drawings(1..60)),
            "a drawing depends on something else than its id"
        );
    }

    #[test]
    fn all_drawings_differ() {
        let all: std::collections::HashSet<String> = drawings(1..300).collect();
        assert_eq!(all.len(), 299 * NAMES.len());
    }

    #[test]
    fn neighbours_differ_in_motif_and_palette() {
        for id in 1..200 {
            let (a, b) = (Scene::new(id, 0, 1, 1), Scene::new(id + 1, 0, 1, 1));
            assert_ne!(a.palette, b.palette);
            assert!(
                !std::ptr::fn_addr_eq(motif_of(id), motif_of(id + 1)),
                "games {id} and {} share a motif",
                id + 1
            );
        }
    }

    #[test]
    fn drawings_are_small_well_formed_and_self_contained() {
        for drawing in drawings(1..300).chain([ICON_SVG.into()]) {
            assert!(drawing.starts_with("<svg xmlns="), "{drawing}");
            assert!(
                drawing.len() < 3 * 1024,
                "{} bytes: {drawing}",
                drawing.len()
            );
            assert_eq!(
                drawing.matches("http").count(),
                1,
                "only the namespace may be an address: {drawing}"
            );
            assert_balanced(&drawing);
        }
    }

    #[test]
    fn any_id_can_be_drawn() {
        for id in [0, -1, i64::MIN, i64::MAX] {
            assert_balanced(&cover(id));
        }
    }

    /// Checks that every element is closed in the right order. No attribute contains a `>`.
    fn assert_balanced(xml: &str) {
        let mut open = Vec::new();
        for tag in xml.split('<').skip(1) {
            let (tag, _text) = tag.split_once('>').expect("a tag should end with >");
            let name = tag.split_whitespace().next().unwrap_or_default();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{xml}"),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        assert!(
            open.is_empty(),
            "elements without an end tag: {open:?} in {xml}"
        );
    }
}
