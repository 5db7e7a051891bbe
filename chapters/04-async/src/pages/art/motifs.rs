//! What a world can look like: ten ways to fill a scene, from hills to tunnels.
//!
//! A motif rolls the scene's dice for where things stand and takes the scene's colours, so one motif gives a thousand
//! different pictures. It draws from back to front. Numbers are percentages of the width or the height wherever they
//! can be, because the same motif fills an upright cover and a wide screenshot. Left out: people and things, which
//! look wrong sooner than landscapes do.

use maud::{Markup, html};

use super::{Scene, append, hex, mix};

/// Draws a world onto the sky of a scene.
pub(super) type Motif = fn(&mut Scene) -> Markup;

/// All the motifs.
pub(super) const MOTIFS: [Motif; 10] = [
    hills, city, planet, forest, road, islands, sea, blocks, peaks, tunnel,
];

fn hills(s: &mut Scene) -> Markup {
    html! {
        (s.sun(30))
        @for layer in 0..5 { (s.ridge(s.h * (46 + 12 * layer) / 100, s.w.min(s.h) / 9, &s.shade(layer, 5))) }
    }
}

fn peaks(s: &mut Scene) -> Markup {
    let (mut lit, mut dark, mut snow) = (String::new(), String::new(), String::new());
    for i in 0..4 {
        let (x, y) = (
            s.w * (2 * i + 1) / 8 + s.roll(-20, 20),
            s.h * s.roll(24, 52) / 100,
        );
        let (foot, half) = (s.h * 85 / 100, s.w * s.roll(22, 34) / 100);
        append(&mut lit, format_args!("M{x} {y}L{} {foot}H{x}z", x - half));
        append(
            &mut dark,
            format_args!(
                "M{x} {y}L{} {foot}H{}L{x} {}z",
                x + half,
                x - half / 6,
                y + half / 2
            ),
        );
        let cap = (foot - y) / 4;
        let side = half / 4;
        append(
            &mut snow,
            format_args!(
                "M{x} {y}l{side} {cap}-{side}-{} -{side} {}z",
                cap / 3,
                cap / 3
            ),
        );
    }
    html! {
        (s.sun(22))
        path d=(lit) fill=(s.shade(0, 4)) {}
        path d=(dark) fill=(s.shade(1, 4)) {}
        path d=(snow) fill=(s.light()) opacity=".85" {}
        (s.ridge(s.h * 76 / 100, s.h / 12, &s.shade(2, 4)))
        (s.ridge(s.h * 88 / 100, s.h / 12, &s.shade(3, 4)))
    }
}

fn city(s: &mut Scene) -> Markup {
    let mut skyline = |base: i64| {
        let (mut x, mut d) = (-8, String::new());
        while x < s.w {
            let (width, top) = (s.roll(18, 44), s.h * (base - s.roll(0, 26)) / 100);
            append(&mut d, format_args!("M{x} {top}h{width}V{}h-{width}z", s.h));
            x += width + s.roll(0, 6);
        }
        d
    };
    let layers = [skyline(52), skyline(68), skyline(86)];
    html! {
        (s.stars(24, s.h / 2))
        (s.sun(26))
        pattern id="lit" width="15" height="21" patternUnits="userSpaceOnUse" {
            path d="M3 4h4v6H3zM10 4h3v6h-3zM3 14h4v4H3z" fill=(s.light()) {}
        }
        @for (layer, d) in (0..).zip(&layers) {
            g fill=(s.shade(layer, 3)) { path id={ "d" (layer) } d=(d) {} }
            @if layer > 0 { use href={ "#d" (layer) } fill="url(#lit)" opacity=(format!(".{}", 2 + layer * 2)) {} }
        }
    }
}

