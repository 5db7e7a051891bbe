//! `doSomething`: an example job that reports its progress five times and does nothing else.

use std::time::Duration;

use async_trait::async_trait;
use ch04_async::{JobHandler, JobMessage, Progress};
use serde_json::{Value, json};

/// How long each of the five steps takes: long enough for a person to see the progress.
const STEP: Duration = Duration::from_millis(200);

pub(super) struct ExampleJob;

#[async_trait]
impl JobHandler for ExampleJob {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        for percent in [20, 40, 60, 80, 100] {
            tokio::time::sleep(STEP).await;
            progress.set(percent).await;
        }
        Ok(json!({ "did": "something" }))
    }
}
