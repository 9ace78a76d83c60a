use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::Plan;

/// The figures of one run, with what was aimed at.
pub struct Report {
    plan: Value,
    figures: Vec<Figure>,
}

struct Figure {
    key: &'static str,
    label: &'static str,
    value: f64,
    aim: Option<Aim>,
}

enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    pub(super) fn new(plan: &Plan) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let plan = json!({
            "instances": plan.instances, "roundSeconds": plan.round.as_secs(), "rounds": plan.rounds, "cores": cores,
        });
        Self { plan, figures: Vec::new() }
    }

    pub(super) fn figure(&mut self, key: &'static str, label: &'static str, value: f64) {
        self.figures.push(Figure { key, label, value, aim: None });
    }

    pub(super) fn at_least(&mut self, key: &'static str, label: &'static str, value: f64, aim: f64) {
        self.figures.push(Figure { key, label, value, aim: Some(Aim::AtLeast(aim)) });
    }

    pub(super) fn at_most(&mut self, key: &'static str, label: &'static str, value: f64, aim: f64) {
        self.figures.push(Figure { key, label, value, aim: Some(Aim::AtMost(aim)) });
    }

    pub(super) fn cpu_ms(
        &mut self,
        key: &'static str,
        label: &'static str,
        cpu: Duration,
        count: usize,
        aim: f64,
    ) {
        self.at_most(key, label, cpu.as_secs_f64() * 1e3 / count.max(1) as f64, aim);
    }

    /// The figures as JSON, for comparing runs.
    pub fn to_json(&self) -> String {
        let figures: serde_json::Map<String, Value> = self
            .figures
            .iter()
            .map(|f| (f.key.to_owned(), json!({ "value": f.value, "aim": f.aim_value() })))
            .collect();
        format!("{:#}\n", json!({ "plan": self.plan, "figures": figures }))
    }
}

impl Figure {
    fn aim_value(&self) -> Option<f64> {
        match self.aim {
            Some(Aim::AtLeast(aim) | Aim::AtMost(aim)) => Some(aim),
            None => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan: {}", self.plan)?;
        writeln!(f, "{:<46} {:>12} {:>12}  aim met", "figure (median)", "measured", "aim")?;
        for figure in &self.figures {
            let (aim, met) = match figure.aim {
                Some(Aim::AtLeast(aim)) => (format!("≥ {aim}"), figure.value >= aim),
                Some(Aim::AtMost(aim)) => (format!("≤ {aim}"), figure.value <= aim),
                None => (String::new(), true),
            };
            let mark = if figure.aim.is_none() {
                ""
            } else if met {
                "yes"
            } else {
                "NO"
            };
            writeln!(f, "{:<46} {:>12.3} {:>12}  {mark}", figure.label, figure.value, aim)?;
        }
        Ok(())
    }
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
