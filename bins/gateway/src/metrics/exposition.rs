use std::fmt::Write as _;

use storage::Distribution;

/// What a family of figures is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Writes figures in the text format of Prometheus. Values of labels are words of ours: nothing in them needs escaping.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.as_str()));
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.line(format_args!("{name}{} {value}", Labels { labels, bound: None }));
    }

    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], values: &Distribution) {
        let Distribution { up_to, count, sum } = values;
        for (bound, up_to) in up_to {
            let labels = Labels { labels, bound: Some(*bound) };
            self.line(format_args!("{name}_bucket{labels} {up_to}"));
        }
        let all = Labels { labels, bound: Some(f64::INFINITY) };
        self.line(format_args!("{name}_bucket{all} {count}"));
        self.line(format_args!("{name}_sum{} {sum}", Labels { labels, bound: None }));
        self.line(format_args!("{name}_count{} {count}", Labels { labels, bound: None }));
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// `{name="value",…}`, and nothing where there are none.
struct Labels<'a> {
    labels: &'a [(&'a str, &'a str)],
    /// The bound of a bucket.
    bound: Option<f64>,
}

impl std::fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut before = '{';
        for (name, value) in self.labels {
            write!(f, "{before}{name}=\"{value}\"")?;
            before = ',';
        }
        match self.bound {
            Some(bound) if bound.is_finite() => write!(f, "{before}le=\"{bound}\"}}"),
            Some(_) => write!(f, "{before}le=\"+Inf\"}}"),
            None if self.labels.is_empty() => Ok(()),
            None => f.write_str("}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_prometheus_reads() {
        let mut text = Exposition::default();
        text.family("t", Kind::Histogram, "Times.");
        let values = Distribution { up_to: vec![(0.5, 1), (10.0, 2)], count: 3, sum: 12.25 };
        text.histogram("t", &[("route", "/a/{id}")], &values);
        text.family("n", Kind::Counter, "Numbers.");
        text.sample("n", &[], 3.0);
        let expected = "# HELP t Times.\n# TYPE t histogram\n\
                        t_bucket{route=\"/a/{id}\",le=\"0.5\"} 1\n\
                        t_bucket{route=\"/a/{id}\",le=\"10\"} 2\n\
                        t_bucket{route=\"/a/{id}\",le=\"+Inf\"} 3\n\
                        t_sum{route=\"/a/{id}\"} 12.25\n\
                        t_count{route=\"/a/{id}\"} 3\n\
                        # HELP n Numbers.\n# TYPE n counter\nn 3\n";
        assert_eq!(text.into_text(), expected);
    }
}
