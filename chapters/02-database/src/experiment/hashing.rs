//! Compares five ways to choose a shard: keys that a fifth shard moves, evenness, and the cost of a
//! lookup.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use ch02_database::sharding::hashing::{Method, Placement};
use loadgen::plots::{Axis, Look, Plot, Point, Series};
use measurement::{Settings, Spread, machine};

/// Measures all methods and prints the results.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let (rounds, keys) = if settings.quick {
        (2, 10_000)
    } else {
        (9, 1_000_000)
    };
    let keys: Vec<String> = (0..keys).map(|n| format!("customer-{n}")).collect();
    println!("Five ways to choose a shard for {} keys", keys.len());
    println!("Machine: {}\n", machine::facts());
    let mut rows: Vec<Row> = Method::ALL
        .into_iter()
        .map(|method| Row::new(method, &keys))
        .collect();
    for _ in 0..rounds {
        for row in &mut rows {
            row.measure(&keys);
        }
    }
    println!(
        "   {:<11} {:>18} {:>23} {:>24}",
        "method", "moved, 4 to 5, %", "fullest / mean, 5", "ns per lookup, 5 shards"
    );
    for row in &rows {
        let nanoseconds = Spread::of(row.nanoseconds.iter().copied()).context("no rounds")?;
        println!(
            "   {:<11} {:>18.1} {:>23.3} {nanoseconds:>24.0}",
            row.method.name(),
            row.moved,
            row.fullest
        );
    }
    println!(
        "\n   The least that a fifth shard can move is 20 %. A lookup includes the hash of the key."
    );
    settings.draw("ch02-hashing.svg", || draw(&rows))
}

struct Row {
    method: Method,
    five: Placement,
    /// The share of keys on another shard after a fifth is added, in percent.
    moved: f64,
    /// The keys of the fullest of five shards, relative to the mean.
    fullest: f64,
    nanoseconds: Vec<f64>,
}

impl Row {
    fn new(method: Method, keys: &[String]) -> Self {
        let (four, five) = (method.place(4), method.place(5));
        let mut counts = [0_u32; 5];
        let mut moved = 0;
        for key in keys {
            let shard = five.shard(key);
            counts[shard] += 1;
            moved += u32::from(four.shard(key) != shard);
        }
        let total = keys.len() as f64;
        let fullest = counts.into_iter().max().unwrap_or(0);
        Row {
            method,
            five,
            moved: f64::from(moved) / total * 100.0,
            fullest: f64::from(fullest) / (total / counts.len() as f64),
            nanoseconds: Vec::new(),
        }
    }

    fn measure(&mut self, keys: &[String]) {
        let start = Instant::now();
        for key in keys {
            black_box(self.five.shard(black_box(key)));
        }
        let nanoseconds = start.elapsed().as_secs_f64() * 1e9 / keys.len() as f64;
        self.nanoseconds.push(nanoseconds);
    }
}

fn draw(rows: &[Row]) -> anyhow::Result<String> {
    let dots = |value: fn(&Row) -> (f64, f64, f64)| {
        let points = rows.iter().enumerate().map(|(at, row)| {
            let (y, low, high) = value(row);
            Point {
                x: at as f64,
                y,
                spread: (low, high),
            }
        });
        points.collect::<Vec<_>>()
    };
    let moved = dots(|row| (row.moved, row.moved, row.moved));
    let nanoseconds = dots(|row| {
        Spread::of(row.nanoseconds.iter().copied()).map_or((0.0, 0.0, 0.0), |spread| {
            (spread.median, spread.min, spread.max)
        })
    });
    let names = rows.iter().map(|row| row.method.name()).collect();
    let series = |name, points, colour| Series {
        name,
        points,
        look: Look::Dots,
        colour,
    };
    let mut values = Axis::new("percent; nanoseconds", 1.0..1_000.0);
    values.is_log = true;
    let plot = Plot {
        title: "Five ways to choose a shard",
        description: "For each of five methods a dot for the share of keys that move when a fifth shard is added, and one for the time of a lookup, \
                      on a scale where each step is ten times the one before. Modulo moves four fifths of the keys, the others about one fifth.",
        x: Axis::of_names("method", names),
        y: values,
        series: vec![
            series("keys moved from 4 to 5 shards, %", moved, 0),
            series("lookup, ns", nanoseconds, 1),
        ],
    };
    plot.svg().context("the methods could not be drawn")
}
