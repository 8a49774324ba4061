//! The sources that a node's configuration can name, as one: recordings in a row, a synthetic scene, at their own pace or not.

use crate::config::device::Device;
use crate::config::sensor::Source;
#[cfg(feature = "soapy")]
use crate::config::wall_clock;
use crate::observation::{Clock, ClockSource};
use crate::radio::live::Live;
use crate::radio::profile::{BUILT_IN, Profile, ProfileError, Settings};
use crate::radio::recording::Recording;
use crate::radio::sigmf;
#[cfg(feature = "soapy")]
use crate::radio::soapy::SoapySource;
use crate::radio::source::{Event, IqBlock, IqSource, SourceError};
use crate::synth::scene::Scene;
use crate::units::{Nanos, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a node listens to, and the clock behind its times.
pub struct Opened {
    /// The samples.
    pub source: Box<dyn IqSource>,
    /// Stamps them.
    pub clock: Clock,
    /// For a source that does not wait, and has to be told to end.
    pub live: Option<Arc<Live>>,
}

/// Opens the configured source; `None` for the test source that has no samples. `now`: when a synthetic scene begins.
///
/// # Errors
/// [`SourceError`], naming file, field and remedy. Every recording is checked before the first is read.
pub fn open(config: &Source, now: Timestamp) -> Result<Option<Opened>, SourceError> {
    let (source, realtime, clock): (Box<dyn IqSource>, bool, ClockSource) = match config {
        Source::Recording { files, realtime, repeat } => {
            (Box::new(Playlist::open(files, *repeat)?), *realtime, ClockSource::Recording)
        }
        Source::Scene { name, node, seed, length, realtime } => {
            let wrong = |error: crate::synth::scene::SceneError| SourceError::Field {
                path: "the configuration".to_owned(),
                field: "source".to_owned(),
                problem: error.to_string(),
                remedy: "see `daen synth scene --help`".to_owned(),
            };
            let scene = Scene::named(name, *seed).map_err(wrong)?;
            let rate = scene.sample_rate;
            let mut source = scene.source(*node).map_err(wrong)?;
            source.info.start = now;
            source.length = length.map(|length| (length.as_secs_f64() * rate.0).round() as u64);
            (Box::new(source), *realtime, ClockSource::Free)
        }
        Source::Soapy(device) => return receiver(device).map(Some),
        Source::Load { .. } => return Ok(None),
    };
    let source = if realtime { Box::new(Paced::new(source)) as Box<dyn IqSource> } else { source };
    Ok(Some(Opened {
        source,
        clock: Clock { source: clock, sigma_ns: None, locked: false, since_ns: None },
        live: None,
    }))
}

/// A receiver, closed until it is first read; what is wished of it is held against what its model offers.
///
/// # Errors
/// [`SourceError`], naming the key and what the model offers.
pub fn receiver(device: &Device) -> Result<Opened, SourceError> {
    open_receiver(settings(device)?)
}

/// What a receiver would be set to: what is wished, held against what its model offers.
///
/// # Errors
/// [`SourceError`], naming the key and what the model offers.
pub fn settings(device: &Device) -> Result<Settings, SourceError> {
    let wrong = |error: ProfileError| SourceError::Field {
        path: "the configuration".to_owned(),
        field: "source".to_owned(),
        problem: error.to_string(),
        remedy: "see firmware-config/README.md and `daen scan --probe`".to_owned(),
    };
    let profile = if device.profile.is_empty() {
        let args = device.args.split(',').filter_map(|pair| pair.split_once('='));
        let description = args.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        Profile::for_device(&description).map(|(_, profile)| profile).ok_or_else(|| wrong(unknown(&device.args)))?
    } else {
        Profile::named(&device.profile, &device.folder).map_err(wrong)?
    };
    profile.settings(device).map_err(wrong)
}

fn unknown(args: &str) -> ProfileError {
    let known = BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    ProfileError::Unknown { name: format!("that fits {args}"), known }
}

#[cfg(feature = "soapy")]
fn open_receiver(settings: Settings) -> Result<Opened, SourceError> {
    let live = Arc::new(Live::default());
    let source = Box::new(SoapySource::new(settings, live.clone(), wall_clock));
    let clock = Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None };
    Ok(Opened { source, clock, live: Some(live) })
}

#[cfg(not(feature = "soapy"))]
fn open_receiver(settings: Settings) -> Result<Opened, SourceError> {
    Err(SourceError::Field {
        path: settings.device_args,
        field: "device".to_owned(),
        problem: "this daen was built without support for receivers".to_owned(),
        remedy: "build it with --features soapy (needs libsoapysdr-dev)".to_owned(),
    })
}

/// Recordings one after the other, once or for ever.
struct Playlist {
    files: Vec<PathBuf>,
    repeat: bool,
    next: usize,
    current: Option<Recording>,
    /// Added to every time of this pass, so that time goes on and does not go back to the first recording's.
    shift: Nanos,
    /// Begin and end of this pass, without the shift.
    pass: Option<(Timestamp, Timestamp)>,
    /// Start of the current stream, without the shift, and seconds a sample.
    stream: Option<(Timestamp, f64)>,
    passes: u64,
}

/// Between the end of one pass and the beginning of the next; any gap will do, a stream of its own begins there.
const BETWEEN_PASSES: Nanos = Nanos::from_secs(1);

fn open_recording(path: &Path) -> Result<Recording, SourceError> {
    let described = sigmf::describe(path, sigmf::Overrides::default())?;
    for warning in described.warnings() {
        tracing::warn!(file = %path.display(), "{warning}");
    }
    described.open()
}

