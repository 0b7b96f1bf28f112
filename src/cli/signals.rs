//! Ctrl-C, and being told to end: the runs are stopped cleanly, and the exit code says which signal it was.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use partita::Session;

/// The session whose runs a signal stops: that of the command, or of the statement that a shell carries out.
#[derive(Clone, Default)]
pub(super) struct Current(Arc<Mutex<Option<Session>>>);

impl Current {
    /// From now on signals stop this session.
    pub(super) fn set(&self, session: Option<Session>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// Stops its runs, and waits until nothing of them is left.
    fn close(&self) {
        let session = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(session) = session {
            session.close();
        }
    }
}

/// From now on the first SIGINT or SIGTERM stops the session's runs, waits until nothing of them is left, and ends the process
/// with 128 + the signal's number (130, 143); a second one does not wait.
pub(super) fn close_on_signal(session: &Session) -> io::Result<()> {
    let current = Current::default();
    current.set(Some(session.clone()));
    listen(&current, true)
}

/// From now on SIGINT stops the runs of the session of the moment and nothing else; SIGTERM ends the process too.
pub(super) fn close_statement_on_interrupt(current: &Current) -> io::Result<()> {
    listen(current, false)
}

#[cfg(unix)]
fn listen(current: &Current, ends_on_interrupt: bool) -> io::Result<()> {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::register_conditional_shutdown;
    use signal_hook::iterator::Signals;

    let is_second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, 128 + signal, is_second.clone())?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let current = current.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGINT && !ends_on_interrupt {
                current.close();
                continue;
            }
            is_second.store(true, Ordering::SeqCst);
            current.close();
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            // Written at once: stderr may be gone, and the exit code tells it too.
            _ = writeln!(io::stderr(), "error: the run was cancelled by {name}");
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// Other systems end the process at once; files that have no name go with it.
#[cfg(not(unix))]
fn listen(_: &Current, _: bool) -> io::Result<()> {
    Ok(())
}

/// What follows a run that a signal has cancelled: the thread that heard of the signal ends the process when all is let go.
pub(super) fn wait_for_exit() -> ! {
    loop {
        std::thread::park();
    }
}
