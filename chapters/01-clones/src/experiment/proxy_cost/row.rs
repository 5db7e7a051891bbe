//! The measurements of one proxy, and the ratio between proxies.

use std::net::SocketAddr;

use loadgen::Report;

use super::load::Load;
use super::measured_process::MeasuredProcess;
use measurement::Spread;

/// The measurements of one proxy, one value per round; `None` for an inconclusive round.
#[derive(Default)]
pub struct Row {
    pub name: &'static str,
    pub micros: Vec<Option<f64>>,
    latencies: Report,
}

impl Row {
    pub fn new(name: &'static str) -> Self {
        Row {
            name,
            ..Row::default()
        }
    }

    pub async fn measure(
        &mut self,
        load: Load,
        process: &MeasuredProcess,
        to: SocketAddr,
    ) -> anyhow::Result<()> {
        let before = process.cpu_time()?;
        let report = load.send(to).await?;
        let used = process.cpu_time()?.saturating_sub(before);
        // Late sends come in bursts, which are cheaper to forward. A few do no harm, because they
        // affect all proxies equally.
        let is_good = report.failures() == 0 && report.late_by_generator * 10 <= report.scheduled;
        self.micros
            .push(is_good.then(|| used.as_secs_f64() * 1e6 / report.requests as f64));
        self.latencies.merge(&report);
        Ok(())
    }

    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.micros.iter().copied().flatten())
    }

    pub fn print(&self) {
        let cost = self
            .spread()
            .map_or("inconclusive".to_owned(), |spread| format!("{spread:.1}"));
        let (p50, p99) = (
            self.latencies.quantile_ms(0.5),
            self.latencies.quantile_ms(0.99),
        );
        print!("   {:<36} {cost:>20} {p50:>8.2} {p99:>8.2}", self.name);
        match self.micros.iter().filter(|micros| micros.is_none()).count() {
            0 => println!(),
            lost => println!(
                "   {lost} of {} rounds inconclusive, {} failures",
                self.micros.len(),
                self.latencies.failures()
            ),
        }
    }
}

/// The ratio of this balancer to the mean of the others, for each conclusive round.
pub fn ratio(ours: &Row, others: &[Row]) -> Option<Spread> {
    if others.is_empty() {
        return None;
    }
    let rounds = ours.micros.iter().enumerate().filter_map(|(round, ours)| {
        let all: Option<f64> = others.iter().map(|other| other.micros[round]).sum();
        Some((*ours)? / (all? / others.len() as f64))
    });
    Spread::of(rounds)
}
