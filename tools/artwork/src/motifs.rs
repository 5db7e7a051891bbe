//! The motifs: ten kinds of landscape, from hills to tunnels.
//!
//! A motif takes random numbers and the palette from its scene, so one motif gives thousands of
//! different pictures. It draws from back to front. Most numbers are percentages of the width or
//! the height, because the same motif fills an upright cover and a wide screenshot.

use maud::{Markup, html};

use super::scene::{Motif, Scene, append, hex, mix, pick};

/// The motif of a game, the same in all its pictures.
pub(super) fn motif_of(id: i64) -> Motif {
    *pick(&MOTIFS, id, 3)
}

const MOTIFS: [Motif; 10] = [
    hills, city, planet, forest, road, islands, sea, blocks, peaks, tunnel,
];

fn hills(scene: &mut Scene) -> Markup {
    html! {
        (scene.sun(30))
        @for layer in 0..5 { (scene.ridge(scene.height * (46 + 12 * layer) / 100, scene.width.min(scene.height) / 9, &scene.layer_colour(layer, 5))) }
    }
}

fn peaks(scene: &mut Scene) -> Markup {
    let (mut lit, mut dark, mut snow) = (String::new(), String::new(), String::new());
    for i in 0..4 {
        let (x, y) = (
            scene.width * (2 * i + 1) / 8 + scene.random(-20, 20),
            scene.height * scene.random(24, 52) / 100,
        );
        let (foot, half) = (
            scene.height * 85 / 100,
            scene.width * scene.random(22, 34) / 100,
        );
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
        (scene.sun(22))
        path d=(lit) fill=(scene.layer_colour(0, 4)) {}
        path d=(dark) fill=(scene.layer_colour(1, 4)) {}
        path d=(snow) fill=(scene.light_colour()) opacity=".85" {}
        (scene.ridge(scene.height * 76 / 100, scene.height / 12, &scene.layer_colour(2, 4)))
        (scene.ridge(scene.height * 88 / 100, scene.height / 12, &scene.layer_colour(3, 4)))
    }
}

fn city(scene: &mut Scene) -> Markup {
    let mut skyline = |base: i64| {
        let (mut x, mut d) = (-8, String::new());
        while x < scene.width {
            let (width, top) = (
                scene.random(18, 44),
                scene.height * (base - scene.random(0, 26)) / 100,
            );
            append(
                &mut d,
                format_args!("M{x} {top}h{width}V{}h-{width}z", scene.height),
            );
            x += width + scene.random(0, 6);
        }
        d
    };
    let layers = [skyline(52), skyline(68), skyline(86)];
    html! {
        (scene.stars(24, scene.height / 2))
        (scene.sun(26))
        pattern id="lit" width="15" height="21" patternUnits="userSpaceOnUse" {
            path d="M3 4h4v6H3zM10 4h3v6h-3zM3 14h4v4H3z" fill=(scene.light_colour()) {}
        }
        @for (layer, d) in (0..).zip(&layers) {
            g fill=(scene.layer_colour(layer, 3)) { path id={ "d" (layer) } d=(d) {} }
            @if layer > 0 { use href={ "#d" (layer) } fill="url(#lit)" opacity=(format!(".{}", 2 + layer * 2)) {} }
        }
    }
}

