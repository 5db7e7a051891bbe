//! `trailer-transcode`: a job that uses one core for a second or two, like transcoding a video.
//!
//! There is no real video. The job draws frames of a pattern, encodes each in three sizes and
//! counts the bytes. It runs on a blocking thread, because it would block a thread of the runtime.

use async_trait::async_trait;
use ch04_async::{JobHandler, JobMessage, Progress};
use serde_json::{Value, json};

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const BATCHES: u8 = 20;
const FRAMES_PER_BATCH: u64 = 12;
const RENDITIONS: [(&str, usize); 3] = [("360p", 1), ("180p", 2), ("90p", 4)];

pub(super) struct TrailerTranscode;

#[async_trait]
impl JobHandler for TrailerTranscode {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        let mut bytes = [0_u64; RENDITIONS.len()];
        for batch in 0..BATCHES {
            let encoded = tokio::task::spawn_blocking(move || encode(u64::from(batch)))
                .await
                .map_err(|error| error.to_string())?;
            for (sum, more) in bytes.iter_mut().zip(encoded) {
                *sum += more;
            }
            progress
                .set((u32::from(batch + 1) * 100 / u32::from(BATCHES)) as u8)
                .await;
        }
        let renditions: serde_json::Map<String, Value> = RENDITIONS
            .iter()
            .zip(bytes)
            .map(|((name, _), bytes)| ((*name).to_owned(), json!({ "bytes": bytes })))
            .collect();
        Ok(json!({ "frames": u64::from(BATCHES) * FRAMES_PER_BATCH, "renditions": renditions }))
    }
}

/// Draws a batch of frames and run-length encodes each frame in three sizes. Returns the number of
/// bytes of each rendition.
fn encode(batch: u64) -> [u64; RENDITIONS.len()] {
    let mut bytes = [0; RENDITIONS.len()];
    for frame in batch * FRAMES_PER_BATCH..(batch + 1) * FRAMES_PER_BATCH {
        let pixels: Vec<u8> = (0..WIDTH * HEIGHT)
            .map(|index| pixel(index as u64, frame))
            .collect();
        for (sum, (_, step)) in bytes.iter_mut().zip(RENDITIONS) {
            let mut last = None;
            for y in (0..HEIGHT).step_by(step) {
                for x in (0..WIDTH).step_by(step) {
                    let value = Some(pixels[y * WIDTH + x] & 0xf0);
                    if value != last {
                        *sum += 2;
                        last = value;
                    }
                }
            }
        }
    }
    bytes
}

/// The brightness of a pixel in a moving pattern that is cheap to compute.
fn pixel(index: u64, frame: u64) -> u8 {
    let (x, y) = (index % WIDTH as u64, index / WIDTH as u64);
    ((x * x / 64 + y * frame / 4 + frame * 7) % 256) as u8
}
