//! How much processor time a container may use: Docker's CPU quota.

use testcontainers::bollard::models::ContainerUpdateBody;

use crate::docker;
use crate::error::Error;

/// Processor time per period, both in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuQuota {
    pub(crate) quota: i64,
    pub(crate) period: i64,
}

impl CpuQuota {
    /// The quota for this many processors, such as 0.15.
    ///
    /// The period is 10 ms, not Docker's 100 ms: a container that has used up its quota stands
    /// still until the period ends. Below 0.1 processors the period grows, because Linux accepts no
    /// quota below 1 ms.
    pub(crate) fn of(cpus: f64) -> Self {
        let period = (1_000.0 / cpus).clamp(10_000.0, 1_000_000.0);
        CpuQuota {
            quota: (period * cpus).round() as i64,
            period: period.round() as i64,
        }
    }
}

/// Gives a running container this many processors from now on.
pub(crate) async fn limit_cpus(name: &str, cpus: f64) -> Result<(), Error> {
    let CpuQuota { quota, period } = CpuQuota::of(cpus);
    let body = ContainerUpdateBody {
        cpu_period: Some(period),
        cpu_quota: Some(quota),
        ..ContainerUpdateBody::default()
    };
    let updated = docker::client().await?.update_container(name, body).await;
    updated.map_err(|error| Error::docker(format!("limit {name}"), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_is_never_below_linux_minimum() {
        let of = |cpus| {
            let CpuQuota { quota, period } = CpuQuota::of(cpus);
            (quota, period)
        };
        assert_eq!(of(0.15), (1_500, 10_000));
        assert_eq!(of(2.0), (20_000, 10_000));
        assert_eq!(
            of(0.02),
            (1_000, 50_000),
            "Docker refuses a quota below 1 ms: the period has to grow"
        );
    }
}
