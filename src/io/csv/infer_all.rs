//! Types from everything: every record of a file, one after the other.

use super::encoding::TextFile;
use super::fields::{FieldIndex, State};
use super::infer::{Guess, Header, see_record, spellings_of};
use super::options::CsvOptions;
use crate::error::Result;
use crate::io::read_at::Input;

/// So much is looked at at a time, more where a record is longer.
const BLOCK: usize = 1 << 20;

/// Takes all records of a file into the guesses, one for each of its columns; those that are text stay it, unseen. `keep_types`: what
/// would make text of another type is passed over. What is no record of the header's width is too, and named by the run.
pub(crate) fn infer_all(
    input: &Input,
    file: &TextFile,
    header: &Header,
    options: &CsvOptions,
    mut guesses: Vec<Guess>,
    keep_types: bool,
) -> Result<Vec<Guess>> {
    let spellings = spellings_of(header, file, options);
    let (mut at, mut size) = (header.first_record, BLOCK);
    let mut index = FieldIndex::default();
    while at < file.end {
        let data = file.window(input, at, size)?;
        let last = at + data.len() as u64 >= file.end;
        if data.is_empty() {
            break;
        }
        index.index(&data, State::FieldStart, &file.dialect, last);
        let Some(place) = index.last_record(&data) else {
            if last || data.len() >= options.max_record {
                // A quote that is not closed: what is behind its line may be records again.
                at += file.dialect.next_line(&data, 0) as u64;
                size = BLOCK;
            } else {
                size = size.max(data.len()) * 2;
            }
            continue;
        };
        let end = index.truncate_after(&data, place);
        index.for_each_record(&data[..end], |record| {
            if record.fits(spellings.len(), &file.dialect) {
                see_record(record, &data, at, &spellings, &mut guesses, keep_types);
            }
        });
        at += end as u64;
        size = BLOCK;
    }
    Ok(guesses)
}
