//! The store's pictures: every game's cover, screenshots and trailer, drawn as SVG from the game's id alone.
//!
//! The same id gives the same bytes on every clone, so no picture has to be stored, copied or downloaded: ten thousand
//! games have forty thousand pictures, and the repository has none. Left out: real photographs, which would lie in an
//! object store behind a content delivery network.

mod motifs;

use std::fmt::Write as _;

use ch02_database::model::GameId;
use maud::{Markup, html};

use motifs::MOTIFS;

/// The store's mark, for the browser's tab and the header.
pub const ICON_SVG: &str = concat!(
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="16" fill="#5a3fd0"/>"##,
    r##"<path d="M20 12h24v40L32 42 20 52z" fill="#fff"/>"##,
    r##"<path d="M32 18v14M25 25h14" stroke="#5a3fd0" stroke-width="5"/></svg>"##,
);

/// The drawing behind `/static/art/{id}/{name}`, or `None` for a name that no game uses.
///
/// ```
/// use ch04_async::pages::art;
///
/// assert_eq!(art::svg("cover.svg", 7), Some(art::cover(7)));
/// assert_eq!(art::svg("cover.png", 7), None);
/// ```
pub fn svg(name: &str, id: GameId) -> Option<String> {
    match name {
        "cover.svg" => Some(cover(id)),
        "screen-1.svg" => Some(screenshot(id, 1)),
        "screen-2.svg" => Some(screenshot(id, 2)),
        "trailer.svg" => Some(trailer(id)),
        _ => None,
    }
}

/// The front of the box, 3:4.
pub fn cover(id: GameId) -> String {
    let mut scene = Scene::new(id, 0, 300, 400);
    let drawing = scene.draw();
    let [.., light, _, _] = scene.colours;
    // The thin frame is what makes a landscape look like the front of a box.
    scene.finish(&html! {
        (drawing)
        rect x="10" y="10" width="280" height="380" rx="8" fill="none" stroke=(hex(light)) opacity=".4" {}
    })
}

/// A picture from the game, 16:9. `n` counts from 1; every `n` is another view of the same world.
pub fn screenshot(id: GameId, n: u8) -> String {
    let mut scene = Scene::new(id, n.into(), 320, 180);
    let drawing = scene.draw();
    scene.finish(&drawing)
}

/// A moving picture from the game, 16:9: a slow drift with rising sparks.
///
/// An SVG in an `<img>` cannot ask whether its viewer wants less motion, so the page asks, with `<picture>`.
pub fn trailer(id: GameId) -> String {
    let mut scene = Scene::new(id, 9, 320, 180);
    let drawing = scene.draw();
    let [.., light, _, _] = scene.colours;
    let sparks: Vec<_> = (0..6)
        .map(|_| (scene.roll(10, 310), scene.roll(8, 16), scene.roll(1, 4)))
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
                    // Begun before the start, so that the sparks are spread out from the first moment.
                    animate attributeName="cy" values="190;-10" begin={ "-" (x % 8) "s" }
                        dur={ (seconds) "s" } repeatCount="indefinite" {}
                }
            }
        }
        path d="M0 0h320v14H0zM0 166h320v14H0z" {}
    })
}

/// A colour as 0xRRGGBB.
type Colour = u32;

