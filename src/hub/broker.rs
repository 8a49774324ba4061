//! The hub's own broker: a Mosquitto that the hub configures, starts, watches and stops.
//!
//! Its files lie in a folder below the hub's state: configuration, access list and log are written anew at each start, the session
//! store is the broker's. It listens with TLS alone; a client's certificate says who it is (common name), which is also its
//! identifier, and the access list lets a configured node write its own `up`, `state` and `iq` and read its own `down`, and nobody
//! anything else.
//!
//! It never outlives the hub: `setpriv --pdeathsig` has the kernel end it with the thread that started it, even when the hub is
//! killed; should one be left all the same, the next start finds it by its pid file.

use crate::config::hub::Embedded;
use crate::config::link::{back_off, topic::PREFIX};
use crate::observation::NodeId;
use crate::observation::envelope::MAX_OCTETS;
use std::fmt::Write as _;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// How long a broker may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to save its sessions when it is stopped.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How often a running broker is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A program is not installed.
    #[error(
        "{program} was not found; install it (Debian: apt-get install {package}), or name a broker of your own: \
             remove [broker.embedded] and set broker.url"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// The address is taken or not ours.
    #[error(
        "the broker cannot listen on {listen}: {source}; stop what listens there, or change broker.embedded.listen"
    )]
    Listen {
        /// As configured.
        listen: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A path that cannot stand in Mosquitto's configuration.
    #[error("{path:?} cannot stand in the broker's configuration: move it to a path of plain UTF-8 on one line")]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// It ended, or did not listen in time.
    #[error("the broker did not start ({problem}); its log {log} ends: {tail}")]
    Start {
        /// What happened.
        problem: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },
}

/// A running broker; stopping or dropping it ends the process.
#[derive(Debug)]
pub struct Broker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Files {
    config: PathBuf,
    acl: PathBuf,
    log: PathBuf,
    pid: PathBuf,
}

impl Broker {
    /// Writes the configuration into `folder`, starts the broker and waits until it listens.
    ///
    /// # Errors
    /// [`BrokerError`], with the end of the broker's log where it has one.
    pub fn start<'a>(
        config: &Embedded,
        hub: &NodeId,
        nodes: impl Iterator<Item = &'a NodeId>,
        folder: &Path,
    ) -> Result<Broker, BrokerError> {
        let mosquitto = match &config.mosquitto {
            Some(path) => Some(path.clone()).filter(|path| path.is_file()),
            None => find("mosquitto"),
        }
        .ok_or(BrokerError::Missing { program: "mosquitto", package: "mosquitto" })?;
        let setpriv = find("setpriv").ok_or(BrokerError::Missing { program: "setpriv", package: "util-linux" })?;
        std::fs::create_dir_all(folder).map_err(|source| BrokerError::Io { path: folder.to_owned(), source })?;
        let folder =
            std::path::absolute(folder).map_err(|source| BrokerError::Io { path: folder.to_owned(), source })?;
        let files = Files {
            config: folder.join("mosquitto.conf"),
            acl: folder.join("mosquitto.acl"),
            log: folder.join("mosquitto.log"),
            pid: folder.join("mosquitto.pid"),
        };
        end_stale(&files);
        write(&files.acl, &access_list(hub, nodes))?;
        write(&files.config, &configuration(config, &folder, &files)?)?;
        // Asked before the broker does, because its own answer is only in its log.
        drop(TcpListener::bind(config.listen).map_err(|source| BrokerError::Listen { listen: config.listen, source })?);

        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "TERM", "--"]).arg(mosquitto).arg("-c").arg(&files.config).stdin(Stdio::null());
        let (stop, stopped) = sync_channel(1);
        let (ready, started) = sync_channel(1);
        let (listen, log) = (config.listen, files.log.clone());
        let thread = std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || supervise(command, &files, listen, &ready, &stopped))
            .map_err(|source| BrokerError::Io { path: folder, source })?;
        match started.recv() {
            Ok(Ok(())) => Ok(Broker { stop: Some(stop), thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            // The supervisor answers before it ends, unless it panicked.
            Err(_) => Err(BrokerError::Start { problem: "its supervisor ended".to_owned(), log, tail: String::new() }),
        }
    }

    /// Ends the broker and waits until it has saved its sessions.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A supervisor that panicked has taken the broker with it: the kernel saw its thread end.
            let _ = thread.join();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's daemons are outside an ordinary user's path.
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn write(path: &Path, text: &str) -> Result<(), BrokerError> {
    std::fs::write(path, text).map_err(|source| BrokerError::Io { path: path.to_owned(), source })
}

fn access_list<'a>(hub: &NodeId, nodes: impl Iterator<Item = &'a NodeId>) -> String {
    let mut text = format!(
        "user {hub}\ntopic read {PREFIX}/+/up\ntopic read {PREFIX}/+/state\ntopic read {PREFIX}/+/iq/+\n\
         topic write {PREFIX}/+/down\ntopic write {PREFIX}/feed/+/alerts\n"
    );
    for node in nodes {
        // Named one by one rather than by pattern: who is struck off the hub's list is locked out here too.
        let _ = write!(
            text,
            "\nuser {node}\ntopic write {PREFIX}/{node}/up\ntopic write {PREFIX}/{node}/state\n\
             topic write {PREFIX}/{node}/iq/+\ntopic read {PREFIX}/{node}/down\n"
        );
    }
    text
}