fn planet(s: &mut Scene) -> Markup {
    let (x, y, r) = (
        s.w * s.roll(38, 62) / 100,
        s.h * s.roll(38, 54) / 100,
        s.w.min(s.h) * s.roll(24, 31) / 100,
    );
    let (wide, flat) = (r * 17 / 10, r * 4 / 10);
    let ring = |sweep: u8| {
        format!(
            "M{} {y}A{wide} {flat} 0 0 {sweep} {} {y}",
            x - wide,
            x + wide
        )
    };
    let tilt = format!("rotate({} {x} {y})", s.roll(-28, 28));
    html! {
        (s.stars(46, s.h))
        radialGradient id="ball" cx=".35" cy=".3" {
            stop stop-color=(s.light()) {}
            stop offset=".45" stop-color=(s.shade(0, 2)) {}
            stop offset="1" stop-color=(s.shade(1, 2)) {}
        }
        g transform=(tilt) fill="none" stroke=(s.light()) stroke-width=(r / 9) {
            path d=(ring(1)) opacity=".5" {}
            circle cx=(x) cy=(y) r=(r) fill="url(#ball)" stroke="none" {}
            path d=(ring(0)) opacity=".85" {}
        }
        circle cx=(s.roll(s.w / 10, s.w / 3)) cy=(s.h * 82 / 100) r=(r / 4) fill="url(#ball)" {}
        (s.ridge(s.h * 94 / 100, s.h / 14, &s.shade(1, 2)))
    }
}

fn forest(s: &mut Scene) -> Markup {
    let mut trees = |foot: i64, tall: i64| {
        let (mut x, mut d) = (-10, String::new());
        while x < s.w + 10 {
            let tall = s.h * tall * s.roll(7, 13) / 1000;
            let half = tall / 5;
            let y = s.h * foot / 100 - tall;
            append(
                &mut d,
                format_args!("M{x} {y}l{half} {tall}h-{}z", half * 2),
            );
            x += half + s.roll(4, 14);
        }
        append(
            &mut d,
            format_args!("M0 {}h{}v{}H0z", s.h * foot / 100 - 1, s.w, s.h),
        );
        d
    };
    let layers = [trees(58, 18), trees(72, 27), trees(92, 38)];
    html! {
        (s.sun(28))
        @for (layer, d) in (0..).zip(&layers) { path d=(d) fill=(s.shade(layer, 3)) {} }
    }
}

fn road(s: &mut Scene) -> Markup {
    let (x, y, r) = (
        s.w * s.roll(40, 60) / 100,
        s.h * 58 / 100,
        s.h.min(s.w) * 30 / 100,
    );
    let mut lines = String::new();
    for i in -9..=9 {
        append(
            &mut lines,
            format_args!("M{x} {y}L{} {}", x + i * s.w / 5, s.h),
        );
    }
    for i in 1..=7 {
        append(
            &mut lines,
            format_args!("M0 {}h{}", y + (s.h - y) * i * i / 49, s.w),
        );
    }
    html! {
        (s.stars(24, y))
        circle cx=(x) cy=(y - r / 3) r=(r) fill=(s.light()) {}
        g fill=(hex(s.colours[1])) {
            @for i in 0..4 { rect x=(x - r) y=(y - r / 4 + i * r / 6) width=(2 * r) height=(2 + i * 2) {} }
        }
        (s.ridge(y - s.h / 40, s.h / 9, &s.shade(0, 2)))
        rect y=(y) width=(s.w) height=(s.h) fill=(s.shade(1, 2)) {}
        path d=(lines) stroke=(s.light()) opacity=".65" {}
    }
}

fn islands(s: &mut Scene) -> Markup {
    let mut land = Vec::new();
    for i in 0..3 {
        let (x, y) = (
            s.w * (20 + 30 * i) / 100 + s.roll(-14, 14),
            s.h * (s.roll(26, 36) + 18 * (i * 2 % 3)) / 100,
        );
        let r = s.w.min(s.h) * s.roll(13, 20) / 100;
        let rock = format!(
            "M{} {y}h{}l-{} {}-{} {}-{}-{}z",
            x - r,
            2 * r,
            r / 2,
            r / 2,
            r / 2,
            r,
            r / 2,
            r * 3 / 4
        );
        let mut trees = String::new();
        for at in [-6, -3, 0, 4] {
            let (half, tall) = (r / 7, r * s.roll(4, 10) / 10);
            append(
                &mut trees,
                format_args!("M{} {y}l{half}-{tall} {half} {tall}z", x + r * at / 10),
            );
        }
        land.push((x, y, r, rock, trees));
    }
    html! {
        (s.sun(20))
        g fill=(s.light()) opacity=".4" {
            @for _ in 0..5 {
                rect x=(s.roll(-30, s.w)) y=(s.roll(s.h / 5, s.h)) width=(s.roll(50, 120)) height="9" rx="5" {}
            }
        }
        @for (x, y, r, rock, trees) in land {
            path d=(rock) fill=(s.shade(1, 2)) {}
            ellipse cx=(x) cy=(y) rx=(r) ry=(r / 4) fill=(hex(mix(s.colours[3], s.colours[2], 35))) {}
            path d=(trees) fill=(s.shade(2, 3)) {}
            // A waterfall over the edge.
            path d={ "M" (x + r * 6 / 10) " " (y + r / 9) "v" (r * 2) }
                stroke=(s.light()) stroke-width=(r / 8) opacity=".6" {}
        }
        (s.ridge(s.h * 96 / 100, s.h / 12, &s.shade(1, 3)))
    }
}

