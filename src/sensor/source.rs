//! The sources that a node's configuration can name, as one: recordings in a row, a synthetic scene, at their own pace or not.

use super::bands::{Table, union};
use super::crew::Crew;
use super::scan::{Options, Plan, Reach, share};
use crate::config::device::Device;
use crate::config::named::TableError;
use crate::config::sensor::{Config, Source};
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
use crate::units::{Hz, Nanos, Timestamp};
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

/// A source of a node, and the plan that it follows if it does.
pub struct Listening {
    /// The source.
    pub opened: Opened,
    /// Name, plan and reach of a receiver that scans.
    pub route: Option<Route>,
    /// Samples that are handed on at once, and how many such blocks wait at most.
    pub blocks: (usize, usize),
    /// The part of its stream around the centre that a receiver receives well.
    pub usable: Option<Hz>,
}

/// Where a receiver goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The device, for people.
    pub name: String,
    /// Its part of the spectrum.
    pub plan: Plan,
    /// What it reaches.
    pub reach: Reach,
    /// Those that scan together, and its number among them.
    pub crew: (Arc<Crew>, usize),
}

/// Samples in a block of a fixed tuning: 33 ms at 2 Msps, short enough for a quick stop, long enough that handing it over costs nothing.
const BLOCK: usize = 1 << 16;
/// Blocks in the ring: half a second at 2 Msps, 8 MB.
const BLOCKS: usize = 16;
/// A block of a receiver that scans: a step ends with a block, so it is a fifth of the shortest step.
const SCAN_BLOCK: Nanos = Nanos::from_millis(4);
/// What the ring of a receiver holds at its rate, and its bounds in samples, 8 and 52 MB: on a busy machine threads wait for tens of
/// milliseconds (33 ms lost 0.2 % of 61.44 Msps; at 20 Msps beside compilers the longest wait was 65), and a receiver that is made
/// anew takes five.
const RING: Nanos = Nanos::from_millis(120);
const RING_SAMPLES: (usize, usize) = (BLOCK * BLOCKS, 6_500_000);
/// Beside settling: the buffers that a retune and its samples go through.
const RETUNE: Nanos = Nanos::from_millis(15);

/// Opens everything that a node listens to; receivers that scan share the bands of all their tables. Empty for the test source
/// that has no samples.
///
/// # Errors
/// As [`open`]; also where a table of bands is wrong, or a receiver has nothing to scan.
pub fn open_all(config: &Config, now: Timestamp) -> Result<Vec<Listening>, SourceError> {
    let Source::Soapy(first) = &config.source else {
        return Ok(open(&config.source, now)?.into_iter().map(Listening::waiting).collect());
    };
    let devices: Vec<&Device> = std::iter::once(first).chain(&config.devices).collect();
    let scanning: Vec<&Device> = devices.iter().copied().filter(|device| !device.scan.is_empty()).collect();
    let mut routes = routes(&scanning)?.into_iter();
    let mut all = Vec::with_capacity(devices.len());
    for device in devices {
        let route = if device.scan.is_empty() { None } else { routes.next() };
        let Some(route) = route else {
            all.push(staying(device)?);
            continue;
        };
        let begin = route.plan.windows().first().map_or(Hz(0.0), |window| window.center);
        let rate = profile(device)?.rate(device);
        let block = ((rate.0 * SCAN_BLOCK.as_secs_f64()) as usize).clamp(1024, BLOCK);
        let opened = receiver(&Device { center: begin, ..device.clone() })?;
        all.push(Listening { opened, route: Some(route), blocks: (ring(rate) / block, block), usable: None });
    }
    Ok(all)
}

impl Listening {
    /// To a source that waits.
    pub fn waiting(opened: Opened) -> Listening {
        Listening { opened, route: None, blocks: (BLOCKS, BLOCK), usable: None }
    }
}

/// A receiver whose tuning stays.
///
/// # Errors
/// As [`receiver`].
pub fn staying(device: &Device) -> Result<Listening, SourceError> {
    let profile = profile(device)?;
    let (blocks, usable) = ((ring(profile.rate(device)) / BLOCK, BLOCK), Some(reach(&profile, device).usable));
    Ok(Listening { opened: receiver(device)?, route: None, blocks, usable })
}

