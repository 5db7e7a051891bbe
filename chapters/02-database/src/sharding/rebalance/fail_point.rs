//! The places where tests kill a move.

use super::super::bucket::Bucket;
use super::error::MoveError;

/// Ends the move here if a test has configured `move-of-bucket-N-STEP`. The move then cleans up
/// nothing and its connections are closed, as after a crash. Without the feature `fail-points`,
/// nothing happens.
#[cfg(feature = "fail-points")]
pub(super) fn fail_point(bucket: Bucket, step: &str) -> Result<(), MoveError> {
    // The bucket is in the name, because the tests of one process share all fail points.
    let name = format!("move-of-bucket-{bucket}-{step}");
    fail::fail_point!(&name, |_| Err(MoveError::Killed));
    Ok(())
}

#[cfg(not(feature = "fail-points"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(super) fn fail_point(_bucket: Bucket, _step: &str) -> Result<(), MoveError> {
    Ok(())
}
