//! Tells the balancer's own failures from a clone's.
//!
//! A balancer without free file descriptors, ports or memory cannot connect to any clone. If it
//! blamed the clones, it would eject healthy ones just when the load is high.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// Whether this process could not even try: it lacks a resource, or may not open connections.
///
/// The error is the one of a `connect`, or has it as a source. See connect(2) and socket(2).
pub(super) fn is_own_shortage(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error().is_some_and(|code| {
                [
                    Errno::MFILE,
                    Errno::NFILE,
                    Errno::NOBUFS,
                    Errno::NOMEM,
                    Errno::ADDRNOTAVAIL,
                    Errno::ACCESS,
                    Errno::PERM,
                ]
                .contains(&Errno::from_raw_os_error(code))
            });
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_errors_are_a_shortage() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(
            is_own_shortage(&error(Errno::MFILE)),
            "no file descriptor is left"
        );
        assert!(
            is_own_shortage(&error(Errno::ADDRNOTAVAIL)),
            "no port is left"
        );
        assert!(
            !is_own_shortage(&error(Errno::CONNREFUSED)),
            "the clone refuses"
        );
        assert!(
            !is_own_shortage(&error(Errno::TIMEDOUT)),
            "the clone is silent"
        );
        assert!(!is_own_shortage(&io::Error::other("closed")));
    }
}