/// Samples in the ring of a receiver.
fn ring(rate: Hz) -> usize {
    ((rate.0 * RING.as_secs_f64()) as usize).clamp(RING_SAMPLES.0, RING_SAMPLES.1)
}

/// The plans of the receivers that scan, each for its part of the bands of all of them.
fn routes(devices: &[&Device]) -> Result<Vec<Route>, SourceError> {
    let wrong = |error: TableError| field(error.to_string(), "name a country, or a file like src/sensor/bands/th.toml");
    let mut names: Vec<(&String, &Path)> =
        devices.iter().flat_map(|device| device.scan.iter().map(|name| (name, device.folder.as_path()))).collect();
    names.sort();
    names.dedup();
    let tables = names.into_iter().map(|(name, folder)| Table::named(name, folder));
    let tables: Vec<Table> = tables.collect::<Result<_, _>>().map_err(wrong)?;
    let mut reaches = Vec::with_capacity(devices.len());
    for device in devices {
        reaches.push(reach(&profile(device)?, device));
    }
    let options = Options::default();
    let shares = share(&union(&tables), &reaches, &options);
    let members = devices.iter().zip(&shares).zip(&reaches);
    let members = members.map(|((device, share), reach)| (device.args.clone(), share.clone(), reach.clone()));
    let crew = Arc::new(Crew::new(members.collect(), options));
    let route = |(number, ((device, reach), share)): (usize, ((&&Device, Reach), Vec<_>))| {
        let plan = Plan::new(&share, &reach, options);
        if plan.windows().is_empty() {
            let problem = format!("{} has nothing to scan", device.args);
            return Err(field(problem, "its model reaches none of the bands, or other receivers take them all"));
        }
        Ok(Route { name: device.args.clone(), plan, reach, crew: (crew.clone(), number) })
    };
    devices.iter().zip(reaches).zip(shares).enumerate().map(route).collect()
}

/// What a receiver of this model reaches at the rate that is wished.
pub fn reach(profile: &Profile, device: &Device) -> Reach {
    let settling = Nanos((profile.settling_ms * 1e6).round() as i64);
    let usable = Hz(profile.rate(device).0 * profile.usable);
    Reach { usable, tuning: profile.tuning_hz.clone(), retune: settling + RETUNE }
}

fn field(problem: String, remedy: &str) -> SourceError {
    let (path, field) = ("the configuration".to_owned(), "source".to_owned());
    SourceError::Field { path, field, problem, remedy: remedy.to_owned() }
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
    let profile = profile(device)?;
    // Where a receiver that scans begins is known once its part of the spectrum is.
    let anywhere = !device.scan.is_empty() && device.center.0 == 0.0;
    let center = if anywhere { profile.tuning_hz[0][0] } else { device.center };
    profile.settings(&Device { center, ..device.clone() }).map_err(wrong_profile)
}

/// What is known of a device's model.
fn profile(device: &Device) -> Result<Profile, SourceError> {
    if device.profile.is_empty() {
        let args = device.args.split(',').filter_map(|pair| pair.split_once('='));
        let description = args.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        let found = Profile::for_device(&description).map(|(_, profile)| profile);
        found.ok_or_else(|| wrong_profile(unknown(&device.args)))
    } else {
        Profile::named(&device.profile, &device.folder).map_err(wrong_profile)
    }
}

fn wrong_profile(error: ProfileError) -> SourceError {
    field(error.to_string(), "see firmware-config/README.md and `daen scan --probe`")
}

fn unknown(args: &str) -> ProfileError {
    let known = BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    TableError::Unknown { kind: "profile", name: format!("that fits {args}"), known }.into()
}

#[cfg(feature = "soapy")]
fn open_receiver(settings: Settings) -> Result<Opened, SourceError> {
    let live = Arc::new(Live::default());
    // A receiver whose outside reference is lost is closed, so while samples flow it is there; known to be locked it is
    // where a sensor says so.
    let outside = settings.clock_source.as_deref().is_some_and(|source| source != "internal");
    let source = if outside { ClockSource::Gpsdo } else { ClockSource::Free };
    let clock = Clock { source, sigma_ns: None, locked: outside && settings.lock_sensor.is_some(), since_ns: None };
    let source = Box::new(SoapySource::new(settings, live.clone(), wall_clock));
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
