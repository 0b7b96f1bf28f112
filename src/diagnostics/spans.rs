//! Runs and tasks as spans of `tracing`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use tracing::span::EnteredSpan;
use tracing::{Span, debug, debug_span, error, info_span, warn};

use super::kind;
use crate::sched::{Event, Observer};

/// Tells runs to the subscribers of [`tracing`](https://docs.rs/tracing): a span `run` at the level of information for each run, and in it a
/// span `task` at that of debugging for each task, on the thread that runs it, with its name and the `stage` that it is of. So what a closure
/// tells stands in the task that calls it. Input that is read and what is spilled are events of the task; warnings and failures are events of
/// their level. With the feature `tracing`.
///
/// ```
/// use std::sync::Arc;
/// use partita::{Session, Spans};
/// let session = Session::builder().observer(Arc::new(Spans::new())).build()?;
/// # drop(session);
/// # Ok::<(), partita::Error>(())
/// ```
#[derive(Default)]
pub struct Spans(Mutex<HashMap<u64, Span>>);

thread_local! {
    /// The tasks that this thread is in, the innermost last.
    static TASKS: RefCell<Vec<EnteredSpan>> = const { RefCell::new(vec![]) };
}

impl Spans {
    /// An observer that tells runs to whatever subscriber there is.
    pub fn new() -> Spans {
        Spans::default()
    }

    fn runs<R>(&self, f: impl FnOnce(&mut HashMap<u64, Span>) -> R) -> R {
        // Whatever happened to the thread that held it: the map is whole.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The span of a run.
    fn run(&self, run: u64) -> Span {
        self.runs(|runs| runs.get(&run).cloned()).unwrap_or_else(Span::none)
    }
}

impl Observer for Spans {
    fn on(&self, event: &Event) {
        match event {
            Event::RunStarted { run, tasks, bytes, partitions, .. } => {
                let span = info_span!(parent: None, "run", run, tasks, bytes, partitions);
                self.runs(|runs| runs.insert(*run, span));
            }
            Event::TaskStarted { run, task, name, .. } => {
                let span = debug_span!(parent: &self.run(*run), "task", run, task, name = &**name, stage = kind(name));
                TASKS.with_borrow_mut(|tasks| tasks.push(span.entered()));
            }
            Event::Advanced { bytes, rows, partitions, .. } => debug!(bytes, rows, partitions, "read"),
            Event::Spilled { operator, bytes, .. } => debug!(operator, bytes, "spilled"),
            Event::TaskFinished { seconds, bytes, .. } => {
                debug!(seconds, bytes, "finished");
                let ended = TASKS.with_borrow_mut(Vec::pop);
                // Outside of the borrow: a subscriber may run anything.
                drop(ended);
            }
            Event::Warning { run, message } => self.run(*run).in_scope(|| warn!("{message}")),
            Event::Restarted { message } => warn!("{message}"),
            Event::RunFinished { run, seconds, spilled, peak, error, .. } => {
                let span = self.runs(|runs| runs.remove(run)).unwrap_or_else(Span::none);
                span.in_scope(|| match error {
                    Some(error) => error!(seconds, spilled, peak, "{error}"),
                    None => debug!(seconds, spilled, peak, "finished"),
                });
            }
        }
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spans({} runs under way)", self.runs(|runs| runs.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Metadata, Subscriber};

    use super::*;

    /// Writes down what it is told, with what each span is in.
    #[derive(Clone, Default)]
    struct Journal {
        lines: Arc<Mutex<Vec<String>>>,
        names: Arc<Mutex<HashMap<u64, String>>>,
        ids: Arc<AtomicU64>,
    }

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if ["run", "name", "stage", "message"].contains(&field.name()) {
                self.0 += &format!(" {}={value:?}", field.name());
            }
        }
    }

    impl Journal {
        fn line(&self, line: String) {
            self.lines.lock().unwrap().push(line);
        }

        fn name(&self, id: &Id) -> String {
            self.names.lock().unwrap()[&id.into_u64()].clone()
        }
    }

    impl Subscriber for Journal {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, span: &Attributes<'_>) -> Id {
            let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
            let mut fields = Fields(String::new());
            span.record(&mut fields);
            let parent = span.parent().map_or(String::new(), |parent| format!(" in {}", self.name(parent)));
            let metadata = span.metadata();
            self.names.lock().unwrap().insert(id, metadata.name().to_owned());
            self.line(format!("{} {}{}{parent}", metadata.level(), metadata.name(), fields.0));
            Id::from_u64(id)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            self.line(format!("{} event{}", event.metadata().level(), fields.0));
        }
        fn enter(&self, id: &Id) {
            self.line(format!("-> {}", self.name(id)));
        }
        fn exit(&self, id: &Id) {
            self.line(format!("<- {}", self.name(id)));
        }
    }

    #[test]
    fn runs_and_tasks_are_spans() {
        let journal = Journal::default();
        let spans = Spans::new();
        let name: Arc<str> = "scan → sort 3".into();
        tracing::subscriber::with_default(journal.clone(), || {
            spans.on(&Event::RunStarted { run: 7, tasks: 1, bytes: 0, partitions: 0, stages: vec![] });
            spans.on(&Event::TaskStarted { run: 7, task: 0, name: name.clone(), booked: 0 });
            tracing::info!("from a closure");
            spans.on(&Event::TaskFinished { run: 7, task: 0, name, seconds: 0.5, bytes: 1, booked: 0 });
            spans.on(&Event::Warning { run: 7, message: "odd".into() });
            let error = Some(crate::Error::internal("broken"));
            let (spilled_by, limit) = (vec![], 0);
            spans.on(&Event::RunFinished { run: 7, seconds: 1.0, spilled: 0, spilled_by, peak: 0, limit, error });
        });
        let lines = journal.lines.lock().unwrap().join("\n");
        let expected = "\
INFO run run=7
DEBUG task run=7 name=\"scan → sort 3\" stage=\"scan → sort\" in run
-> task
INFO event message=from a closure
DEBUG event message=finished
<- task
-> run
WARN event message=odd
<- run
-> run
ERROR event message=";
        assert!(lines.starts_with(expected) && lines.contains("broken") && lines.ends_with("<- run"), "{lines}");
        assert_eq!(format!("{spans:?}"), "Spans(0 runs under way)");
    }
}