fn configuration(config: &Embedded, folder: &Path, files: &Files) -> Result<String, BrokerError> {
    let plain = |path: &Path| -> Result<String, BrokerError> {
        let wrong = || BrokerError::Path { path: path.to_owned() };
        let whole = std::path::absolute(path).map_err(|_| wrong())?;
        let text = whole.to_str().ok_or_else(wrong)?;
        if text.chars().any(char::is_control) { Err(wrong()) } else { Ok(text.to_owned()) }
    };
    // Started as root it would become the user "mosquitto", who cannot read the hub's keys; it is the hub's own, so it stays.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|of_this_process| of_this_process.uid() == 0);
    let user = if is_root { "user root\n" } else { "" };
    // A queue that overflows loses what was confirmed: bounded by memory, and far above the window of all nodes together.
    Ok(format!(
        "# Written by the hub at each start; changes are lost.\n\
         {user}\
         listener {port} {address}\n\
         cafile {ca}\n\
         certfile {certificate}\n\
         keyfile {key}\n\
         tls_version tlsv1.2\n\
         require_certificate true\n\
         use_identity_as_username true\n\
         use_username_as_clientid true\n\
         allow_anonymous false\n\
         acl_file {acl}\n\
         max_packet_size {max_packet}\n\
         set_tcp_nodelay true\n\
         max_inflight_messages 1000\n\
         max_queued_messages 100000\n\
         max_queued_bytes 268435456\n\
         persistence true\n\
         persistence_location {location}/\n\
         autosave_interval 60\n\
         persistent_client_expiration 7d\n\
         connection_messages false\n\
         log_dest stderr\n\
         log_type error\n\
         log_type warning\n\
         log_type notice\n\
         pid_file {pid}\n",
        port = config.listen.port(),
        address = config.listen.ip(),
        ca = plain(&config.ca)?,
        certificate = plain(&config.certificate)?,
        key = plain(&config.key)?,
        acl = plain(&files.acl)?,
        location = plain(folder)?,
        pid = plain(&files.pid)?,
        max_packet = MAX_OCTETS + 4096,
    ))
}

/// Ends a broker that an earlier hub left behind.
fn end_stale(files: &Files) {
    let Some(pid) = std::fs::read_to_string(&files.pid).ok().and_then(|text| text.trim().parse::<u32>().ok()) else {
        return;
    };
    // The number may belong to another process by now: only one that was started with our configuration is ended.
    let ours = || {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&octet| octet == 0).any(|part| part == files.config.as_os_str().as_encoded_bytes())
    };
    for signal in ["TERM", "KILL"] {
        if !ours() {
            break;
        }
        warn!(pid, "ending a broker that an earlier hub left behind");
        send_signal(pid, signal);
        let begun = Instant::now();
        while ours() && begun.elapsed() < STOP_LIMIT {
            std::thread::sleep(LOOK);
        }
    }
    // Mosquitto as it ends removes its pid file itself; one that was killed could not.
    let _ = std::fs::remove_file(&files.pid);
}

fn send_signal(pid: u32, signal: &str) {
    // The shell's own `kill`: the program of that name is not installed everywhere.
    let script = format!("kill -{signal} {pid}");
    let _ = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).stderr(Stdio::null()).status();
}

fn supervise(
    mut command: Command,
    files: &Files,
    listen: SocketAddr,
    ready: &SyncSender<Result<(), BrokerError>>,
    stopped: &Receiver<()>,
) {
    let mut attempt = 0;
    loop {
        match launch(&mut command, files, listen) {
            Ok(mut child) => {
                if attempt == 0 {
                    info!(%listen, pid = child.id(), "the broker listens");
                }
                // Nobody listens for the later ones.
                let _ = ready.try_send(Ok(()));
                let begun = Instant::now();
                loop {
                    match stopped.recv_timeout(LOOK) {
                        Err(RecvTimeoutError::Timeout) => {}
                        Ok(()) | Err(RecvTimeoutError::Disconnected) => return end(&mut child),
                    }
                    if let Ok(Some(code)) = child.try_wait() {
                        warn!(%code, tail = %tail(&files.log), "the broker ended; starting it again");
                        break;
                    }
                }
                if begun.elapsed() > Duration::from_secs(60) {
                    attempt = 0;
                }
            }
            Err(error) => {
                if attempt == 0 {
                    let _ = ready.try_send(Err(error));
                    return;
                }
                warn!(%error, "the broker does not start; trying again");
            }
        }
        attempt += 1;
        let wait = back_off(attempt, Duration::from_millis(250), Duration::from_secs(30), 0.0);
        match stopped.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn launch(command: &mut Command, files: &Files, listen: SocketAddr) -> Result<Child, BrokerError> {
    let failed = |problem: String| BrokerError::Start { problem, log: files.log.clone(), tail: tail(&files.log) };
    let log = File::create(&files.log).map_err(|source| BrokerError::Io { path: files.log.clone(), source })?;
    let copy = log.try_clone().map_err(|source| BrokerError::Io { path: files.log.clone(), source })?;
    let mut child = command.stdout(copy).stderr(log).spawn().map_err(|error| failed(error.to_string()))?;
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(code)) => return Err(failed(code.to_string())),
            Ok(None) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
        if TcpStream::connect_timeout(&SocketAddr::new(address, listen.port()), LOOK).is_ok() {
            return Ok(child);
        }
        if begun.elapsed() > START_LIMIT {
            end(&mut child);
            return Err(failed(format!("it does not listen after {} s", START_LIMIT.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn end(child: &mut Child) {
    send_signal(child.id(), "TERM");
    let begun = Instant::now();
    while begun.elapsed() < STOP_LIMIT {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The last lines of the log, on one line.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(600)..]).replace('\n', " | ");
    if text.is_empty() { "(empty)".to_owned() } else { text }
}
