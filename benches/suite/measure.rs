//! Runs a process and takes its figures from `/proc`.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::cap::{Cap, kill};
use crate::report::Run;

/// How often memory is read. A reading costs some tens of microseconds.
const INTERVAL: Duration = Duration::from_millis(5);
/// The clock ticks that `/proc` counts CPU time in, the same on all of Linux' common architectures.
const TICKS_PER_SECOND: f64 = 100.0;
/// What processes begin a line with that tells the suite something: `suite: seconds 1.5` of the query alone, or
/// `suite: spilled 1000`.
const NOTE: &str = "suite: ";
/// How long children may go on when the process has ended.
const GRACE: Duration = Duration::from_secs(2);

/// What a process may use.
#[derive(Default)]
pub struct Limits<'a> {
    pub cap: Option<&'a Cap>,
    pub time: Option<Duration>,
}

/// Runs to the end; gives the figures, and what came on standard output. An error tells in one line what became of the
/// process.
pub fn run(command: &mut Command, limits: &Limits) -> Result<(Run, String)> {
    let mut confined = limits.cap.map(|cap| cap.confine(command));
    let kills = limits.cap.map_or(0, Cap::kills);
    let command = confined.as_mut().unwrap_or(command);
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let watched = watch(&mut child, started, limits);
    let status = child.wait()?;
    let watched = watched?;
    if let Some(why) = watched.memory.killed {
        return Err(why.into());
    }
    if limits.cap.is_some_and(|cap| cap.kills() > kills) {
        return Err("killed: out of memory".into());
    }
    if !status.success() {
        return Err(failure(status, &watched.errors).into());
    }
    let note = |name: &str| watched.errors.lines().find_map(|line| line.strip_prefix(NOTE)?.strip_prefix(name));
    Ok((
        Run {
            wall: note("seconds ").and_then(|text| text.parse().ok()).unwrap_or(watched.wall),
            cpu: watched.cpu,
            peak: watched.memory.peak,
            anon: watched.memory.anon,
            spilled: note("spilled ").and_then(|text| text.parse().ok()),
        },
        watched.text,
    ))
}

/// What was seen of a process.
struct Watched {
    wall: f64,
    cpu: f64,
    memory: Memory,
    text: String,
    errors: String,
}

fn watch(child: &mut Child, started: Instant, limits: &Limits) -> Result<Watched> {
    let pid = child.id();
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let mut stderr = child.stderr.take().ok_or("no standard error")?;
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| sample(pid, started, limits, &ended));
        let errors = scope.spawn(move || {
            let mut errors = Vec::new();
            // What cannot be read is not told.
            _ = stderr.read_to_end(&mut errors);
            String::from_utf8_lossy(&errors).into_owned()
        });
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text).map_err(Into::into);
        let cpu = read.and_then(|_| times_at_end(pid));
        let wall = started.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        let memory = sampler.join().map_err(|_| "the memory could not be read")?;
        let errors = errors.join().map_err(|_| "standard error could not be read")?;
        Ok(Watched { wall, cpu: cpu?, memory, text, errors })
    })
}

/// Reads memory until the process has ended, and ends it beyond its limits.
fn sample(pid: u32, started: Instant, limits: &Limits, ended: &AtomicBool) -> Memory {
    let cap = limits.cap.filter(|cap| cap.is_sampled());
    let mut memory = Memory::default();
    let mut tree = Vec::new();
    let mut since_end = None;
    while !ended.load(Ordering::Relaxed) {
        let mut seen = Tree::default();
        memory.sample(pid, &mut seen);
        let above = cap.filter(|cap| seen.anon > cap.bytes);
        let late = limits.time.filter(|time| started.elapsed() > *time);
        if above.is_some() || late.is_some() {
            kill(seen.pids.iter().copied());
            memory.killed = Some(match (above, late) {
                (_, Some(time)) => format!("stopped after {} s", time.as_secs()),
                _ => "killed: out of memory".to_owned(),
            });
        }
        // Children that outlive a process that was killed are adopted, and keep its output open.
        if seen.pids.len() > 1 {
            tree = seen.pids;
        }
        let is_over =
            fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| cpu_if_ended(&stat).is_some());
        if is_over && since_end.get_or_insert_with(Instant::now).elapsed() > GRACE {
            kill(tree.drain(..).filter(|&child| child != pid));
        }
        thread::sleep(INTERVAL);
    }
    memory
}

