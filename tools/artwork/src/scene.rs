//! A picture that is being drawn: its size, palette and random numbers, and shapes that motifs
//! share.

use std::fmt::Write as _;

use maud::{Markup, html};

/// A colour as 0xRRGGBB.
pub(super) type Colour = u32;

/// Five colours each: top of the sky, bottom of the sky, light, far layers, near layers.
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

/// Draws a landscape onto the sky of a scene.
pub(super) type Motif = fn(&mut Scene) -> Markup;

/// A picture that is being drawn.
pub(super) struct Scene {
    /// Width in user units.
    pub(super) width: i64,
    /// Height in user units.
    pub(super) height: i64,
    /// The game's palette, the same in all its pictures.
    pub(super) palette: [Colour; 5],
    /// The state of the random number generator, different in each picture.
    random_state: u64,
}

impl Scene {
    pub(super) fn new(id: i64, view: u64, width: i64, height: i64) -> Self {
        Self {
            width,
            height,
            palette: *pick(&PALETTES, id, 5),
            random_state: id.cast_unsigned().wrapping_mul(16).wrapping_add(view),
        }
    }

    /// A pseudo-random number in `from..to`, by `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
    pub(super) fn random(&mut self, from: i64, to: i64) -> i64 {
        self.random_state = self.random_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random_state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + ((z ^ (z >> 31)) % (to - from).cast_unsigned()).cast_signed()
    }

    /// The colour of a layer: 0 is the farthest, `layers - 1` the nearest.
    pub(super) fn layer_colour(&self, layer: i64, layers: i64) -> String {
        let [.., far, near] = self.palette;
        hex(mix(far, near, layer * 100 / (layers - 1).max(1)))
    }

    /// The colour of sun, stars and other lights.
    pub(super) fn light_colour(&self) -> String {
        hex(self.palette[2])
    }

    /// The sky with the motif on it.
    pub(super) fn draw(&mut self, motif: Motif) -> Markup {
        let [top, bottom, ..] = self.palette;
        let motif = motif(self);
        html! {
            linearGradient id="sky" x2="0" y2="1" {
                stop stop-color=(hex(top)) {}
                stop offset=".75" stop-color=(hex(bottom)) {}
            }
            rect width=(self.width) height=(self.height) fill="url(#sky)" {}
            (motif)
        }
    }

    /// The complete SVG document.
    pub(super) fn finish(&self, drawing: &Markup) -> String {
        let (w, h) = (self.width, self.height);
        let view = format!("0 0 {w} {h}");
        html! { svg xmlns="http://www.w3.org/2000/svg" width=(w) height=(h) viewBox=(view) { (drawing) } }.into_string()
    }

    /// A sun or moon with a halo. `y` is in percent of the height.
    pub(super) fn sun(&mut self, y: i64) -> Markup {
        let (x, y, r) = (
            self.random(self.width / 4, self.width * 3 / 4),
            self.height * y / 100,
            self.random(self.height / 11, self.height / 7),
        );
        html! {
            g fill=(self.light_colour()) {
                circle cx=(x) cy=(y) r=(r * 2) opacity=".18" {}
                circle cx=(x) cy=(y) r=(r * 3 / 2) opacity=".25" {}
                circle cx=(x) cy=(y) r=(r) {}
            }
        }
    }

    /// Stars above `limit`, as one path: a line of length zero with a round cap is a dot.
    pub(super) fn stars(&mut self, count: i64, limit: i64) -> Markup {
        let mut data = String::new();
        for _ in 0..count {
            append(
                &mut data,
                format_args!(
                    "M{} {}h0",
                    self.random(0, self.width),
                    self.random(0, limit)
                ),
            );
        }
        html! { path d=(data) stroke=(self.light_colour()) stroke-width="2" stroke-linecap="round" opacity=".8" {} }
    }

    /// A wavy line around `y`, filled down to the bottom.
    pub(super) fn ridge(&mut self, y: i64, height: i64, fill: &str) -> Markup {
        let steps = 5;
        let mut data = format!("M0 {}V{}", self.height, y);
        for i in 0..steps {
            let up = self.random(-height, height);
            let (x, end) = (
                self.width * (2 * i + 1) / (2 * steps),
                self.width * (i + 1) / steps,
            );
            append(&mut data, format_args!("Q{x} {} {end} {y}", y + up));
        }
        append(&mut data, format_args!("V{}z", self.height));
        html! { path d=(data) fill=(fill) {} }
    }
}

/// Picks the element for this id. `factor` must be coprime to the length of `list`.
///
/// So neighbouring ids get different elements, and all elements occur. A hash would sometimes give
/// two neighbours the same.
pub(super) fn pick<T>(list: &[T], id: i64, factor: u64) -> &T {
    let index = id.cast_unsigned().wrapping_mul(factor) % list.len() as u64;
    &list[index as usize]
}

/// Appends to the data of a path.
pub(super) fn append(data: &mut String, more: std::fmt::Arguments<'_>) {
    data.write_fmt(more)
        .expect("writing to a String never fails");
}

/// Mixes two colours channel by channel: 0 percent is `from`, 100 percent is `to`.
pub(super) fn mix(from: Colour, to: Colour, percent: i64) -> Colour {
    [16, 8, 0].into_iter().fold(0, |mixed, shift| {
        let (a, b) = (
            i64::from(from >> shift & 0xff),
            i64::from(to >> shift & 0xff),
        );
        mixed << 8 | (a + (b - a) * percent / 100) as Colour
    })
}

/// A colour as SVG writes it, such as `#5a3fd0`.
pub(super) fn hex(colour: Colour) -> String {
    format!("#{colour:06x}")
}
