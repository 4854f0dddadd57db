//! What the system knows of this process: processor time, memory, open files. Read from `/proc` when it is asked for, under
//! the names that Prometheus' own client libraries use.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::process::{Resource, getrlimit};

use super::Described;

const CPU: (&str, &str) = ("process_cpu_seconds", "Processor time used, of this program and the system for it");
const MEMORY: (&str, &str) = ("process_resident_memory_bytes", "Memory in use");
const FILES: (&str, &str) = ("process_open_fds", "Open file descriptors: connections, files, and a few more");
const FILES_MAX: (&str, &str) = ("process_max_fds", "File descriptors that may be open");

/// Reads at each scrape. What can't be read is left out.
#[derive(Debug)]
pub(super) struct Process;

/// The same for the catalogue.
pub(super) fn described() -> Vec<Described> {
    let gauge = |(name, help): (&str, &str)| Described { name: name.to_owned(), kind: "gauge", help: help.to_owned() };
    let cpu = Described { name: format!("{}_total", CPU.0), kind: "counter", help: CPU.1.to_owned() };
    vec![cpu, gauge(MEMORY), gauge(FILES), gauge(FILES_MAX)]
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut show = |(name, help): (&str, &str), metric: &dyn Shown| metric.show(&mut encoder, name, help);
        if let Some(seconds) = cpu_seconds() {
            show(CPU, &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = resident_bytes() {
            show(MEMORY, &ConstGauge::new(bytes))?;
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            show(FILES, &ConstGauge::new(i64::try_from(files.count()).unwrap_or(i64::MAX)))?;
        }
        if let Some(max) = getrlimit(Resource::Nofile).current {
            show(FILES_MAX, &ConstGauge::new(i64::try_from(max).unwrap_or(i64::MAX)))?;
        }
        Ok(())
    }
}

trait Shown {
    fn show(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> Result<(), fmt::Error>;
}

impl<M: EncodeMetric> Shown for M {
    fn show(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> Result<(), fmt::Error> {
        self.encode(encoder.encode_descriptor(name, &format!("{help}."), None, self.metric_type())?)
    }
}

/// Fields 14 and 15 of `/proc/self/stat`, in clock ticks (proc_pid_stat(5)); counted behind the program's name, which may
/// hold anything.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// `VmRSS` of `/proc/self/status`, in kB.
fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_uses_memory_time_and_files() {
        let bytes = resident_bytes().expect("Linux tells");
        assert!(bytes > 1 << 20, "{bytes}");
        let before = cpu_seconds().expect("Linux tells");
        let mut sum = 0_u64;
        while cpu_seconds().expect("Linux tells") == before {
            sum = (0..1_000_000).fold(sum, |sum, next| std::hint::black_box(sum.wrapping_add(next)));
        }
        let text = super::super::Metrics::new().encode();
        for described in described() {
            assert!(text.contains(&format!("\n{} ", described.name)), "{} in {text}", described.name);
        }
    }
}
