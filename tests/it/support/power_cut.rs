//! A disk whose power can be cut: a FUSE file system in this process that keeps what was written in
//! memory until it is synced, over a folder that stands for the platters.
//!
//! Besides power cuts it plays a disk that is full, that fails a flush, and that lies about flushes.
//! Limits: rename, unlink and mkdir are durable at once; no hard links, no extended attributes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, SessionACL,
    TimeOrNow, WriteFlags,
};

use super::platter::{Node, PAGE};
use pantau::cli::chance::Chance;

/// Nothing is remembered by the kernel about names and sizes: this file system alone knows.
const TTL: Duration = Duration::ZERO;

/// How often, and how many times, one looks whether threads that end have closed their files.
const LET_GO_EVERY: Duration = Duration::from_millis(5);
const LET_GO_LOOKS: u32 = 2_000;

/// What the cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    Clean,
    /// A random choice of the 512-byte sectors, in no order.
    Torn { seed: u64 },
}

/// Which flushes are confirmed and not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lies {
    #[default]
    None,
    /// Those of write-ahead logs: what `synchronous=NORMAL` leaves out.
    WriteAheadLog,
    All,
}

/// How the disk behaves from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manners {
    pub lies: Lies,
    /// The files may not grow beyond this many bytes together.
    pub room: Option<u64>,
    /// The next flush of a file fails; what it should have written is dropped, as Linux does.
    pub fail_next_sync: bool,
}

/// The disk while it is mounted. Who uses the mount must be gone before this is dropped.
pub struct PowerCut {
    disk: Arc<Mutex<Disk>>,
    session: Option<BackgroundSession>,
    mount: PathBuf,
}

impl PowerCut {
    /// Why there is none on this machine; `None` where there is.
    pub fn missing() -> Option<&'static str> {
        if !Path::new("/dev/fuse").exists() {
            return Some("there is no /dev/fuse");
        }
        let places = std::env::var_os("PATH").unwrap_or_default();
        let helper = std::env::split_paths(&places).any(|place| place.join("fusermount3").exists());
        (!helper).then_some("fusermount3 is not installed (Debian: fuse3)")
    }

    /// Shows the folder `backing` at `mount`; both must be there.
    pub fn mount(backing: &Path, mount: &Path) -> io::Result<PowerCut> {
        PowerCut::mount_for(SessionACL::Owner, backing, mount)
    }

    /// The same, for programs of other users too, each of whom owns what it makes: a database's.
    pub fn mount_for_all(backing: &Path, mount: &Path) -> io::Result<PowerCut> {
        PowerCut::mount_for(SessionACL::All, backing, mount)
    }

    fn mount_for(acl: SessionACL, backing: &Path, mount: &Path) -> io::Result<PowerCut> {
        let disk = Arc::new(Mutex::new(Disk::over(backing)));
        let mut config = Config::default();
        config.acl = acl;
        config.mount_options = vec![MountOption::FSName("powercut".to_owned())];
        let session = fuser::spawn_mount(Mounted(disk.clone()), mount, &config)?;
        Ok(PowerCut { disk, session: Some(session), mount: mount.to_owned() })
    }

    /// Changes how the disk behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut lock(&self.disk).manners);
    }

    /// Fills the disk: nothing may grow by more than `spare` bytes.
    pub fn fill(&self, spare: u64) {
        let mut disk = lock(&self.disk);
        disk.manners.room = Some(disk.used() + spare);
    }

    /// The power goes: from now on every call fails, and the backing folder holds what survived.
    pub fn cut(&self, how: Cut) {
        let mut disk = lock(&self.disk);
        if disk.dead {
            return;
        }
        disk.dead = true;
        let root = disk.root.clone();
        let mut numbers: Vec<u64> = disk.nodes.keys().copied().collect();
        // So that one seed tears alike.
        numbers.sort_unstable();
        let mut chance = match how {
            Cut::Torn { seed } => Some(Chance::new(seed)),
            Cut::Clean => None,
        };
        for number in numbers {
            let Some(node) = disk.nodes.get_mut(&number) else { continue };
            if node.gone {
                continue;
            }
            let kept = match &mut chance {
                Some(chance) => {
                    node.tear(chance);
                    !node.fresh || chance.happens(0.5)
                }
                None => !node.fresh,
            };
            if !kept && node.file.is_some() {
                let _ = std::fs::remove_file(root.join(&node.path));
            }
        }
    }

    /// Everything is written back, as at a clean shutdown, and the disk is let go.
    pub fn shut_down(mut self) -> io::Result<()> {
        for node in lock(&self.disk).nodes.values_mut() {
            node.sync();
        }
        self.unmount()
    }

    /// Lets the disk go, as the cut left it, once no thread of this process has a file of it open.
    pub fn unmount(&mut self) -> io::Result<()> {
        for _ in 0..LET_GO_LOOKS {
            if !is_open_here(&self.mount) {
                break;
            }
            std::thread::park_timeout(LET_GO_EVERY);
        }
        self.session.take().map_or(Ok(()), BackgroundSession::umount_and_join)
    }
}

