//! Runs a process and takes its figures from `/proc`.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::report::Run;

/// How often memory is read. A reading costs some tens of microseconds.
const INTERVAL: Duration = Duration::from_millis(5);
/// The clock ticks that `/proc` counts CPU time in, the same on all of Linux' common architectures.
const TICKS_PER_SECOND: f64 = 100.0;

/// Runs to the end; gives the figures, and what came on standard output.
pub fn run(command: &mut Command) -> Result<(Run, String)> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let pid = child.id();
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let mut text = String::new();
    let ended = AtomicBool::new(false);
    let (ended_well, memory) = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut memory = Memory::default();
            while !ended.load(Ordering::Relaxed) {
                memory.sample(pid);
                thread::sleep(INTERVAL);
            }
            memory
        });
        let times = read_to_end(&mut stdout, &mut text).and_then(|()| times_at_end(pid));
        let wall = started.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (times.map(|cpu| (wall, cpu)), sampler.join())
    });
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("ended with {status}").into());
    }
    let (wall, cpu) = ended_well?;
    let memory = memory.map_err(|_| "the memory could not be read")?;
    Ok((Run { wall, cpu, peak: memory.peak, anon: memory.anon }, text))
}

fn read_to_end(stdout: &mut impl Read, text: &mut String) -> Result<()> {
    stdout.read_to_string(text)?;
    Ok(())
}

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
}

impl Memory {
    /// Reads the process and its descendants. Those that end meanwhile are passed over.
    fn sample(&mut self, pid: u32) {
        if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
            self.peak = self.peak.max(bytes_of(&status, "VmHWM:"));
            self.anon = self.anon.max(bytes_of(&status, "RssAnon:"));
        }
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            children.split_whitespace().flat_map(str::parse).for_each(|child| self.sample(child));
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