fn planet(scene: &mut Scene) -> Markup {
    let (x, y, r) = (
        scene.width * scene.random(38, 62) / 100,
        scene.height * scene.random(38, 54) / 100,
        scene.width.min(scene.height) * scene.random(24, 31) / 100,
    );
    let (wide, flat) = (r * 17 / 10, r * 4 / 10);
    let ring = |sweep: u8| {
        format!(
            "M{} {y}A{wide} {flat} 0 0 {sweep} {} {y}",
            x - wide,
            x + wide
        )
    };
    let tilt = format!("rotate({} {x} {y})", scene.random(-28, 28));
    html! {
        (scene.stars(46, scene.height))
        radialGradient id="ball" cx=".35" cy=".3" {
            stop stop-color=(scene.light_colour()) {}
            stop offset=".45" stop-color=(scene.layer_colour(0, 2)) {}
            stop offset="1" stop-color=(scene.layer_colour(1, 2)) {}
        }
        g transform=(tilt) fill="none" stroke=(scene.light_colour()) stroke-width=(r / 9) {
            path d=(ring(1)) opacity=".5" {}
            circle cx=(x) cy=(y) r=(r) fill="url(#ball)" stroke="none" {}
            path d=(ring(0)) opacity=".85" {}
        }
        circle cx=(scene.random(scene.width / 10, scene.width / 3)) cy=(scene.height * 82 / 100) r=(r / 4) fill="url(#ball)" {}
        (scene.ridge(scene.height * 94 / 100, scene.height / 14, &scene.layer_colour(1, 2)))
    }
}

fn forest(scene: &mut Scene) -> Markup {
    let mut trees = |foot: i64, tall: i64| {
        let (mut x, mut d) = (-10, String::new());
        while x < scene.width + 10 {
            let tall = scene.height * tall * scene.random(7, 13) / 1000;
            let half = tall / 5;
            let y = scene.height * foot / 100 - tall;
            append(
                &mut d,
                format_args!("M{x} {y}l{half} {tall}h-{}z", half * 2),
            );
            x += half + scene.random(4, 14);
        }
        append(
            &mut d,
            format_args!(
                "M0 {}h{}v{}H0z",
                scene.height * foot / 100 - 1,
                scene.width,
                scene.height
            ),
        );
        d
    };
    let layers = [trees(58, 18), trees(72, 27), trees(92, 38)];
    html! {
        (scene.sun(28))
        @for (layer, d) in (0..).zip(&layers) { path d=(d) fill=(scene.layer_colour(layer, 3)) {} }
    }
}

fn road(scene: &mut Scene) -> Markup {
    let (x, y, r) = (
        scene.width * scene.random(40, 60) / 100,
        scene.height * 58 / 100,
        scene.height.min(scene.width) * 30 / 100,
    );
    let mut lines = String::new();
    for i in -9..=9 {
        append(
            &mut lines,
            format_args!("M{x} {y}L{} {}", x + i * scene.width / 5, scene.height),
        );
    }
    for i in 1..=7 {
        append(
            &mut lines,
            format_args!("M0 {}h{}", y + (scene.height - y) * i * i / 49, scene.width),
        );
    }
    html! {
        (scene.stars(24, y))
        circle cx=(x) cy=(y - r / 3) r=(r) fill=(scene.light_colour()) {}
        g fill=(hex(scene.palette[1])) {
            @for i in 0..4 { rect x=(x - r) y=(y - r / 4 + i * r / 6) width=(2 * r) height=(2 + i * 2) {} }
        }
        (scene.ridge(y - scene.height / 40, scene.height / 9, &scene.layer_colour(0, 2)))
        rect y=(y) width=(scene.width) height=(scene.height) fill=(scene.layer_colour(1, 2)) {}
        path d=(lines) stroke=(scene.light_colour()) opacity=".65" {}
    }
}

fn islands(scene: &mut Scene) -> Markup {
    let mut land = Vec::new();
    for i in 0..3 {
        let (x, y) = (
            scene.width * (20 + 30 * i) / 100 + scene.random(-14, 14),
            scene.height * (scene.random(26, 36) + 18 * (i * 2 % 3)) / 100,
        );
        let r = scene.width.min(scene.height) * scene.random(13, 20) / 100;
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
            let (half, tall) = (r / 7, r * scene.random(4, 10) / 10);
            append(
                &mut trees,
                format_args!("M{} {y}l{half}-{tall} {half} {tall}z", x + r * at / 10),
            );
        }
        land.push((x, y, r, rock, trees));
    }
    html! {
        (scene.sun(20))
        g fill=(scene.light_colour()) opacity=".4" {
            @for _ in 0..5 {
                rect x=(scene.random(-30, scene.width)) y=(scene.random(scene.height / 5, scene.height)) width=(scene.random(50, 120)) height="9" rx="5" {}
            }
        }
        @for (x, y, r, rock, trees) in land {
            path d=(rock) fill=(scene.layer_colour(1, 2)) {}
            ellipse cx=(x) cy=(y) rx=(r) ry=(r / 4) fill=(hex(mix(scene.palette[3], scene.palette[2], 35))) {}
            path d=(trees) fill=(scene.layer_colour(2, 3)) {}
            // A waterfall at the edge.
            path d={ "M" (x + r * 6 / 10) " " (y + r / 9) "v" (r * 2) }
                stroke=(scene.light_colour()) stroke-width=(r / 8) opacity=".6" {}
        }
        (scene.ridge(scene.height * 96 / 100, scene.height / 12, &scene.layer_colour(1, 3)))
    }
}

