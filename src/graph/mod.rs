//! The task graph: tasks and the parts that pass between them. It knows nothing of Arrow or plans.
