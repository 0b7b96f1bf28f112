//! What does not fit into memory: blocks of bytes in a file without a name.
//!
//! A block is compressed by LZ4 and has a checksum, both kept in memory beside its place, so that a block that comes back
//! otherwise is an error and never a wrong answer. All blocks of a session lie in one file, so that there may be any number of
//! them; the room of those that are dropped is taken by later ones. The file is made with the first block and goes with the last
//! one. It is unlinked as it is made where the system can, else when it is closed: a run that is killed leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use twox_hash::XxHash64;

use super::usage::{Notice, Tell, Usage};
use crate::config::format_bytes;
use crate::error::{Error, ErrorKind, Result};

/// Where a session's runs spill to, and how much they may. Clones share it.
#[derive(Clone)]
pub(crate) struct Spill {
    shared: Arc<Shared>,
    /// Counts what is written.
    usage: Arc<Usage>,
    /// By whom.
    holder: &'static str,
}

struct Shared {
    directory: PathBuf,
    /// The most that may lie there at one time.
    limit: Option<u64>,
    room: Mutex<Room>,
    /// Whether the directory was found to be on a disk, or has been warned of.
    is_checked: AtomicBool,
}

/// The file, and which parts of it are free.
#[derive(Default)]
struct Room {
    file: Option<Arc<File>>,
    /// Where the last block ends.
    end: u64,
    /// What blocks take now.
    used: u64,
    /// What lies in other files.
    claimed: u64,
    /// What is free before the end: its length by its place. Neighbours are one.
    free: BTreeMap<u64, u64>,
    /// The same, as length and place.
    by_length: BTreeSet<(u64, u64)>,
}

/// Bytes that were spilled. Their room is given back when this is dropped.
pub(crate) struct Block {
    spill: Spill,
    file: Arc<File>,
    offset: u64,
    compressed: u32,
    raw: u32,
    checksum: u64,
}

/// Room for a file of somebody else's in the same directory, given back when this is dropped.
pub(crate) struct Claim {
    spill: Spill,
    bytes: u64,
}

/// The most bytes in a block.
pub(crate) const MAX_BLOCK: usize = 1 << 30;

impl Spill {
    pub(crate) fn new(directory: PathBuf, limit: Option<u64>) -> Spill {
        let shared = Shared { directory, limit, room: Mutex::default(), is_checked: AtomicBool::new(false) };
        Spill { shared: Arc::new(shared), usage: Arc::default(), holder: "rows" }
    }

    /// The same place, whose [`usage`](Spill::usage) begins anew.
    pub(crate) fn counted_anew(&self, tell: Option<Tell>) -> Spill {
        Spill { usage: Arc::new(Usage::new(tell)), ..self.clone() }
    }

    /// The same place; what is written there is this holder's.
    pub(super) fn of_holder(&self, holder: &'static str) -> Spill {
        Spill { holder, ..self.clone() }
    }

    /// What the run has used.
    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// The bytes ever written.
    #[cfg(test)]
    pub(crate) fn written(&self) -> u64 {
        self.usage.spilled_by().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Where the files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Room for a file beside ours, which is to [grow](Claim::grow).
    pub(crate) fn claim(&self) -> Claim {
        Claim { spill: self.clone(), bytes: 0 }
    }

    /// Writes a block: at most [`MAX_BLOCK`] bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the disk is full, or as much is spilled as may be.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Block> {
        self.usage.check()?;
        if bytes.len() > MAX_BLOCK {
            return Err(Error::new(ErrorKind::Memory, "one row is larger than 1 GiB, and too large to spill"));
        }
        let mut compressed = vec![0; get_maximum_output_size(bytes.len())];
        let length = compress_into(bytes, &mut compressed)
            .map_err(|error| Error::internal("a block can't be compressed").caused_by(error))?;
        let compressed = &compressed[..length];
        let (file, offset) = self.take(length as u64)?;
        let checksum = XxHash64::oneshot(0, compressed);
        // From here on its drop gives the room back, also when it can't be filled.
        let block =
            Block { spill: self.clone(), file, offset, compressed: length as u32, raw: bytes.len() as u32, checksum };
        write_all_at(&block.file, compressed, offset).map_err(|error| self.failed("write", error))?;
        self.usage.add_spilled(self.holder, length as u64);
        Ok(block)
    }

