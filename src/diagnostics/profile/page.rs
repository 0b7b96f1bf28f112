//! The page of a profile: what was recorded as JSON, inside a template that draws it.

use std::fmt::Write;

use super::Recorded;
use super::timeline::Amounts;

/// The page, but for the data.
const TEMPLATE: &str = include_str!("page.html");

/// Where in the template the data goes.
const DATA: &str = "@DATA@";

/// The page of what was recorded until `now`.
pub(super) fn html(recorded: &Recorded, date: &str, now: f64) -> String {
    TEMPLATE.replacen(DATA, &json(recorded, date, now), 1)
}

/// What was recorded. Times are in microseconds, what repeats is in arrays by place: the template names the places.
pub(super) fn json(recorded: &Recorded, date: &str, now: f64) -> String {
    let kinds = recorded.timeline.kinds.iter().map(|kind| {
        let (name, seconds, longest) = (text(&kind.name), micros(kind.seconds), micros(kind.longest));
        format!("[{name},{},{seconds},{longest},{}]", kind.tasks, amounts(kind.amounts))
    });
    let lanes = recorded.timeline.threads().flat_map(|thread| {
        thread.lanes.iter().enumerate().map(|(depth, spans)| {
            let spans = spans.iter().map(|span| {
                let kind = span.kind.map_or(-1, |kind| kind as i64);
                let (begin, end) = (micros(span.begin), micros(span.end));
                let name = span.name.as_deref().map_or("null".into(), text);
                format!("[{kind},{begin},{end},{},{},{},{name}]", span.run, span.tasks, amounts(span.amounts))
            });
            format!("{{\"thread\":{},\"depth\":{depth},\"spans\":{}}}", text(&thread.name), list(spans))
        })
    });
    let booked = recorded.booked.points().iter();
    let booked = booked.map(|point| format!("[{},{},{}]", micros(point.begin), point.least, point.most));
    let spills = recorded.spilled.iter().map(|(operator, series)| {
        let points = series.points().iter();
        let points = points.map(|point| format!("[{},{},{}]", micros(point.begin), micros(point.end), point.sum));
        format!("{{\"what\":{},\"points\":{}}}", text(operator), list(points))
    });
    let runs = recorded.runs.iter().map(|run| {
        let end = run.end.map_or("null".into(), |end| micros(end).to_string());
        let error = run.error.as_deref().map_or("null".into(), text);
        format!("[{},{},{end},{},{},{error}]", run.run, micros(run.begin), run.peak, run.spilled)
    });
    let messages = recorded.messages.iter().map(|(at, message)| format!("[{},{}]", micros(*at), text(message)));
    let plans = recorded.plans.iter().map(|(title, plan)| format!("[{},{}]", text(title), text(plan)));
    let parts = [
        ("version", text(env!("CARGO_PKG_VERSION"))),
        ("date", text(date)),
        ("now", micros(now).to_string()),
        ("limit", recorded.limit.to_string()),
        ("runs", list(runs)),
        ("stages", list(kinds)),
        ("lanes", list(lanes)),
        ("booked", list(booked)),
        ("spills", list(spills)),
        ("messages", list(messages)),
        ("plans", list(plans)),
    ];
    let parts: Vec<String> = parts.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", parts.join(",\n"))
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

fn amounts(Amounts { rows, bytes, spilled, result }: Amounts) -> String {
    format!("{rows},{bytes},{spilled},{result}")
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A text of JSON that may stand inside a `<script>`: no `<` can end it.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '<' | '>' | '&' | '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                // A String takes all that is written.
                _ = write!(out, "\\u{:04x}", c as u32);
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::diagnostics::Profile;
    use crate::sched::{Event, Observer};

    /// The data in a page, which has no other script's end in it than the template's.
    fn data(page: &str) -> Value {
        assert_eq!(page.matches("</script>").count(), TEMPLATE.matches("</script>").count());
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    #[test]
    fn the_template_stands_alone() {
        assert_eq!(TEMPLATE.matches(DATA).count(), 1);
        // Nothing is loaded from anywhere, and the page forbids itself to.
        for outside in ["http:", "https:", "src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest"] {
            assert!(!TEMPLATE.contains(outside), "{outside}");
        }
        assert!(TEMPLATE.contains("default-src 'none'"));
        // What comes from outside is put in as text.
        for raw in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!TEMPLATE.contains(raw), "{raw}");
        }
    }

    #[test]
    fn every_task_is_in_it_once_and_texts_are_as_they_were() {
        let nasty = "</script><script>alert(\"1\")</script> \\ \n\t\u{0} \u{2028} é & @DATA@";
        let profile = Profile::new();
        profile.add_plan(nasty, nasty);
        profile.on(&Event::RunStarted { run: 1, tasks: 3, bytes: 0, partitions: 0, stages: vec![] });
        let names: [Arc<str>; 3] = [nasty.into(), "scan → sort 0".into(), "scan → sort 1".into()];
        for (task, name) in names.iter().enumerate() {
            profile.on(&Event::TaskStarted { run: 1, task, name: name.clone(), booked: 5 });
            profile.on(&Event::Advanced { run: 1, bytes: 100, rows: 7, partitions: 0, booked: 50 });
            profile.on(&Event::Spilled { run: 1, operator: "rows to sort", bytes: 9 });
            profile.on(&Event::TaskFinished { run: 1, task, name: name.clone(), seconds: 0.0, bytes: 3, booked: 20 });
        }
        profile.on(&Event::Warning { run: 1, message: nasty.into() });
        let error = Some(crate::Error::internal(nasty));
        let (seconds, spilled_by) = (0.5, vec![]);
        profile.on(&Event::RunFinished { run: 1, seconds, spilled: 27, spilled_by, peak: 50, limit: 100, error });

        let data = data(&profile.to_html());
        assert_eq!(data["plans"], serde_json::json!([[nasty, nasty]]));
        assert_eq!(data["messages"][0][1], nasty);
        assert_eq!((&data["limit"], &data["runs"][0][3], &data["runs"][0][4]), (&100.into(), &50.into(), &27.into()));
        assert!(data["runs"][0][5].as_str().unwrap().contains(nasty));
        let spans = data["lanes"][0]["spans"].as_array().unwrap();
        let shown: Vec<&str> = spans.iter().map(|span| span[9].as_str().unwrap()).collect();
        assert_eq!(shown, names.iter().map(|name| &**name).collect::<Vec<_>>());
        let sum = |place: usize| spans.iter().map(|span| span[place].as_u64().unwrap()).sum::<u64>();
        // Tasks, rows, bytes, spilled, results.
        assert_eq!([4, 5, 6, 7, 8].map(sum), [3, 21, 300, 27, 9]);
        assert!(spans.windows(2).all(|pair| pair[0][2].as_u64() <= pair[1][1].as_u64()));
        let stages = data["stages"].as_array().unwrap();
        assert_eq!((stages.len(), &stages[1][0], &stages[1][1]), (2, &"scan → sort".into(), &2.into()));
        let booked = data["booked"].as_array().unwrap();
        assert_eq!(booked.iter().map(|point| point[2].as_u64().unwrap()).max(), Some(50));
        assert_eq!(data["spills"][0]["what"], "rows to sort");
    }
}
