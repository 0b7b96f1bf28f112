//! Which columns a source has, out of the headers of its files, and where each file has them.

use std::collections::{HashMap, HashSet};

use super::infer::Header;
use super::options::CsvOptions;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::io::discover::InputFile;

/// Where a file has a column of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this field of each record.
    Field(usize),
    /// Nowhere: it is null.
    Missing,
    /// It is the file's name.
    FileName,
}

/// The names of the columns that are read, and where each file has them.
///
/// # Errors
/// Files that lack a column, or have more than they should; a column to read that no file has.
pub(crate) fn agree(files: &[(&InputFile, &Header)], options: &CsvOptions) -> Result<(Vec<String>, Vec<Vec<Place>>)> {
    let names = match &options.columns {
        Some(names) => {
            let all = union(files);
            let known: HashSet<&str> = all.iter().map(String::as_str).collect();
            match names.iter().find(|name| !known.contains(name.as_str())) {
                None => names.clone(),
                Some(name) => {
                    let error = Error::unknown_column(name, all.iter().map(String::as_str));
                    return Err(error.in_step("CsvOptions::columns, --columns"));
                }
            }
        }
        None if options.columns_may_differ => union(files),
        None => files.first().map_or_else(Vec::new, |(_, header)| header.names.clone()),
    };
    let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut places = Vec::with_capacity(files.len());
    for (file, header) in files {
        let by_name: HashMap<&str, usize> = header.names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let place = |name: &String| by_name.get(name.as_str()).map_or(Place::Missing, |&field| Place::Field(field));
        let found: Vec<Place> = names.iter().map(place).collect();
        if !options.columns_may_differ {
            if let Some(extra) = header.names.iter().find(|name| !wanted.contains(name.as_str()))
                && options.columns.is_none()
            {
                return Err(lacks(extra, files[0].0, file));
            }
            if let Some(missing) = found.iter().position(|&place| place == Place::Missing) {
                let has = |(_, header): &&(&InputFile, &Header)| header.names.contains(&names[missing]);
                let having = files.iter().find(has).map_or(*file, |(having, _)| having);
                return Err(lacks(&names[missing], file, having));
            }
        }
        places.push(found);
    }
    Ok((names, places))
}

/// All names, in the order in which the files name them first.
fn union(files: &[(&InputFile, &Header)]) -> Vec<String> {
    let mut seen = HashSet::new();
    files.iter().flat_map(|(_, header)| &header.names).filter(|name| seen.insert(name.as_str())).cloned().collect()
}

fn lacks(name: &str, lacking: &InputFile, having: &InputFile) -> Error {
    Error::new(
        ErrorKind::Column,
        format!("'{}' has no column '{name}', which '{}' has", lacking.path.display(), having.path.display()),
    )
    .at(Position { file: lacking.path.clone(), line: Some(1), ..Position::default() })
    .help(
        "take null for what a file lacks with CsvOptions::columns_may_differ or --columns-may-differ, or name the columns to read with \
         CsvOptions::columns or --columns",
    )
}