    fn room<R>(&self, f: impl FnOnce(&mut Room) -> R) -> R {
        // A poisoned lock only says that a panic happened elsewhere: the room is whole after every call.
        f(&mut self.shared.room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Room for so many bytes, and the file that it is in.
    fn take(&self, length: u64) -> Result<(Arc<File>, u64)> {
        let taken = self.room(|room| -> Result<io::Result<_>> {
            self.check_limit(room, length)?;
            let file = match &room.file {
                Some(file) => file.clone(),
                None => match tempfile::tempfile_in(&self.shared.directory) {
                    Ok(made) => room.file.insert(Arc::new(made)).clone(),
                    Err(error) => return Ok(Err(error)),
                },
            };
            Ok(Ok((file, room.take(length))))
        })?;
        let (file, offset) = taken.map_err(|error| self.failed("make", error))?;
        self.check_place(&file);
        Ok((file, offset))
    }

    fn check_limit(&self, room: &Room, more: u64) -> Result<()> {
        let used = room.used + room.claimed;
        let Some(limit) = self.shared.limit.filter(|limit| used + more > *limit) else { return Ok(()) };
        let (used, directory) = (format_bytes(used), self.shared.directory.display());
        let what = format!(
            "{} do not fit on disk: {used} are spilled to '{directory}', and the limit is {}",
            self.holder,
            format_bytes(limit)
        );
        Err(Error::new(ErrorKind::Io, what).help(
            "raise the spill limit (Session::builder().spill_limit(..), or --spill-limit) or the memory limit, or ask for less",
        ))
    }

    /// Warns, once a session, when what is to relieve memory lies in memory.
    fn check_place(&self, file: &File) {
        if !self.shared.is_checked.swap(true, Ordering::Relaxed) && is_in_memory(file) {
            self.usage.tell(|| {
                let directory = self.shared.directory.display();
                Notice::Warning(format!(
                    "what does not fit into memory goes to '{directory}', which is in memory itself: name a directory on a \
                     disk (Session::builder().spill_dir(..), or --spill-dir)"
                ))
            });
        }
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        let used = self.room(|room| room.used + room.claimed);
        let (directory, used) = (self.shared.directory.display(), format_bytes(used));
        let help = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "make room there, or name another directory (Session::builder().spill_dir(..), or --spill-dir)"
            }
            _ => "name another directory (Session::builder().spill_dir(..), or --spill-dir)",
        };
        let what = format!("cannot {what} a spill file in '{directory}' ({used} are there)");
        Error::new(ErrorKind::Io, what).help(help).caused_by(error)
    }
}

impl Claim {
    /// Takes over a file that has grown to so many bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when as much is spilled as may be.
    pub(crate) fn grow(&mut self, file: &File, bytes: u64) -> Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        self.spill.room(|room| self.spill.check_limit(room, more).map(|()| room.claimed += more))?;
        self.bytes += more;
        self.spill.check_place(file);
        self.spill.usage.add_spilled(self.spill.holder, more);
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.spill.room(|room| room.claimed -= self.bytes);
    }
}

impl Room {
    /// A place of so many bytes: the smallest that is free, else at the end.
    fn take(&mut self, length: u64) -> u64 {
        self.used += length;
        let Some((room, offset)) = self.by_length.range((length, 0)..).next().copied() else {
            self.end += length;
            return self.end - length;
        };
        self.remove(offset, room);
        if room > length {
            self.insert(offset + length, room - length);
        }
        offset
    }

