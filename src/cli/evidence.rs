//! `daen evidence`: what of a node's evidence ring may leave the node.

use super::service::say;
use anyhow::Context;
use daen::sensor::evidence::broadcast::broadcast_only;
use daen::sensor::evidence::ring::Ring;
use daen::synth::write::{Format, Recorder};
use std::path::PathBuf;

/// Options of `daen evidence`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ring: `evidence` in the node's state folder.
    ring: PathBuf,
    /// Write a SigMF recording for each finding into this folder: what its cell says to everybody, all else zero.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.ring.is_dir(),
        "{}: no such folder; is [evidence] in the node's configuration?",
        args.ring.display()
    );
    let mut ring = Ring::open(&args.ring, u64::MAX).with_context(|| args.ring.display().to_string())?;
    let events = ring.events().with_context(|| args.ring.display().to_string())?;
    say(&format!("{} findings, {:.0} MB of samples", events.len(), ring.octets() as f64 * 1e-6))?;
    for event in events {
        let observation = &event.finding.observation;
        let head = format!("{:010}  {}  {}", event.number, event.finding.rule, observation.cell);
        let Some(take) = event.samples else {
            say(&format!("{head}  its samples were given up"))?;
            continue;
        };
        let mut read = |range, samples: &mut _| ring.read(&take, range, samples);
        let snippet = match broadcast_only(&take.info, take.length, &mut read, observation) {
            Ok(snippet) => snippet,
            Err(withheld) => {
                say(&format!("{head}  {withheld}"))?;
                continue;
            }
        };
        let seconds = snippet.samples.len() as f64 / snippet.info.sample_rate.0;
        let Some(out) = &args.out else {
            say(&format!("{head}  {seconds:.1} s"))?;
            continue;
        };
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let path = out.join(format!("{:010}.sigmf-meta", event.number));
        let words =
            format!("{}: what {} says to everybody, everything else zero", event.finding.rule, observation.cell);
        let mut recorder = Recorder::create(&path, Format::Ci16Le, &snippet.info, &words)?;
        recorder.write(&snippet.samples)?;
        recorder.finish()?;
        say(&format!("{head}  {seconds:.1} s  {}", path.display()))?;
    }
    Ok(())
}
