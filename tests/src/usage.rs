use std::time::Duration;

/// What a process has used so far, read from `/proc` (all zeros elsewhere than on Linux).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Resident set, in kilobytes.
    pub(crate) resident_kb: u64,
}

/// Clock ticks per second, as Linux reports CPU times on every architecture that it runs on today.
const TICKS: f64 = 100.0;

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        Self::read(pid).unwrap_or_default()
    }

    /// CPU milliseconds between then and now.
    pub(crate) fn cpu_ms_since(self, then: Self) -> f64 {
        self.cpu.saturating_sub(then.cpu).as_secs_f64() * 1e3
    }

    fn read(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name may hold spaces; the numbered fields start behind its parenthesis with field 3.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident_kb = resident.trim().trim_end_matches(" kB").parse().ok()?;
        Some(Self { cpu: Duration::from_secs_f64(ticks / TICKS), resident_kb })
    }
}