/// Whether this process has a file below the folder open.
fn is_open_here(folder: &Path) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|file| file.starts_with(folder))
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who made a file.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn of(request: &Request) -> Owner {
        Owner { uid: request.uid(), gid: request.gid() }
    }

    fn take(self, path: &Path) -> io::Result<()> {
        let found = std::fs::symlink_metadata(path)?;
        if (found.uid(), found.gid()) == (self.uid, self.gid) {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }
}

struct Disk {
    root: PathBuf,
    nodes: HashMap<u64, Node>,
    names: HashMap<PathBuf, u64>,
    next: u64,
    manners: Manners,
    dead: bool,
}

impl Disk {
    fn over(root: &Path) -> Disk {
        let top = Node::folder(PathBuf::new());
        let mut disk = Disk {
            root: root.to_owned(),
            nodes: HashMap::from([(INodeNo::ROOT.0, top)]),
            names: HashMap::from([(PathBuf::new(), INodeNo::ROOT.0)]),
            next: INodeNo::ROOT.0 + 1,
            manners: Manners::default(),
            dead: false,
        };
        disk.look_at(&PathBuf::new());
        disk
    }

    /// Knows all that lies in a folder, so that what is used can be counted.
    fn look_at(&mut self, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(self.root.join(folder)) else { return };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            self.number(&path);
            if entry.path().is_dir() {
                self.look_at(&path);
            }
        }
    }

    fn used(&self) -> u64 {
        self.nodes.values().filter(|node| !node.gone).map(|node| node.size).sum()
    }

    fn number(&mut self, path: &Path) -> Option<u64> {
        if let Some(number) = self.names.get(path) {
            return Some(*number);
        }
        let node = Node::found(&self.root, path)?;
        let number = self.next;
        self.next += 1;
        self.nodes.insert(number, node);
        self.names.insert(path.to_owned(), number);
        Some(number)
    }

    fn path(&self, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        self.alive()?;
        Ok(self.nodes.get(&parent.0).ok_or(Errno::ENOENT)?.path.join(name))
    }

    fn alive(&self) -> Result<(), Errno> {
        if self.dead { Err(Errno::EIO) } else { Ok(()) }
    }

    fn node(&mut self, number: INodeNo) -> Result<&mut Node, Errno> {
        self.alive()?;
        self.nodes.get_mut(&number.0).ok_or(Errno::ENOENT)
    }

    fn attributes(&self, number: u64) -> Result<FileAttr, Errno> {
        self.alive()?;
        let node = self.nodes.get(&number).ok_or(Errno::ENOENT)?;
        let found = match &node.file {
            Some(file) => file.metadata(),
            None => std::fs::symlink_metadata(self.root.join(&node.path)),
        };
        let found = found?;
        let time = found.modified().unwrap_or(UNIX_EPOCH);
        Ok(FileAttr {
            ino: INodeNo(number),
            size: node.size,
            blocks: node.size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: if node.file.is_some() { FileType::RegularFile } else { FileType::Directory },
            perm: (found.permissions().mode() & 0o7777) as u16,
            nlink: u32::from(!node.gone),
            uid: found.uid(),
            gid: found.gid(),
            rdev: 0,
            blksize: PAGE as u32,
            flags: 0,
        })
    }

    fn entry(&mut self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let path = self.path(parent, name)?;
        let number = self.number(&path).ok_or(Errno::ENOENT)?;
        self.attributes(number)
    }

    fn create(
        &mut self,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        owner: Owner,
    ) -> Result<FileAttr, Errno> {
        let path = self.path(parent, name)?;
        let full = self.root.join(&path);
        std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&full)?;
        std::fs::set_permissions(&full, std::fs::Permissions::from_mode(mode & 0o7777))?;
        owner.take(&full)?;
        let number = self.number(&path).ok_or(Errno::EIO)?;
        self.node(INodeNo(number))?.fresh = true;
        self.attributes(number)
    }

    fn make_folder(
        &mut self,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        owner: Owner,
    ) -> Result<FileAttr, Errno> {
        let path = self.path(parent, name)?;
        let full = self.root.join(&path);
        std::fs::create_dir(&full)?;
        std::fs::set_permissions(&full, std::fs::Permissions::from_mode(mode & 0o7777))?;
        owner.take(&full)?;
        let number = self.number(&path).ok_or(Errno::EIO)?;
        self.attributes(number)
    }

    fn write(&mut self, number: INodeNo, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        // A database has thousands of files: they are counted only where it matters.
        let left = self.manners.room.map(|room| room.saturating_sub(self.used()));
        let node = self.node(number)?;
        let grows = (offset + data.len() as u64).saturating_sub(node.size);
        if grows > 0 && left.is_some_and(|left| grows > left) {
            return Err(Errno::ENOSPC);
        }
        node.write(offset, data);
        Ok(data.len() as u32)
    }

    fn sync(&mut self, number: INodeNo) -> Result<(), Errno> {
        let lies = self.manners.lies;
        let fails = std::mem::take(&mut self.manners.fail_next_sync);
        let node = self.node(number)?;
        if fails {
            node.forget();
            return Err(Errno::EIO);
        }
        let is_log = node.path.to_string_lossy().ends_with("-wal");
        match lies {
            Lies::All => {}
            Lies::WriteAheadLog if is_log => {}
            _ => node.sync(),
        }
        Ok(())
    }

    fn sync_folder(&mut self, number: INodeNo) -> Result<(), Errno> {
        let folder = self.node(number)?.path.clone();
        if self.manners.lies != Lies::All {
            for node in self.nodes.values_mut().filter(|node| node.path.parent() == Some(&folder)) {
                node.fresh = false;
            }
        }
        Ok(())
    }

    fn remove(&mut self, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        let path = self.path(parent, name)?;
        let full = self.root.join(&path);
        if full.is_dir() {
            std::fs::remove_dir(full)?
        } else {
            std::fs::remove_file(full)?
        }
        if let Some(node) = self.names.remove(&path).and_then(|number| self.nodes.get_mut(&number)) {
            node.gone = true;
        }
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        std::fs::rename(self.root.join(from), self.root.join(to))?;
        if let Some(node) = self.names.remove(to).and_then(|number| self.nodes.get_mut(&number)) {
            node.gone = true;
        }
        let moved: Vec<PathBuf> =
            self.names.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let rest = path.strip_prefix(from).expect("it starts with it");
            let new = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            let number = self.names.remove(&path).expect("it was listed");
            if let Some(node) = self.nodes.get_mut(&number) {
                node.path.clone_from(&new);
            }
            self.names.insert(new, number);
        }
        Ok(())
    }

    fn list(&mut self, number: INodeNo) -> Result<Vec<(u64, FileType, std::ffi::OsString)>, Errno> {
        let folder = self.node(number)?.path.clone();
        let mut list = vec![(number.0, FileType::Directory, ".".into())];
        list.push((INodeNo::ROOT.0, FileType::Directory, "..".into()));
        for entry in std::fs::read_dir(self.root.join(&folder))?.flatten() {
            let kind = if entry.path().is_dir() { FileType::Directory } else { FileType::RegularFile };
            if let Some(number) = self.number(&folder.join(entry.file_name())) {
                list.push((number, kind, entry.file_name()));
            }
        }
        Ok(list)
    }
}

