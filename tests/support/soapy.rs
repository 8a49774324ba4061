//! The SoapySDR module of tests/soapy, built once, and tests that run in a process of their own which finds only that module.

use daen::config::keys;
use daen::observation::{Item, envelope};
use daen::sensor::spool;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/soapy/daen_test_device.cpp");
/// Says that this process is the inner one.
const INNER: &str = "DAEN_SOAPY_INNER";

/// The profile of the test device.
pub fn profile() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/soapy/test-device.toml").to_owned()
}

/// A node's configuration in `folder`, beside its keys; `source` is what stands in its table `[source]`, and the tables behind it.
pub fn node(folder: &Path, source: &str) -> PathBuf {
    let (private, _) = keys::generate();
    let (_, public) = keys::generate();
    std::fs::write(folder.join("node.key"), private).unwrap();
    std::fs::write(folder.join("hub.pub"), public).unwrap();
    let text = format!(
        "node = \"pole-1\"\nstate_dir = \"state\"\n[keys]\nsigning_key = \"node.key\"\nhub = \"hub\"\n\
         hub_public_key = \"hub.pub\"\n[broker]\nurl = \"mqtt://127.0.0.1:9\"\n[source]\nkind = \"soapy\"\n{source}",
    );
    let path = folder.join("sensor.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What the node of `folder`, which has ended, would have told the hub.
pub fn told(folder: &Path) -> Vec<Item> {
    let options = spool::Options {
        node: "pole-1".parse().unwrap(),
        key: keys::signing_key(&folder.join("node.key")).unwrap(),
        limit_octets: 1 << 30,
        boot: spool::new_boot(),
    };
    let spool = spool::Spool::open(&folder.join("state"), options).unwrap();
    let pending = spool.pending(&Default::default(), 1_000_000).unwrap();
    pending.iter().flat_map(|p| envelope::reopen(&p.octets).unwrap().items).collect()
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The folder of the built module; `None`, with a word about it, where it cannot be built here.
fn module() -> Option<PathBuf> {
    let flags = output(Command::new("pkg-config").args(["--cflags", "--libs", "SoapySDR"]));
    let there = output(Command::new("g++").arg("--version"));
    let (Some(flags), Some(_)) = (flags, there) else {
        println!("skipped: g++ or pkg-config is not installed (Debian: apt-get install g++ pkg-config)");
        return None;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soapy");
    std::fs::create_dir_all(folder.join("empty")).unwrap();
    let built = folder.join("libdaentestSupport.so");
    // What it was built of lies beside it: trees that share a target folder may differ in it.
    let (source, of) = (std::fs::read(SOURCE).unwrap(), folder.join("built-of.cpp"));
    if built.is_file() && std::fs::read(&of).is_ok_and(|before| before == source) {
        return Some(folder);
    }
    // Several tests may build at once: each its own, and the last one put in place stays.
    let own = folder.join(format!("{}.so", std::process::id()));
    let result = Command::new("g++")
        .args(["-O2", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", SOURCE, "-o"])
        .arg(&own)
        .args(flags.split_whitespace())
        .output()
        .unwrap();
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    std::fs::rename(own, built).unwrap();
    let own = folder.join(format!("{}.cpp", std::process::id()));
    std::fs::write(&own, source).unwrap();
    std::fs::rename(own, of).unwrap();
    Some(folder)
}

/// Where a test of this name runs.
pub enum Place {
    /// Alone on loopback, or wherever the process is.
    Here,
    /// In a network namespace of its own, with nothing but loopback.
    Alone,
}

/// True in a process in which SoapySDR finds the test module (and those in `more`) and no other. Elsewhere it runs the test
/// `name` in such a process, fails with it, and returns false.
pub fn inside(name: &str, place: Place, more: &[&Path]) -> bool {
    if std::env::var_os(INNER).is_some() {
        return true;
    }
    let Some(folder) = module() else { return false };
    let paths = std::env::join_paths(std::iter::once(folder.as_path()).chain(more.iter().copied())).unwrap();
    let program = std::env::current_exe().unwrap();
    let mut command = match place {
        Place::Here => Command::new(&program),
        Place::Alone => {
            // As root a namespace of the network suffices; another user needs one of users as well.
            let ways: [&[&str]; 2] = [&["-n"], &["-rn"]];
            let way = ways.iter().find(|way| output(Command::new("unshare").args(**way).arg("true")).is_some());
            let Some(way) = way else {
                println!(
                    "skipped: {name}: no network namespace can be made here, and it must not reach a real network"
                );
                return false;
            };
            let mut command = Command::new("unshare");
            let up = "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up; exec \"$@\"";
            command.args(*way).args(["sh", "-c", up, "sh"]).arg(&program);
            command
        }
    };
    let inner = command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INNER, "1")
        .env("SOAPY_SDR_ROOT", folder.join("empty"))
        .env("SOAPY_SDR_PLUGIN_PATH", paths)
        .env("SOAPY_SDR_LOG_LEVEL", "3")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inner.stdout);
    let complained = String::from_utf8_lossy(&inner.stderr);
    assert!(inner.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "the inner process ran no test: {said}");
    for line in said.lines().filter(|line| line.contains("skipped: ")) {
        println!("{line}");
    }
    false
}
