//! `daen demo`: a whole site on one machine. Hub, broker and four nodes run as the processes they are in the field; what the nodes
//! receive is a synthetic stretch of border.

use super::service::stop_on_signal;
use anyhow::{Context, bail};
use daen::hub::provision::{self, NodePlan, Plan};
use daen::synth::scene::{Role, Scene};
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The scene that is played.
const SCENE: &str = "aranyaprathet";
/// How long hub and broker may take to answer.
const START: Duration = Duration::from_secs(30);
/// How long a process may take to end in order; then it is killed.
const END: Duration = Duration::from_secs(10);
/// Pages are asked for new alerts this often.
const POLL: Duration = Duration::from_secs(1);

/// Options of `daen demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port of the pages; another port is taken where this one is in use.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    web: SocketAddr,
    /// Seed of everything random in the scene.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Keep the site (configurations, keys, logs, databases) in this new folder instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End after this many seconds instead of at Ctrl-C.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(demo(args))
}

async fn demo(args: Args) -> anyhow::Result<()> {
    let mut stop = stop_on_signal()?;
    let folder = Folder::make(args.dir.as_deref())?;
    let scene = Scene::named(SCENE, args.seed)?;
    let web = free(args.web)?;
    let made = site(&scene, args.seed, web, &folder.path)?;

    let mut site = Site { children: Vec::new() };
    let outcome = tokio::select! {
        outcome = play(&mut site, &scene, &made, web, &folder.path) => outcome,
        () = over(args.seconds) => Ok(()),
        _ = stop.changed() => Ok(()),
    };
    println!("\nEnding the nodes, the hub and its broker ...");
    site.end().await;
    println!("Done.");
    outcome
}