/// What a failure says in one line: the message, or else how the process ended.
fn failure(status: ExitStatus, errors: &str) -> String {
    match message(errors) {
        Some(message) if SHORT_OF_MEMORY.iter().any(|words| message.contains(words)) => {
            format!("out of memory: {message}")
        }
        Some(message) => format!("failed: {message}"),
        None => format!("ended with {status}"),
    }
}

/// What engines say when they refuse to take more.
const SHORT_OF_MEMORY: [&str; 4] =
    ["memory", "Memory", "Resources exhausted", "A process in the process pool was terminated"];

/// The first line of the message in what a process printed: in Python's tracebacks that of the last exception.
pub fn message(errors: &str) -> Option<String> {
    let lines: Vec<&str> = errors.lines().filter(|line| !line.starts_with(NOTE) && !line.trim().is_empty()).collect();
    let traceback = lines.iter().rposition(|line| line.starts_with("Traceback"));
    let after = traceback.map_or(0, |at| at + 1);
    let line = lines[after.min(lines.len())..].iter().find(|line| traceback.is_none() || !line.starts_with(' '))?;
    let line = line.trim().trim_start_matches("error: ");
    Some(match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    })
}

/// The characters of a message that a table has room for.
const LONGEST: usize = 90;

/// Waits for the process to end, and gives its CPU time and that of the children it waited for. They can be read until
/// the process is waited for.
fn times_at_end(pid: u32) -> Result<f64> {
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        match cpu_if_ended(&stat) {
            Some(cpu) => return Ok(cpu),
            None => thread::sleep(Duration::from_micros(200)),
        }
    }
}

/// From a line of `/proc/PID/stat`: the seconds of CPU, when the process has ended.
pub fn cpu_if_ended(stat: &str) -> Option<f64> {
    // The second field is the name in brackets, which may hold anything; the state is the third.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? != "Z" {
        return None;
    }
    // The 14th to 17th: user and system time, its own and of children.
    let ticks: Vec<u64> = fields.skip(10).take(4).map_while(|ticks| ticks.parse().ok()).collect();
    (ticks.len() == 4).then(|| ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

/// The most that any process of a tree was seen to hold, in bytes.
#[derive(Default)]
struct Memory {
    peak: u64,
    anon: u64,
    /// Why the tree was ended.
    killed: Option<String>,
}

/// The processes of a tree, and what all of them hold that is anonymous.
#[derive(Default)]
struct Tree {
    pids: Vec<u32>,
    anon: u64,
}

impl Memory {
    /// Reads the process and its descendants. Those that end meanwhile are passed over.
    fn sample(&mut self, pid: u32, tree: &mut Tree) {
        tree.pids.push(pid);
        if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
            let anon = bytes_of(&status, "RssAnon:");
            self.peak = self.peak.max(bytes_of(&status, "VmHWM:"));
            self.anon = self.anon.max(anon);
            tree.anon += anon;
        }
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            children.split_whitespace().flat_map(str::parse).for_each(|child| self.sample(child, tree));
        }
    }
}

/// A field of `/proc/PID/status`, which is in kB; 0 when it isn't there.
pub fn bytes_of(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|kb| kb.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The machine, for the record.
pub fn machine() -> Value {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("").trim_start_matches(['\t', ':', ' ']);
    json!({
        "cpu": cpu,
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "memory": bytes_of(&read("/proc/meminfo"), "MemTotal:"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": read("/proc/loadavg").trim(),
    })
}
