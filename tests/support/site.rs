//! A hub, its nodes and brokers as real processes on loopback, each in folders of its own; whatever was started ends with its guard.

use daen::hub::provision::{self, Made, NodePlan, Plan};
use daen::hub::store::{NodeStatus, Store};
use daen::observation::Item;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything; on a loaded machine things take their time, but not for ever.
const PATIENCE: Duration = Duration::from_secs(180);

/// Whether the broker's program is there; says so where it is not.
pub fn has_mosquitto() -> bool {
    let there = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"]
        .iter()
        .any(|path| Path::new(path).is_file());
    if !there {
        println!("skipped: mosquitto is not installed (Debian: apt-get install mosquitto)");
    }
    there
}

/// A port on loopback that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Looks every few milliseconds until `done`; fails after a long time, naming what was waited for.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited {} s for: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that ends with this value.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub fn start(command: &mut Command, log: PathBuf) -> Running {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let copy = file.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(copy).stderr(file).spawn().unwrap();
        Running { child, log }
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn signal(&self, name: &str) {
        Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> i32 {
        let mut code = None;
        wait_until("the process to end", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|code| code.code()).unwrap_or(-1)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// A site in a folder of its own.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub made: Made,
    pub port: u16,
}

/// Tables for a node that makes `items` numbered observations, one an envelope.
pub fn load(items: u64) -> String {
    format!(
        "[source]\nkind = \"load\"\nitems = {items}\n[report]\nbatch_items = 1\nbatch_ms = 10\nhealth_s = 3600\n[spool]\nresend_s = 2\n"
    )
}

impl Site {
    /// A hub with a broker of its own, and nodes `pole-1`, `pole-2`, ... with these tables.
    pub fn new(tables: &[String]) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let plan = Plan {
            hub: "hub".parse().unwrap(),
            host: "localhost".to_owned(),
            listen: at(port),
            web: at(free_port()),
            register: None,
            nodes: tables
                .iter()
                .enumerate()
                .map(|(index, tables)| NodePlan {
                    name: format!("pole-{}", index + 1).parse().unwrap(),
                    tables: tables.clone(),
                })
                .collect(),
        };
        let made = provision::make(folder.path(), &plan).unwrap();
        Site { folder, made, port }
    }

    /// The same with a broker of somebody else's, without TLS, on loopback.
    pub fn with_outside_broker(tables: &[String]) -> Site {
        let site = Site::new(tables);
        let plain = |text: &str| {
            let text = text.replace("mqtts://localhost", "mqtt://127.0.0.1");
            let embedded = text.find("[broker.embedded]").map(|start| {
                let end = start + text[start..].find("\n\n").unwrap();
                (start, end)
            });
            embedded.map_or(text.clone(), |(start, end)| format!("{}{}", &text[..start], &text[end..]))
        };
        for path in site.made.nodes.iter().chain([&site.made.hub]) {
            edit(path, plain);
        }
        site
    }

    pub fn daen(&self, subcommand: &str, config: &Path, more: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daen"));
        command.arg(subcommand).arg("--config").arg(config).args(more);
        let log = self
            .folder
            .path()
            .join(format!("{subcommand}-{}.log", config.parent().unwrap().file_name().unwrap().display()));
        Running::start(&mut command, log)
    }

    pub fn hub(&self) -> Running {
        self.daen("hub", &self.made.hub, &[])
    }

    pub fn node(&self, number: usize) -> Running {
        self.daen("sensor", &self.made.nodes[number - 1], &[])
    }

    pub fn node_folder(&self, number: usize) -> PathBuf {
        self.made.nodes[number - 1].parent().unwrap().to_owned()
    }

    pub fn hub_file(&self) -> PathBuf {
        self.made.hub.parent().unwrap().join("state/hub.sqlite")
    }

    /// The outside broker, which forgets everything when it is killed.
    pub fn outside_broker(&self) -> Running {
        let config = self.folder.path().join("outside.conf");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\nset_tcp_nodelay true\npersistence false\n",
            self.port
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("mosquitto");
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).arg("-c").arg(&config);
        let running = Running::start(&mut command, self.folder.path().join("outside.log"));
        wait_until("the outside broker to listen", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        running
    }

    /// Observations in the hub's store; 0 while there is none.
    pub fn stored(&self) -> u64 {
        count(&self.hub_file(), "SELECT count(*) FROM items WHERE kind = 'observation'").unwrap_or(0)
    }

    /// Envelopes in a node's spool.
    pub fn spooled(&self, number: usize) -> u64 {
        count(&self.node_folder(number).join("state/spool.sqlite"), "SELECT count(*) FROM spool").unwrap_or(0)
    }

    /// What the hub knows of a node.
    pub fn status(&self, number: usize) -> Option<NodeStatus> {
        let nodes = Store::open(self.hub_file()).ok()?.nodes().ok()?;
        nodes.into_iter().find(|status| status.name.as_str() == format!("pole-{number}"))
    }

    /// Refusals by reason.
    pub fn refused(&self, reason: &str) -> u64 {
        count(&self.hub_file(), &format!("SELECT coalesce(sum(count), 0) FROM refusals WHERE reason = '{reason}'"))
            .unwrap_or(0)
    }

    /// The numbers of all observations that test sources made, in the order of the hub's journal.
    pub fn numbers(&self) -> Vec<i64> {
        let store = Store::open(self.hub_file()).unwrap();
        let mut numbers = vec![];
        let mut cursor = 0;
        loop {
            let items = store.items_after(cursor, 1000).unwrap();
            let Some(last) = items.last() else { return numbers };
            cursor = last.row;
            numbers.extend(items.iter().filter_map(|stored| match &stored.item {
                Item::Observation(observation) if observation.receiver.stream == "load" => Some(observation.at_ns.0),
                _ => None,
            }));
        }
    }

    /// Every number from 1 to `count` once: nothing lost, nothing double.
    pub fn assert_each_once(&self, count: u64) {
        let mut numbers = self.numbers();
        numbers.sort_unstable();
        let lost: Vec<i64> = (1..=count as i64).filter(|number| numbers.binary_search(number).is_err()).collect();
        let double = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
        println!("{} observations in the hub's store, {} lost, {double} double", numbers.len(), lost.len());
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert_eq!((double, numbers.len() as u64), (0, count));
    }
}

/// Rewrites a file.
pub fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, change(&text)).unwrap();
}

/// A number from a database that another process is using; `None` while it is not there.
pub fn count(path: &Path, sql: &str) -> Option<u64> {
    let connection = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    connection.busy_timeout(Duration::from_secs(5)).ok()?;
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).ok().map(|count| count as u64)
}
