//! A file's lock that ends with its holder.

use std::fs::File;

/// A file that this process has locked. Unlocked at the end, not only closed: a process that this one
/// begins at the same moment holds the file a little longer.
#[derive(Debug)]
pub struct HeldLock(File);

impl HeldLock {
    /// `file` is locked.
    pub fn of(file: File) -> HeldLock {
        HeldLock(file)
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
