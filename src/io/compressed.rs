//! Compressed files, told by their first bytes: gzip, of one member or many, and Zstandard. Each is one stream, unpacked once
//! into the session's directory for spill files and read there; so it is read in partitions like any other.

use std::io::{self, Read};

use super::discover::InputFile;
use super::read_at::Input;
use super::spool::Spool;
use crate::error::{Error, ErrorKind, Position, Result};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Option<Packing> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
            // A frame of data, or one to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// What is in a file if it is compressed, unpacked into `spool`; `None` if it is not.
///
/// # Errors
/// An archive that is cut short or damaged; what the system says.
pub(crate) fn unpacked(file: &InputFile, input: &Input, spool: &mut Spool) -> Result<Option<InputFile>> {
    let mut head = [0; 4];
    let read = input.read_at(&mut head, 0).map_err(|e| super::discover::io_error(&file.path, &e))?;
    let Some(packing) = Packing::of(&head[..read]) else { return Ok(None) };
    let packed = ReadOn { input, at: 0 };
    let broken = |error: io::Error| {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "is cut short".to_owned(),
            _ => format!("is damaged: {error}"),
        };
        Error::new(ErrorKind::Malformed, format!("the {} file {what}", packing.name()))
            .at(Position { file: file.path.clone(), ..Position::default() })
            .help("copy or make it again; `gzip -t` and `zstd -t` test archives")
    };
    let copy = match packing {
        Packing::Gzip => spool.copy(&mut flate2::read::MultiGzDecoder::new(packed))?,
        Packing::Zstd => match zstd::stream::read::Decoder::new(packed) {
            Ok(mut decoder) => spool.copy(&mut decoder)?,
            Err(error) => Err(error),
        },
    };
    Ok(Some(InputFile::held(file.path.clone(), copy.map_err(broken)?)?))
}

/// Reads on from a position.
struct ReadOn<'a> {
    input: &'a Input,
    at: u64,
}

impl Read for ReadOn<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let input = Input::Memory(bytes.into());
        let file = InputFile::held("f.csv".into(), input.clone()).unwrap();
        let unpacked = unpacked(&file, &input, &mut Spool::new(&std::env::temp_dir()))?;
        Ok(unpacked.map(|file| {
            let mut text = vec![0; file.bytes as usize];
            file.open().unwrap().read_at(&mut text, 0).unwrap();
            text
        }))
    }

    #[test]
    fn all_members_and_frames_are_read() {
        assert_eq!(read(b"a,b\n".to_vec()).unwrap(), None);
        assert_eq!(read([gzip(b"a,b\n"), gzip(b""), gzip(b"1,2\n")].concat()).unwrap().unwrap(), b"a,b\n1,2\n");
        let zstd = |text: &[u8]| zstd::stream::encode_all(text, 1).unwrap();
        assert_eq!(read([zstd(b"a,b\n"), zstd(b"1,2\n")].concat()).unwrap().unwrap(), b"a,b\n1,2\n");
    }

    #[test]
    fn a_cut_archive_is_an_error_at_every_cut() {
        let text = b"a,b\n1,2\n".repeat(50);
        for packed in
            [gzip(&text), zstd::stream::encode_all(&text[..], 1).unwrap(), [gzip(&text), gzip(&text)].concat()]
        {
            // Not between members, where an archive may end.
            for cut in (5..packed.len()).filter(|&cut| 2 * cut != packed.len()) {
                let error = read(packed[..cut].to_vec()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Malformed, "{cut}");
                assert!(error.message().contains("cut short"), "{cut}: {error}");
            }
        }
    }
}
