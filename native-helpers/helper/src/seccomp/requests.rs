//! The requests of ioctl(2) that programs of a sandbox need. Every driver and file system has its own, many with more power than
//! their name says; what is not here is answered as by a file that knows no such request.

/// Terminals, pipes and sockets, and flags of any descriptor.
const STREAMS: &[u32] = &[
    0x5401,
    0x5402,
    0x5403,
    0x5404, // TCGETS, TCSETS, TCSETSW, TCSETSF
    0x802c_542a,
    0x402c_542b,
    0x402c_542c,
    0x402c_542d, // TCGETS2, TCSETS2, TCSETSW2, TCSETSF2
    0x5409,
    0x540a,
    0x540b, // TCSBRK, TCXONC, TCFLSH
    0x540e,
    0x540f,
    0x5410,
    0x5429, // TIOCSCTTY, TIOCGPGRP, TIOCSPGRP, TIOCGSID
    0x5411,
    0x541b, // TIOCOUTQ, FIONREAD
    0x5413,
    0x5414, // TIOCGWINSZ, TIOCSWINSZ
    0x5421,
    0x5450,
    0x5451,
    0x5452,
    0x5422, // FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC, TIOCNOTTY
    0x8004_5430,
    0x4004_5431,
    0x5441, // TIOCGPTN, TIOCSPTLCK, TIOCGPTPEER
];

/// Files: flags, extents, copies that share their content.
const FILES: &[u32] = &[
    0x8008_6601,
    0x4008_6602,
    0x8008_7601, // FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_GETVERSION
    0x801c_581f,
    0x401c_5820, // FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
    0xc020_660b,
    2, // FS_IOC_FIEMAP, FIGETBSZ
    0x4004_9409,
    0x4020_940d,
    0xc018_9436, // FICLONE, FICLONERANGE, FIDEDUPERANGE
    0x8100_9431,
    0x8011_1500, // FS_IOC_GETFSLABEL, FS_IOC_GETFSUUID
    0xc004_6686,
    0x4080_6685, // FS_IOC_MEASURE_VERITY, FS_IOC_ENABLE_VERITY
    0x8070_5864,
    0x8100_587e,
    0x800c_581e, // XFS_IOC_FSGEOMETRY_V4, XFS_IOC_FSGEOMETRY, XFS_IOC_DIOINFO
];

/// Subvolumes of btrfs: making them, and their flags.
const SUBVOLUMES: &[u32] = &[
    0x5000_940e,
    0x5000_9418, // BTRFS_IOC_SUBVOL_CREATE, BTRFS_IOC_SUBVOL_CREATE_V2
    0x8008_9419,
    0x4008_941a, // BTRFS_IOC_SUBVOL_GETFLAGS, BTRFS_IOC_SUBVOL_SETFLAGS
    0x81f8_943c,
    0xd000_9412, // BTRFS_IOC_GET_SUBVOL_INFO, BTRFS_IOC_INO_LOOKUP
];

/// Block devices: sizes, discarding, writing zeros.
const DEVICES: &[u32] = &[
    0x125e,
    0x1260,
    0x8008_1272, // BLKROGET, BLKGETSIZE, BLKGETSIZE64
    0x8008_1270,
    0x1268,
    0x127b,
    0x1278,
    0x1279,
    0x127a, // BLKBSZGET, BLKSSZGET, BLKPBSZGET, BLKIOMIN, BLKIOOPT, BLKALIGNOFF
    0x1263,
    0x1267,
    0x127e,
    0x127c, // BLKRAGET, BLKSECTGET, BLKROTATIONAL, BLKDISCARDZEROES
    0x1277,
    0x127f, // BLKDISCARD, BLKZEROOUT
    0x8008_1280,
    0x8004_1284,
    0x8004_1285,
    0xc010_1282, // BLKGETDISKSEQ, BLKGETZONESZ, BLKGETNRZONES, BLKREPORTZONE
    0x0301,
    0x4c05, // HDIO_GETGEO, LOOP_GET_STATUS64
];

/// Looking at network interfaces.
const INTERFACES: &[u32] = &[
    0x8910, 0x8912, 0x8913, 0x8915, 0x8917, 0x8919,
    0x891b, // SIOCGIFNAME, -CONF, -FLAGS, -ADDR, -DSTADDR, -BRDADDR, -NETMASK
    0x8921, 0x8927, 0x8933, 0x8942, // SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFTXQLEN
];

/// What only the machine's own root may do anyway, and what programs expect to be told then: freezing and trimming a file system,
/// reading partitions anew, trees and the default subvolume of btrfs.
pub const NOT_PERMITTED: [u32; 7] = [
    0xc004_5877,
    0xc004_5878,
    0xc018_5879, // FIFREEZE, FITHAW, FITRIM
    0x125f,      // BLKRRPART
    0xd000_9411,
    0xc070_9411,
    0x4008_9413, // BTRFS_IOC_TREE_SEARCH, BTRFS_IOC_TREE_SEARCH_V2, BTRFS_IOC_DEFAULT_SUBVOL
];

/// What only the machine's own root may do, and programs insist on although it makes no difference. For mkfs.xfs: the size of a
/// device's buffers, which it does not use, and flushing these, which the helper does when the device is detached. For parted: telling
/// the kernel the partitions, which are looked for when the device is attached. None is done, and all are told to have been.
pub const NOT_DONE: [u32; 3] = [0x4008_1271, 0x1261, 0x1269]; // BLKBSZSET, BLKFLSBUF, BLKPG

/// The family of requests of KVM: of /dev/kvm, and of the machines and processors that it makes, which concern no other program.
pub const KVM: u8 = 0xae;

/// All that are allowed.
pub fn allowed() -> impl Iterator<Item = u32> {
    [STREAMS, FILES, SUBVOLUMES, DEVICES, INTERFACES]
        .into_iter()
        .flatten()
        .copied()
}

/// What programs with the privileges of the machine need for the devices that they are shown: partitions, the device mapper, and to
/// grow file systems.
pub fn of_machine() -> impl Iterator<Item = u32> {
    // BLKRRPART, BLKPG.
    let partitions = [0x125f, 0x1269];
    // EXT4_IOC_RESIZE_FS, BTRFS_IOC_RESIZE, XFS_IOC_FSGROWFSDATA.
    let grow = [0x4008_6610, 0x5000_9403, 0x4010_586e];
    // DM_VERSION up to DM_GET_TARGET_VERSION: one structure that is read and written.
    let mapper = (0..=0x11).map(|number| 0xc138_fd00 | number);
    partitions.into_iter().chain(grow).chain(mapper)
}