impl Playlist {
    fn open(files: &[PathBuf], repeat: bool) -> Result<Playlist, SourceError> {
        for path in files {
            let described = sigmf::describe(path, sigmf::Overrides::default())?;
            described.verify(|_| ())?;
        }
        Ok(Playlist {
            files: files.to_vec(),
            repeat,
            next: 0,
            current: None,
            shift: Nanos(0),
            pass: None,
            stream: None,
            passes: 0,
        })
    }

    fn note_end(&mut self, samples: u64) {
        if let (Some((start, sample)), Some((_, last))) = (self.stream, &mut self.pass) {
            *last = (*last).max(start + Nanos((samples as f64 * sample * 1e9).ceil() as i64));
        }
    }
}

impl IqSource for Playlist {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        loop {
            if self.current.is_none() {
                if self.next == self.files.len() {
                    // A pass without a sample would go round for ever.
                    let Some((first, last)) = self.pass.take().filter(|(first, last)| self.repeat && last > first)
                    else {
                        return Ok(Event::End);
                    };
                    self.shift = self.shift + (last - first) + BETWEEN_PASSES;
                    self.passes += 1;
                    self.next = 0;
                }
                self.current = Some(open_recording(&self.files[self.next])?);
                self.next += 1;
            }
            let Some(current) = &mut self.current else { continue };
            match current.read(max, block)? {
                Event::End => self.current = None,
                Event::Stream(mut info) => {
                    let start = info.start;
                    let (first, last) = self.pass.unwrap_or((start, start));
                    self.pass = Some((first.min(start), last.max(start)));
                    self.stream = Some((start, 1.0 / info.sample_rate.0));
                    info.start = start + self.shift;
                    if self.passes > 0 {
                        info.stream = format!("{}#{}", info.stream, self.passes);
                    }
                    return Ok(Event::Stream(info));
                }
                Event::Samples => {
                    self.note_end(block.first.0 + block.samples.len() as u64);
                    return Ok(Event::Samples);
                }
            }
        }
    }

    fn total_samples(&self) -> Option<u64> {
        None
    }
}

/// A source that delivers no sooner than a receiver would have.
struct Paced {
    source: Box<dyn IqSource>,
    /// When the stream began, and seconds a sample.
    stream: Option<(Instant, f64)>,
}

impl Paced {
    fn new(source: Box<dyn IqSource>) -> Paced {
        Paced { source, stream: None }
    }
}

impl IqSource for Paced {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        let event = self.source.read(max, block)?;
        match &event {
            Event::Stream(info) => self.stream = Some((Instant::now(), 1.0 / info.sample_rate.0)),
            Event::Samples => {
                if let Some((begun, sample)) = self.stream {
                    let due = (block.first.0 + block.samples.len() as u64) as f64 * sample;
                    let due = begun + Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX / 2);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            }
            Event::End => {}
        }
        Ok(event)
    }

    fn total_samples(&self) -> Option<u64> {
        self.source.total_samples()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(folder: &std::path::Path, name: &str, datetime: &str) -> PathBuf {
        let meta = format!(
            r#"{{"global":{{"core:datatype":"ci8","core:sample_rate":1000,"core:version":"1.0.0"}},
                "captures":[{{"core:sample_start":0,"core:frequency":935000000,"core:datetime":"{datetime}"}}],"annotations":[]}}"#
        );
        std::fs::write(folder.join(format!("{name}.sigmf-meta")), meta).unwrap();
        std::fs::write(folder.join(format!("{name}.sigmf-data")), [1u8; 4000]).unwrap();
        folder.join(format!("{name}.sigmf-meta"))
    }

    #[test]
    fn a_repeated_playlist_goes_on_in_time_under_new_stream_names() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            recording(folder.path(), "a", "2020-01-01T00:00:00Z"),
            recording(folder.path(), "b", "2020-01-01T00:01:00Z"),
        ];
        let mut list = Playlist::open(&files, true).unwrap();
        let mut block = IqBlock::default();
        let mut streams = vec![];
        let mut samples = 0;
        while streams.len() < 6 {
            match list.read(700, &mut block).unwrap() {
                Event::Stream(info) => streams.push(info),
                Event::Samples => samples += block.samples.len(),
                Event::End => panic!("it goes round for ever"),
            }
        }
        assert_eq!(samples, 5 * 2000);
        // One pass lasts 62 s; a second lies between two.
        for (earlier, later) in streams.iter().zip(&streams[2..]) {
            assert_eq!(later.start - earlier.start, Nanos::from_secs(63));
            assert_ne!(later.stream, earlier.stream);
        }
    }

    #[test]
    fn a_playlist_that_is_not_repeated_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut list = Playlist::open(&[recording(folder.path(), "a", "2020-01-01T00:00:00Z")], false).unwrap();
        let mut block = IqBlock::default();
        let mut events = vec![];
        while events.last() != Some(&Event::End) {
            events.push(list.read(1500, &mut block).unwrap());
        }
        assert_eq!(events.len(), 4);
        assert_eq!(list.read(10, &mut block).unwrap(), Event::End);
    }

    #[test]
    fn a_missing_recording_is_told_before_anything_is_read() {
        let source =
            Source::Recording { files: vec!["/nonexistent/x.sigmf-meta".into()], realtime: false, repeat: false };
        assert!(open(&source, Timestamp(0)).is_err());
    }
}
