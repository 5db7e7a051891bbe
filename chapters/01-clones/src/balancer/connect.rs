//! Opens a connection to a clone, for a request or a probe, and tells errors of this machine from
//! errors of the clone.
//!
//! A balancer without free file descriptors, ports or memory cannot connect to any clone. If it
//! counted that as a failure of the clones, it would eject healthy ones when the load is high.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use http_body::Body;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use tokio::net::TcpStream;

/// The maximum number of header fields in a response. hyper's default is 100.
const MAX_RESPONSE_HEADERS: usize = 256;

/// A new connection, and the future that moves its bytes.
pub(super) async fn connect<B>(
    clone: SocketAddr,
) -> Result<(SendRequest<B>, Connection<TokioIo<TcpStream>, B>), Box<dyn Error + Send + Sync>>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let stream = TcpStream::connect(clone).await?;
    stream.set_nodelay(true)?;
    let opened = Builder::new()
        .max_headers(MAX_RESPONSE_HEADERS)
        .handshake(TokioIo::new(stream));
    Ok(opened.await?)
}

/// Whether this process could not try to connect: it lacks a resource, or may not open connections.
///
/// The error is the one of a `connect`, or has it as a source. See connect(2) and socket(2).
pub(super) fn is_local_error(error: &(dyn Error + 'static)) -> bool {
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
    fn errors_of_this_machine_are_local() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(
            is_local_error(&error(Errno::MFILE)),
            "no file descriptor is left"
        );
        assert!(
            is_local_error(&error(Errno::ADDRNOTAVAIL)),
            "no port is left"
        );
        assert!(
            !is_local_error(&error(Errno::CONNREFUSED)),
            "the clone refuses"
        );
        assert!(
            !is_local_error(&error(Errno::TIMEDOUT)),
            "the clone is silent"
        );
        assert!(!is_local_error(&io::Error::other("closed")));
    }
}
