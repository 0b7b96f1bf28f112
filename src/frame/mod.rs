//! What a person holds: the lazy dataframe and its parts.
