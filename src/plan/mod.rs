//! What a query says: the logical plan, its text, and its rewrites.