    fn give_back(&mut self, offset: u64, length: u64) {
        self.used -= length;
        let (mut start, mut end) = (offset, offset + length);
        if let Some((before, room)) = self.free.range(..start).next_back().map(|(at, room)| (*at, *room))
            && before + room == start
        {
            self.remove(before, room);
            start = before;
        }
        if let Some(room) = self.free.get(&end).copied() {
            self.remove(end, room);
            end += room;
        }
        if end < self.end {
            return self.insert(start, end - start);
        }
        self.end = start;
        if start == 0 {
            self.file = None;
        } else if let Some(file) = &self.file {
            // A file that stays too long is only not as short as it might be.
            _ = file.set_len(start);
        }
    }

    fn insert(&mut self, offset: u64, length: u64) {
        self.free.insert(offset, length);
        self.by_length.insert((length, offset));
    }

    fn remove(&mut self, offset: u64, length: u64) {
        self.free.remove(&offset);
        self.by_length.remove(&(length, offset));
    }
}

impl Block {
    /// Reads it into `bytes`, whose old content goes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when it can't be read, or is not what was written.
    pub(crate) fn read(&self, bytes: &mut Vec<u8>) -> Result<()> {
        self.spill.usage.check()?;
        let mut compressed = vec![0; self.compressed as usize];
        read_exact_at(&self.file, &mut compressed, self.offset).map_err(|error| self.spill.failed("read", error))?;
        let damaged = || {
            let directory = self.spill.shared.directory.display();
            Error::new(ErrorKind::Io, format!("what was spilled to '{directory}' came back damaged"))
                .help("the disk or the memory of this machine fails; name another directory (Session::builder().spill_dir(..), or --spill-dir)")
        };
        if XxHash64::oneshot(0, &compressed) != self.checksum {
            return Err(damaged());
        }
        bytes.clear();
        bytes.resize(self.raw as usize, 0);
        match decompress_into(&compressed, bytes) {
            Ok(length) if length == bytes.len() => Ok(()),
            _ => Err(damaged()),
        }
    }

    /// The bytes that come back.
    #[cfg(any(test, feature = "bag"))]
    pub(crate) fn raw(&self) -> usize {
        self.raw as usize
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.spill.room(|room| room.give_back(self.offset, u64::from(self.compressed)));
    }
}

/// Whether the file is on a file system that is memory: no relief of it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_in_memory(file: &File) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    // The numbers are of 32 bits, wherever the field is wider.
    rustix::fs::fstatfs(file).is_ok_and(|about| [TMPFS, RAMFS].contains(&(about.f_type as u32)))
}