fn sea(s: &mut Scene) -> Markup {
    let y = s.h * 52 / 100;
    let (x, tall) = (
        s.w * s.roll(25, 70) / 100,
        s.h.min(s.w) * s.roll(24, 32) / 100,
    );
    let foot = s.h * 67 / 100;
    let sails = format!(
        "M{x} {foot}v-{tall}l{} {}zM{} {foot}h-{}z",
        tall / 2,
        tall * 8 / 10,
        x - 4,
        tall / 3
    );
    let hull = format!(
        "M{} {foot}h{tall}l-{} {}h-{}z",
        x - tall / 2,
        tall / 5,
        tall / 6,
        tall * 6 / 10
    );
    html! {
        (s.sun(46))
        rect y=(y) width=(s.w) height=(s.h) fill=(s.shade(0, 4)) {}
        g fill=(s.light()) opacity=".45" {
            @for i in 0..6 {
                rect x=(s.roll(s.w / 5, s.w * 3 / 5)) y=(y + 4 + i * i * 2) width=(s.roll(20, 70)) height="2" {}
            }
        }
        (s.ridge(s.h * 64 / 100, s.h / 24, &s.shade(1, 4)))
        path d=(sails) fill=(s.light()) {}
        path d=(hull) fill=(s.shade(3, 4)) {}
        (s.ridge(s.h * 72 / 100, s.h / 18, &s.shade(2, 4)))
        (s.ridge(s.h * 86 / 100, s.h / 14, &s.shade(3, 4)))
    }
}

fn blocks(s: &mut Scene) -> Markup {
    // One cube on a tall foot, used again and again from back to front, so that a nearer one hides a farther one.
    let (a, b) = (s.w / 9, s.w / 18);
    html! {
        (s.stars(16, s.h / 2))
        defs {
            g id="cube" {
                path d=(format!("M0 0l{a} {b}-{a} {b}-{a}-{b}z")) fill=(s.light()) {}
                path d=(format!("M-{a} {b}l{a} {b}v{}h-{a}z", s.h)) fill=(s.shade(0, 2)) {}
                path d=(format!("M{a} {b}L0 {}v{}h{a}z", b * 2, s.h)) fill=(s.shade(1, 2)) {}
            }
        }
        @for row in 0..9 {
            @for column in 0..(5 + row % 2) {
                @let y = s.h * 38 / 100 + row * b * 2 - s.roll(-2, 3) * b;
                @if y < s.h { use href="#cube" x=(column * 2 * a + a / 2 - row % 2 * a) y=(y) {} }
            }
        }
    }
}

fn tunnel(s: &mut Scene) -> Markup {
    let (x, y, turn) = (
        s.w * s.roll(42, 58) / 100,
        s.h * s.roll(42, 58) / 100,
        s.roll(4, 11),
    );
    let [_, _, light, _, near] = s.colours;
    let corners = [
        "0-1 .87-.5 .87.5 0 1-.87.5-.87-.5z",
        "0-1 1 0 0 1-1 0z",
        ".7-.7.7.7-.7.7-.7-.7z",
    ];
    let shape = corners[s.roll(0, 3) as usize];
    html! {
        @for i in 0..11 {
            @let size = s.w.max(s.h) * (11 - i) * (11 - i) / 120;
            path d={ "M" (shape) } fill=(hex(mix(near, light, i * 10)))
                transform=(format!("translate({x} {y})rotate({})scale({size})", i * turn)) {}
        }
        (s.stars(18, s.h))
    }
}