async fn over(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Starts everything and tells what happens; returns only when something has failed.
async fn play(
    site: &mut Site,
    scene: &Scene,
    made: &provision::Made,
    web: SocketAddr,
    folder: &Path,
) -> anyhow::Result<()> {
    println!("Starting a hub with its broker, and {} nodes. Their logs are in {}.", made.nodes.len(), folder.display());
    site.start("hub", &["hub", "--config"], &made.hub, folder)?;
    let started = Instant::now();
    while get(web, "/api/alerts").await.is_err() {
        site.check(folder)?;
        if started.elapsed() > START {
            bail!("the hub does not answer on http://{web}/; see {}", folder.join("hub.log").display());
        }
        sleep(Duration::from_millis(200)).await;
    }
    for (node, config) in scene.nodes.iter().zip(&made.nodes) {
        site.start(node.id.as_str(), &["sensor", "--config"], config, folder)?;
    }
    let blaster_on =
        scene.transmitters.iter().find(|t| t.role == Role::SmsBlaster).and_then(|t| t.on.first()).map(|on| on.0);
    println!("\n  Open  http://{web}/  in a browser.\n");
    println!(
        "  You are at the border near Aranyaprathet and Poipet. Four nodes hear licensed GSM and LTE cells of both"
    );
    println!("  countries: the list of alerts stays empty, the page \"Cells\" fills.");
    if let Some(on) = blaster_on {
        println!(
            "  After {:.0} s a car with an SMS blaster is switched on, and with it a false LTE cell that sends telephones down to",
            on.as_secs_f64()
        );
        println!(
            "  it. Within seconds an alert appears in the list, without a reload; open it to see why daen believes it, and"
        );
        println!("  the octets that prove it.");
    }
    println!("\n  Ctrl-C ends everything.\n");
    let begun = Instant::now();
    let mut known = std::collections::BTreeMap::new();
    loop {
        sleep(POLL).await;
        site.check(folder)?;
        let Ok(answer) = get(web, "/api/alerts").await else { continue };
        let Ok(alerts) = serde_json::from_str::<serde_json::Value>(&answer) else { continue };
        for alert in alerts["alerts"].as_array().into_iter().flatten() {
            let (id, class, state) = (&alert["id"], alert["class"].as_str(), alert["state"].as_str());
            let now = (class.map(str::to_owned), state.map(str::to_owned));
            if known.insert(id.to_string(), now.clone()) != Some(now) {
                println!(
                    "  {:>4} s  alert {id}: {} ({})   http://{web}/alerts/{id}",
                    begun.elapsed().as_secs(),
                    class.unwrap_or("unclassified"),
                    state.unwrap_or("state unknown"),
                );
            }
        }
    }
}

/// Writes the site: keys, certificates, configurations, register.
fn site(scene: &Scene, seed: u64, web: SocketAddr, folder: &Path) -> anyhow::Result<provision::Made> {
    let register = folder.join("register.csv");
    std::fs::write(&register, scene.register_csv()).with_context(|| register.display().to_string())?;
    let node = |(index, node): (usize, &daen::synth::scene::Node)| NodePlan {
        name: node.id.clone(),
        tables: format!(
            "[position]\nlat_deg = {}\nlon_deg = {}\nheight_m = {}\nsigma_m = 5.0\n\n\
             [source]\nkind = \"scene\"\nname = \"{SCENE}\"\nnode = {index}\nseed = {seed}\n\n\
             [rules]\nregister = \"../register.csv\"\n\n\
             [report]\ninterval_s = 5.0\nhealth_s = 10.0\nbatch_ms = 500\nroutine_s = 0.5\nmonth_octets = 0\n",
            node.position.lat_deg,
            node.position.lon_deg,
            node.position.height_m.unwrap_or(0.0),
        ),
    };
    let plan = Plan {
        hub: "hub".parse()?,
        host: "localhost".to_owned(),
        listen: free(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?,
        web,
        register: Some(PathBuf::from("../register.csv")),
        nodes: scene.nodes.iter().enumerate().map(node).collect(),
    };
    Ok(provision::make(folder, &plan)?)
}

/// The address itself, or with a port that is free.
fn free(wanted: SocketAddr) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(wanted)
        .or_else(|_| TcpListener::bind((wanted.ip(), 0)))
        .with_context(|| format!("no port can be opened on {}", wanted.ip()))?;
    Ok(listener.local_addr()?)
}

/// The demo's folder; a temporary one goes with it.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn make(wanted: Option<&Path>) -> anyhow::Result<Folder> {
        let path = match wanted {
            Some(path) => std::path::absolute(path)?,
            None => std::env::temp_dir().join(format!("daen-demo-{}", std::process::id())),
        };
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Folder { path, temporary: wanted.is_none() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is left to the system's clean-up of its temporary folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The processes, in the order in which they were started.
struct Site {
    children: Vec<(String, Child)>,
}

impl Site {
    fn start(&mut self, name: &str, command: &[&str], config: &Path, folder: &Path) -> anyhow::Result<()> {
        let log = File::create(folder.join(format!("{name}.log")))?;
        let program = std::env::current_exe().context("the path of this program")?;
        // The kernel ends them with this process, even where it is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(command)
            .arg(config)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C reaches the demo alone, which then ends them in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("setpriv cannot be started; it is in the package util-linux")?;
        self.children.push((name.to_owned(), child));
        Ok(())
    }

    /// Fails where a process has ended.
    fn check(&mut self, folder: &Path) -> anyhow::Result<()> {
        for (name, child) in &mut self.children {
            if let Some(status) = child.try_wait()? {
                let log = folder.join(format!("{name}.log"));
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let from = text.lines().count().saturating_sub(8);
                let tail: Vec<&str> = text.lines().skip(from).collect();
                bail!("{name} ended with {status}; the end of its log:\n{}", tail.join("\n"));
            }
        }
        Ok(())
    }

    /// Ends nodes first and the hub last, each in order where it can.
    async fn end(&mut self) {
        for (name, child) in self.children.iter_mut().rev() {
            let Some(id) = child.id() else { continue };
            let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
            if asked.is_err() || timeout(END, child.wait()).await.is_err() {
                println!("  {name} does not end; killed.");
                // It may have ended by itself in this very moment.
                let _ = child.kill().await;
            }
        }
        let _ = std::io::stdout().flush();
    }
}

/// The body of a page of the hub.
async fn get(web: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(web).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {web}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    // A page of alerts is far smaller; a bound for what else may listen on that port.
    timeout(Duration::from_secs(5), (&mut stream).take(4 << 20).read_to_string(&mut answer)).await??;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    if !head.starts_with("HTTP/1.") || head.split(' ').nth(1) != Some("200") {
        bail!("{}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}
