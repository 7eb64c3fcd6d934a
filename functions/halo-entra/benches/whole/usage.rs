//! Time, processor time and memory of a process, as Linux counts them.

use std::time::Instant;

/// Since when something is measured.
pub(crate) struct Usage {
    started: Instant,
    processor: f64,
}

impl Usage {
    /// From now on; the peak of memory begins anew.
    pub(crate) fn now() -> Self {
        // 5 = forget the peak (proc_pid_clear_refs(5)).
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        Self { started: Instant::now(), processor: processor("self") }
    }

    /// Seconds, processor seconds, and the most memory at one time in MiB.
    pub(crate) fn until_now(&self) -> (f64, f64, f64) {
        let seconds = self.started.elapsed().as_secs_f64();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kibibytes: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        (seconds, processor("self") - self.processor, kibibytes / 1024.0)
    }
}

/// Seconds of processor time that a process has used.
pub(crate) fn processor(process: &str) -> f64 {
    // Ticks are hundredths of a second on every Linux that Rust has a target for (proc_pid_stat(5)).
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}