/// Top of the sky, bottom of the sky, light, far layers, near layers.
const PALETTES: [[Colour; 5]; 13] = [
    [0x2b_1055, 0xf2_789f, 0xff_e6a7, 0x8a_3f8f, 0x1d_0f3a],
    [0xf9_b27d, 0xff_e3c9, 0xff_f6df, 0xd9_748a, 0x5b_2a5e],
    [0x8f_d8cc, 0xf4_f9d9, 0xff_ffff, 0x6b_b8a5, 0x17_494d],
    [0x0b_1437, 0x3a_5fa8, 0xfd_f3c4, 0x2a_4580, 0x07_0d22],
    [0x2d_0b13, 0xe2_542b, 0xff_d166, 0x8f_2424, 0x1c_060b],
    [0x4a_a8e0, 0xe8_f7ff, 0xff_f3b0, 0x5a_9bc8, 0x1c_4a63],
    [0x10_231c, 0x7b_bf5a, 0xf1_ffb8, 0x2f_6e4a, 0x07_130f],
    [0xf0_a94e, 0xfb_e8c8, 0xff_fbe6, 0xd9_8b4a, 0x7a_3b22],
    [0x8b_78c8, 0xfb_c2eb, 0xff_fbff, 0xb5_6bb0, 0x4a_2764],
    [0x6a_9ccb, 0xee_f6fb, 0xff_ffff, 0x7a_a1c4, 0x2a_4a6b],
    [0x1a_0b3b, 0xff_3d9a, 0x5e_f1ff, 0x6a_1fa0, 0x0d_0524],
    [0x7a_2e1f, 0xf3_a54a, 0xff_e9b8, 0xa8_502c, 0x2e_120d],
    [0x04_222b, 0x1f_9e9a, 0xd8_fff2, 0x0f_5a63, 0x02_1318],
];

/// One picture in the making.
struct Scene {
    /// Width in user units.
    w: i64,
    /// Height in user units.
    h: i64,
    /// The game's palette, the same in all its pictures.
    colours: [Colour; 5],
    /// The game's motif, the same in all its pictures.
    motif: motifs::Motif,
    /// The dice, which differ from picture to picture.
    dice: u64,
}

impl Scene {
    fn new(id: GameId, view: u64, w: i64, h: i64) -> Self {
        // Multiplied by a number that shares no factor with the length, so that neighbours in a list look different
        // and all the motifs and palettes are seen; a hash would now and then put two alike side by side.
        let nth = |factor: u64, len: usize| {
            (id.cast_unsigned().wrapping_mul(factor) % len as u64) as usize
        };
        let (colours, motif) = (
            PALETTES[nth(5, PALETTES.len())],
            MOTIFS[nth(3, MOTIFS.len())],
        );
        Self {
            w,
            h,
            colours,
            motif,
            dice: id.cast_unsigned().wrapping_mul(16).wrapping_add(view),
        }
    }

    /// A number from `from` up to, but not including, `to`: `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
    fn roll(&mut self, from: i64, to: i64) -> i64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + ((z ^ (z >> 31)) % (to - from).cast_unsigned()).cast_signed()
    }

    /// The colour of a layer: 0 is the farthest, `layers - 1` the nearest.
    fn shade(&self, layer: i64, layers: i64) -> String {
        let [.., far, near] = self.colours;
        hex(mix(far, near, layer * 100 / (layers - 1).max(1)))
    }

    fn light(&self) -> String {
        hex(self.colours[2])
    }

    /// The sky with the motif on it.
    fn draw(&mut self) -> Markup {
        let [top, bottom, ..] = self.colours;
        let motif = (self.motif)(self);
        html! {
            linearGradient id="sky" x2="0" y2="1" {
                stop stop-color=(hex(top)) {}
                stop offset=".75" stop-color=(hex(bottom)) {}
            }
            rect width=(self.w) height=(self.h) fill="url(#sky)" {}
            (motif)
        }
    }

    fn finish(&self, drawing: &Markup) -> String {
        let (w, h) = (self.w, self.h);
        let view = format!("0 0 {w} {h}");
        html! { svg xmlns="http://www.w3.org/2000/svg" width=(w) height=(h) viewBox=(view) { (drawing) } }.into_string()
    }

    /// A sun or moon with a halo, somewhere in the upper part; `y` in percent of the height.
    fn sun(&mut self, y: i64) -> Markup {
        let (x, y, r) = (
            self.roll(self.w / 4, self.w * 3 / 4),
            self.h * y / 100,
            self.roll(self.h / 11, self.h / 7),
        );
        html! {
            g fill=(self.light()) {
                circle cx=(x) cy=(y) r=(r * 2) opacity=".18" {}
                circle cx=(x) cy=(y) r=(r * 3 / 2) opacity=".25" {}
                circle cx=(x) cy=(y) r=(r) {}
            }
        }
    }

    /// Stars above `limit`, as one path: a line of no length with a round cap is a dot.
    fn stars(&mut self, count: i64, limit: i64) -> Markup {
        let mut d = String::new();
        for _ in 0..count {
            append(
                &mut d,
                format_args!("M{} {}h0", self.roll(0, self.w), self.roll(0, limit)),
            );
        }
        html! { path d=(d) stroke=(self.light()) stroke-width="2" stroke-linecap="round" opacity=".8" {} }
    }

    /// A rolling outline around `y`, filled down to the bottom.
    fn ridge(&mut self, y: i64, height: i64, fill: &str) -> Markup {
        let steps = 5;
        let mut d = format!("M0 {}V{}", self.h, y);
        for i in 0..steps {
            let up = self.roll(-height, height);
            let (x, end) = (self.w * (2 * i + 1) / (2 * steps), self.w * (i + 1) / steps);
            append(&mut d, format_args!("Q{x} {} {end} {y}", y + up));
        }
        append(&mut d, format_args!("V{}z", self.h));
        html! { path d=(d) fill=(fill) {} }
    }
}