fn sea(scene: &mut Scene) -> Markup {
    let y = scene.height * 52 / 100;
    let (x, tall) = (
        scene.width * scene.random(25, 70) / 100,
        scene.height.min(scene.width) * scene.random(24, 32) / 100,
    );
    let foot = scene.height * 67 / 100;
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
        (scene.sun(46))
        rect y=(y) width=(scene.width) height=(scene.height) fill=(scene.layer_colour(0, 4)) {}
        g fill=(scene.light_colour()) opacity=".45" {
            @for i in 0..6 {
                rect x=(scene.random(scene.width / 5, scene.width * 3 / 5)) y=(y + 4 + i * i * 2) width=(scene.random(20, 70)) height="2" {}
            }
        }
        (scene.ridge(scene.height * 64 / 100, scene.height / 24, &scene.layer_colour(1, 4)))
        path d=(sails) fill=(scene.light_colour()) {}
        path d=(hull) fill=(scene.layer_colour(3, 4)) {}
        (scene.ridge(scene.height * 72 / 100, scene.height / 18, &scene.layer_colour(2, 4)))
        (scene.ridge(scene.height * 86 / 100, scene.height / 14, &scene.layer_colour(3, 4)))
    }
}

fn blocks(scene: &mut Scene) -> Markup {
    // The same cube on a tall base, drawn from back to front, so that near cubes hide far ones.
    let (a, b) = (scene.width / 9, scene.width / 18);
    html! {
        (scene.stars(16, scene.height / 2))
        defs {
            g id="cube" {
                path d=(format!("M0 0l{a} {b}-{a} {b}-{a}-{b}z")) fill=(scene.light_colour()) {}
                path d=(format!("M-{a} {b}l{a} {b}v{}h-{a}z", scene.height)) fill=(scene.layer_colour(0, 2)) {}
                path d=(format!("M{a} {b}L0 {}v{}h{a}z", b * 2, scene.height)) fill=(scene.layer_colour(1, 2)) {}
            }
        }
        @for row in 0..9 {
            @for column in 0..(5 + row % 2) {
                @let y = scene.height * 38 / 100 + row * b * 2 - scene.random(-2, 3) * b;
                @if y < scene.height { use href="#cube" x=(column * 2 * a + a / 2 - row % 2 * a) y=(y) {} }
            }
        }
    }
}

fn tunnel(scene: &mut Scene) -> Markup {
    let (x, y, turn) = (
        scene.width * scene.random(42, 58) / 100,
        scene.height * scene.random(42, 58) / 100,
        scene.random(4, 11),
    );
    let [_, _, light, _, near] = scene.palette;
    let corners = [
        "0-1 .87-.5 .87.5 0 1-.87.5-.87-.5z",
        "0-1 1 0 0 1-1 0z",
        ".7-.7.7.7-.7.7-.7-.7z",
    ];
    let shape = corners[scene.random(0, 3) as usize];
    html! {
        @for i in 0..11 {
            @let size = scene.width.max(scene.height) * (11 - i) * (11 - i) / 120;
            path d={ "M" (shape) } fill=(hex(mix(near, light, i * 10)))
                transform=(format!("translate({x} {y})rotate({})scale({size})", i * turn)) {}
        }
        (scene.stars(18, scene.height))
    }
}