/// The disk as the kernel asks it.
struct Mounted(Arc<Mutex<Disk>>);

macro_rules! answer {
    ($reply:expr, $result:expr, $done:expr) => {
        match $result {
            Ok(value) => $done($reply, value),
            Err(errno) => $reply.error(Errno::from(errno)),
        }
    };
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = lock(&self.0).entry(parent, name);
        answer!(reply, found, |reply: ReplyEntry, at| reply.entry(&TTL, &at, Generation(0)))
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let found = lock(&self.0).attributes(ino.0);
        answer!(reply, found, |reply: ReplyAttr, at| reply.attr(&TTL, &at))
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = lock(&self.0);
        let root = disk.root.clone();
        let changed = disk.node(ino).and_then(|node| {
            if let Some(mode) = mode {
                let permissions = std::fs::Permissions::from_mode(mode & 0o7777);
                std::fs::set_permissions(root.join(&node.path), permissions)?;
            }
            if let Some(size) = size {
                node.resize(size);
            }
            Ok(())
        });
        let changed = changed.and_then(|()| disk.attributes(ino.0));
        answer!(reply, changed, |reply: ReplyAttr, at| reply.attr(&TTL, &at))
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let made = lock(&self.0).create(parent, name, mode & !umask, Owner::of(request));
        answer!(reply, made, |reply: ReplyCreate, at: FileAttr| {
            reply.created(&TTL, &at, Generation(0), FileHandle(0), FopenFlags::empty())
        })
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let made = lock(&self.0).make_folder(parent, name, mode & !umask, Owner::of(request));
        answer!(reply, made, |reply: ReplyEntry, at| reply.entry(&TTL, &at, Generation(0)))
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let data = lock(&self.0).node(ino).map(|node| node.read(offset, size as usize));
        answer!(reply, data, |reply: ReplyData, data: Vec<u8>| reply.data(&data))
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = lock(&self.0).write(ino, offset, data);
        answer!(reply, written, |reply: ReplyWrite, n| reply.written(n))
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = lock(&self.0).sync(ino);
        answer!(reply, synced, |reply: ReplyEmpty, ()| reply.ok())
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = lock(&self.0).sync_folder(ino);
        answer!(reply, synced, |reply: ReplyEmpty, ()| reply.ok())
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = lock(&self.0).remove(parent, name);
        answer!(reply, removed, |reply: ReplyEmpty, ()| reply.ok())
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = lock(&self.0).remove(parent, name);
        answer!(reply, removed, |reply: ReplyEmpty, ()| reply.ok())
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mut disk = lock(&self.0);
        let paths = disk.path(parent, name).and_then(|from| Ok((from, disk.path(new_parent, new_name)?)));
        let renamed = paths.and_then(|(from, to)| disk.rename(&from, &to));
        answer!(reply, renamed, |reply: ReplyEmpty, ()| reply.ok())
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match lock(&self.0).list(ino) {
            Ok(list) => {
                for (i, (number, kind, name)) in list.into_iter().enumerate().skip(offset as usize) {
                    if reply.add(INodeNo(number), i as u64 + 1, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let disk = lock(&self.0);
        let free = disk.manners.room.map_or(1 << 24, |room| room.saturating_sub(disk.used()) / PAGE);
        reply.statfs(1 << 24, free, free, 1 << 20, 1 << 19, PAGE as u32, 255, PAGE as u32);
    }
}