/// Appends to a path's data.
fn append(d: &mut String, more: std::fmt::Arguments<'_>) {
    d.write_fmt(more).expect("writing to a String cannot fail");
}

/// `percent` of the way from one colour to the other, channel by channel.
fn mix(from: Colour, to: Colour, percent: i64) -> Colour {
    [16, 8, 0].into_iter().fold(0, |mixed, shift| {
        let (a, b) = (
            i64::from(from >> shift & 0xff),
            i64::from(to >> shift & 0xff),
        );
        mixed << 8 | (a + (b - a) * percent / 100) as Colour
    })
}

fn hex(colour: Colour) -> String {
    format!("#{colour:06x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["cover.svg", "screen-1.svg", "screen-2.svg", "trailer.svg"];

    fn drawings(ids: std::ops::Range<GameId>) -> impl Iterator<Item = String> {
        ids.flat_map(|id| NAMES.map(|name| svg(name, id).expect("every game has these four")))
    }

    #[test]
    fn the_same_id_gives_the_same_bytes() {
        assert!(
            drawings(1..60).eq(drawings(1..60)),
            "a drawing must depend on nothing but its id"
        );
    }

    #[test]
    fn no_two_drawings_are_the_same() {
        let all: std::collections::HashSet<String> = drawings(1..300).collect();
        assert_eq!(all.len(), 299 * NAMES.len());
    }

    #[test]
    fn neighbours_differ_in_motif_and_palette() {
        for id in 1..200 {
            let (a, b) = (Scene::new(id, 0, 1, 1), Scene::new(id + 1, 0, 1, 1));
            assert_ne!(a.colours, b.colours);
            assert!(
                !std::ptr::fn_addr_eq(a.motif, b.motif),
                "games {id} and {} share a motif",
                id + 1
            );
        }
    }

    #[test]
    fn every_drawing_is_small_well_formed_and_refers_to_nothing_outside() {
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
                "the namespace and no other address: {drawing}"
            );
            assert_balanced(&drawing);
        }
    }

    #[test]
    fn any_number_can_be_drawn() {
        for id in [0, -1, i64::MIN, i64::MAX] {
            assert_balanced(&cover(id));
        }
    }

    /// Every element that opens also closes, in the right order. No attribute of ours holds a `>`.
    fn assert_balanced(xml: &str) {
        let mut open = Vec::new();
        for tag in xml.split('<').skip(1) {
            let (tag, _text) = tag.split_once('>').expect("a tag ends with >");
            let name = tag.split_whitespace().next().unwrap_or_default();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{xml}"),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "left open: {open:?} in {xml}");
    }
}
