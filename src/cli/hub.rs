//! `daen hub`.

use super::service::{in_file, say, start_log, stop_on_signal};
use anyhow::Context;
use daen::config::hub::Config;
use daen::hub;
use daen::hub::provision::{self, NodePlan, Plan};
use daen::hub::store::backup;
use daen::observation::NodeId;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Options of `daen hub`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["config", "init"])))]
pub struct Args {
    /// The hub's configuration (TOML); `--init` makes one, systemd/hub.example.toml explains every key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and the keys that it names, and start nothing.
    #[arg(long, requires = "config")]
    check: bool,
    /// Copy the hub's store (envelopes, alerts, cursor) to this new file, checked, and end. A hub that runs goes on meanwhile. Keys and
    /// certificates are not in it.
    #[arg(long, value_name = "FILE", requires = "config", conflicts_with_all = ["check", "restore"])]
    backup: Option<PathBuf>,
    /// Take such a copy as the store of a hub that does not run and has none, and end.
    #[arg(long, value_name = "FILE", requires = "config", conflicts_with = "check")]
    restore: Option<PathBuf>,
    /// Make a new site in this folder instead: certificates, keys and configurations of a hub and its nodes.
    #[arg(long, value_name = "DIR")]
    init: Option<PathBuf>,
    /// With --init: names of the nodes.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "pole-1", conflicts_with = "config")]
    nodes: Vec<NodeId>,
    /// With --init: the host name or address under which nodes reach the hub.
    #[arg(long, value_name = "HOST", default_value = "localhost", conflicts_with = "config")]
    host: String,
    /// With --init: where the hub's broker listens.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8883", conflicts_with = "config")]
    listen: SocketAddr,
    /// With --init: where the hub's pages are.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", conflicts_with = "config")]
    web: SocketAddr,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(folder) = &args.init {
        return init(folder, &args);
    }
    let path = args.config.as_deref().context("--config FILE is missing")?;
    start_log();
    let config = Config::load(path).map_err(in_file(path))?;
    if args.check {
        say(&format!("{}: hub {} with {} nodes is ready to run", path.display(), config.hub, config.nodes.len()))?;
        return Ok(());
    }
    let store = hub::store_path(&config);
    if let Some(file) = &args.backup {
        let content = backup::copy(&store, file)?;
        say(&format!("{}: {}", file.display(), in_words(&content)))?;
        return Ok(());
    }
    if let Some(file) = &args.restore {
        let content = backup::restore(file, &store)?;
        say(&format!("{}: {}; start the hub", store.display(), in_words(&content)))?;
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        Ok(hub::run(config, stop).await?)
    })
}

fn in_words(content: &backup::Content) -> String {
    let backup::Content { envelopes, alerts, octets } = content;
    format!("{envelopes} envelopes and {alerts} alerts, {octets} octets, checked")
}

fn init(folder: &Path, args: &Args) -> anyhow::Result<()> {
    // Until a receiver is attached, a new node listens to a synthetic stretch of border.
    let node = |(index, name): (usize, &NodeId)| NodePlan {
        name: name.clone(),
        tables: format!(
            "# Where samples come from; name your recordings here (see sensor.example.toml).\n\
             [source]\nkind = \"scene\"\nname = \"aranyaprathet\"\nnode = {}\n",
            index % 4
        ),
    };
    let plan = Plan {
        hub: "hub".parse()?,
        host: args.host.clone(),
        listen: args.listen,
        web: args.web,
        register: None,
        nodes: args.nodes.iter().enumerate().map(node).collect(),
    };
    let made = provision::make(folder, &plan)?;
    say(&format!("A hub and {} nodes are ready. Start them with:\n", made.nodes.len()))?;
    say(&format!("  daen hub --config {}", made.hub.display()))?;
    for node in &made.nodes {
        say(&format!("  daen sensor --config {}", node.display()))?;
    }
    let authority = folder.join("authority");
    say(&format!("\nCopy a node's folder to that node, and to nobody else. Keep {} off line.", authority.display()))?;
    Ok(())
}
