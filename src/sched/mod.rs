//! Runs task graphs: the session, the queue, the workers, events.
