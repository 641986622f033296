//! What the runtime and its native helpers say to each other.
//!
//! The runtime starts `osbuild-wasm-helper INTERFACE` with a [`Charter`] and with one end of a Unix stream socket as standard input, the
//! *control socket*. Each message is a frame: its length as 32-bit little-endian number, then that many bytes of JSON; descriptors
//! travel with the first byte of a frame. The helper says [`Hello`] (or why it cannot serve). Each [`Begin`] on the control socket
//! brings the socket of a new session, its log, and what it may use as descriptors, and is answered there. On the session's socket every
//! [`Request`] gets one [`Reply`]. When the runtime closes a session, or only its sending side, the helper kills what runs,
//! releases what the session holds in reverse order, and closes its end; when the control socket closes, the helper ends.
//!
//! [`Client`] and [`Session`] are the runtime's side of it; the helper uses [`Connection`] and the message types.
#![forbid(unsafe_code)]

mod calls;
mod charter;
mod client;
mod environment;
mod frame;
mod grant;
mod machine;
mod message;
mod runner;
mod session;
mod storage;

pub use calls::{
    Bind, BootImage, Call, Conversion, CoreImage, Create, Database, Detach, EnvironmentBlock,
    ImageFormat, ImageInfo, ImportKey, Info, Input, Install, Outcome, Output, Package, PackageFile,
    Query, Request, Root, Run, Shell, Trusted, TrustedValue, Unmount, Verify, XattrValue,
};
pub use charter::{Charter, Offer};
pub use client::Client;
pub use environment::changes_code;
pub use frame::{Connection, FrameError, MAX_DESCRIPTORS, MAX_FRAME};
pub use grant::{
    BuildRoot, Device, Directory, Grant, Granted, Limits, Place, Position, ProgramPlace, Proxy,
    RunnerCache,
};
pub use machine::{Boot, FirstSteps, Share, ShareMount};
pub use message::{
    Begin, Bytes, ErrorCode, Failure, Handle, Hello, Interface, Ran, Reply, VERSION,
};
pub use runner::Steps;
pub use session::{CancelHandle, Session};
pub use storage::{
    ActivateVolume, Attach, Attached, BindMount, Deployment, DeploymentName, FileSystem, Mapped,
    Mount, MountDirectory, MountImage, Mounted, OpenCrypt, Volume,
};

/// Most bytes that a program's captured output, its input, or another blob in one message may have.
pub const MAX_BLOB: usize = 16 << 20;
