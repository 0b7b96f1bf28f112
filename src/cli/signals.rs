//! Ctrl-C, and being told to end: the runs are stopped cleanly, and the exit code says which signal it was.

use std::io;

use partita::Session;

/// From now on the first SIGINT or SIGTERM stops the session's runs, waits until nothing of them is left, and ends the process
/// with 128 + the signal's number (130, 143); a second one does not wait.
#[cfg(unix)]
pub(super) fn close_on_signal(session: &Session) -> io::Result<()> {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::register_conditional_shutdown;
    use signal_hook::iterator::Signals;

    let is_second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, 128 + signal, is_second.clone())?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let session = session.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            is_second.store(true, Ordering::SeqCst);
            session.close();
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
pub(super) fn close_on_signal(_: &Session) -> io::Result<()> {
    Ok(())
}

/// What follows a run that a signal has cancelled: the thread that heard of the signal ends the process when all is let go.
pub(super) fn wait_for_exit() -> ! {
    loop {
        std::thread::park();
    }
}
