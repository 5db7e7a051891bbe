//! The command-line settings that all experiments share.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

/// How long an experiment runs, and where its plot is written.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Run for a few seconds only: a test that the experiment works, without a useful result
    #[arg(long)]
    pub quick: bool,
    /// The folder for the plot
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
}

impl Settings {
    /// Writes the plot into the folder of `--svg`, if it is given.
    pub fn draw(
        &self,
        file: &str,
        svg: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let Some(folder) = &self.svg else {
            return Ok(());
        };
        if cfg!(debug_assertions) && !self.quick {
            eprintln!(
                "no plot is written, because a debug build gives no useful numbers; add `--release`"
            );
            return Ok(());
        }
        let path: &Path = &folder.join(file);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(path, svg().map_err(std::io::Error::other)?))
            .with_context(|| format!("cannot write {}; choose another `--svg`", path.display()))?;
        eprintln!("plot written: {}", path.display());
        Ok(())
    }
}
