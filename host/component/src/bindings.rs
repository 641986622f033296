//! Rust face of `wit/`, generated for a synchronous host.
#![allow(
    missing_docs,
    missing_debug_implementations,
    reason = "the documentation is in wit/"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "osbuild:stage/stage",
    with: {
        "osbuild:stage/tree.file": crate::tree::OpenFile,
        "osbuild:stage/loopback.device": crate::privileged::Attached,
        "osbuild:stage/mount.mounted": crate::privileged::Mounted,
    },
    require_store_data_send: true,
});

pub use osbuild::stage::{command, grub, loopback, mount, qemu_img, report, rpm, tree, types};
