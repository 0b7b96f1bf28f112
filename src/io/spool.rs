//! What can be read only once, kept for reading again: copies in one unlinked file of the spill directory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::read_at::Input;
use crate::error::{Error, ErrorKind, Result};

/// Takes copies, one after the other, all into one file: any number of them costs one file handle. The file is made
/// with the first copy and goes with the last reader.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    file: Option<Arc<File>>,
    /// Where the next copy begins.
    end: u64,
}

impl Spool {
    pub(crate) fn new(directory: &Path) -> Spool {
        Spool { directory: directory.to_path_buf(), file: None, end: 0 }
    }

    /// Keeps all that `from` gives. Errors of `from` come out as they are in the inner result.
    pub(crate) fn copy(&mut self, from: &mut impl Read) -> Result<io::Result<Input>> {
        let mut copy = self.begin()?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(Ok(copy.finish())),
                Ok(read) => copy.write(&buffer[..read])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    /// Begins a copy whose bytes come piece by piece. One that is not finished leaves nothing behind that is read.
    pub(crate) fn begin(&mut self) -> Result<Copy<'_>> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => {
                let file = tempfile::tempfile_in(&self.directory).map_err(|e| self.error(&e))?;
                self.file.insert(Arc::new(file)).clone()
            }
        };
        (&*file).seek(SeekFrom::Start(self.end)).map_err(|e| self.error(&e))?;
        Ok(Copy { spool: self, file, len: 0 })
    }

    fn error(&self, error: &io::Error) -> Error {
        let directory = self.directory.display();
        Error::new(ErrorKind::Io, format!("a copy of the input can't be written to '{directory}': {error}"))
            .help("name a directory with room for it, by SessionBuilder::spill_dir")
    }
}

/// A copy that is being written.
pub(crate) struct Copy<'a> {
    spool: &'a mut Spool,
    file: Arc<File>,
    len: u64,
}

impl Copy<'_> {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        (&*self.file).write_all(bytes).map_err(|e| self.spool.error(&e))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn finish(self) -> Input {
        let start = self.spool.end;
        self.spool.end += self.len;
        Input::Spooled { file: self.file, start, len: self.len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_follow_each_other_in_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path());
        let first = spool.copy(&mut &b"first"[..]).unwrap().unwrap();
        spool.begin().unwrap().write(b"given up").unwrap();
        let second = spool.copy(&mut &b"second"[..]).unwrap().unwrap();
        drop(spool);
        let mut buffer = [0; 20];
        assert_eq!(first.read_at(&mut buffer, 2).unwrap(), 3);
        assert_eq!(&buffer[..3], b"rst");
        assert_eq!(second.read_at(&mut buffer, 0).unwrap(), 6);
        assert_eq!(&buffer[..6], b"second");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = Spool::new(Path::new("/no/such/place")).copy(&mut &b"x"[..]).unwrap_err();
        assert!(error.to_string().contains("/no/such/place"), "{error}");
    }
}