/// Other systems' temporary directories are on disks.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_in_memory(_: &File) -> bool {
    false
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spill(limit: Option<u64>) -> Spill {
        Spill::new(std::env::temp_dir(), limit)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn blocks_come_back_wherever_room_was(
            steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<Option<prop::sample::Index>>()), 1..40),
        ) {
            let spill = spill(None);
            let mut blocks: Vec<(Vec<u8>, Block)> = vec![];
            let mut bytes = vec![7; 9];
            for (more, goes) in steps {
                let block = spill.write(&more).unwrap();
                prop_assert_eq!(block.raw(), more.len());
                blocks.push((more, block));
                if let Some(goes) = goes {
                    blocks.remove(goes.index(blocks.len()));
                }
                for (written, block) in &blocks {
                    block.read(&mut bytes).unwrap();
                    prop_assert_eq!(&bytes, written);
                }
                // What is not used is free, and free neighbours are one.
                let used: u64 = blocks.iter().map(|(_, block)| u64::from(block.compressed)).sum();
                spill.room(|room| {
                    assert_eq!((room.used, room.used + room.free.values().sum::<u64>()), (used, room.end));
                    assert_eq!(room.free.len(), room.by_length.len());
                    assert!(room.free.iter().all(|(at, length)| !room.free.contains_key(&(at + length))));
                    let length = room.file.as_ref().map_or(0, |file| file.metadata().unwrap().len());
                    assert_eq!(length, room.end);
                });
            }
            drop(blocks);
            prop_assert!(spill.room(|room| room.file.is_none() && room.free.is_empty()));
        }
    }

    #[test]
    fn a_changed_block_is_an_error() {
        let block = spill(None).write(&[5; 1000]).unwrap();
        for offset in 0..u64::from(block.compressed) {
            let mut byte = [0];
            read_exact_at(&block.file, &mut byte, offset).unwrap();
            write_all_at(&block.file, &[byte[0] ^ 1], offset).unwrap();
            let error = block.read(&mut Vec::new()).unwrap_err();
            assert!(error.message().contains("damaged"), "{error}");
            write_all_at(&block.file, &byte, offset).unwrap();
        }
        block.read(&mut Vec::new()).unwrap();
        block.file.set_len(3).unwrap();
        assert_eq!(block.read(&mut Vec::new()).unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn a_quota_is_shared_and_given_back() {
        let spill = spill(Some(3000));
        // Bytes that can't be compressed.
        let mut x = 1u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        })
        .take(2000)
        .collect();
        let other = spill.counted_anew(None);
        let block = spill.write(&noise).unwrap();
        let error = other.write(&noise).err().unwrap();
        assert!(error.message().contains("the limit is"), "{error}");
        drop(block);
        let block = other.write(&noise).unwrap();
        assert!(spill.written() > 1900 && spill.written() == other.written());
        // Files of others count as well.
        let file = tempfile::tempfile().unwrap();
        let mut claim = spill.of_holder("rows to persist").claim();
        assert!(claim.grow(&file, 1100).unwrap_err().message().starts_with("rows to persist do not fit"));
        drop(block);
        claim.grow(&file, 1100).unwrap();
        claim.grow(&file, 2500).unwrap();
        assert!(other.write(&noise).is_err());
        drop(claim);
        other.write(&noise).unwrap();
        assert!(spill.usage().spilled_by().contains(&("rows to persist", 2500)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_poses_as_a_disk_is_warned_of_once() {
        use std::sync::atomic::AtomicUsize;

        let is_memory = |directory: &str| is_in_memory(&tempfile::tempfile_in(directory).unwrap());
        if !Path::new("/dev/shm").is_dir() || !is_memory("/dev/shm") {
            return eprintln!("skipped: /dev/shm is no memory file system here");
        }
        assert!(!is_memory(env!("CARGO_MANIFEST_DIR")));
        let warned = Arc::new(AtomicUsize::new(0));
        for (directory, warnings) in [(env!("CARGO_MANIFEST_DIR"), 0), ("/dev/shm", 1)] {
            let session = Spill::new(directory.into(), None);
            for _run in 0..2 {
                let count = warned.clone();
                let spill = session.counted_anew(Some(Box::new(move |notice| {
                    if let Notice::Warning(text) = notice {
                        assert!(text.contains("'/dev/shm'"), "{text}");
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })));
                drop((spill.write(&[1]).unwrap(), spill.write(&[2]).unwrap()));
            }
            assert_eq!(warned.load(Ordering::Relaxed), warnings, "{directory}");
        }
    }

    #[test]
    fn a_cancelled_run_gives_up_with_the_next_block() {
        let session = spill(None);
        let run = session.counted_anew(None);
        let (block, other) = (run.write(&[1]).unwrap(), session.write(&[2]).unwrap());
        run.usage().cancel();
        assert_eq!(block.read(&mut Vec::new()).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(run.write(&[1]).err().unwrap().kind(), ErrorKind::Cancelled);
        other.read(&mut Vec::new()).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_named() {
        let error = Spill::new("/no/such/directory".into(), None).write(&[1]).err().unwrap();
        assert!(error.to_string().contains("'/no/such/directory'"), "{error}");
        assert!(error.to_string().contains("spill_dir"), "{error}");
    }
}
