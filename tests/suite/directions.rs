//! Which room may use which.

/// Which rooms a room may use. Rooms not named here may neither be used nor use others.
pub(crate) const DIRECTIONS: [(&str, &[&str]); 33] = [
    ("host/manifest", &["stages-wasm/names"]),
    ("host/jobs", &[]),
    ("host/blueprint", &["host/manifest"]),
    ("host/capability", &["native-helpers/protocol"]),
    ("host/events", &["host/manifest"]),
    ("host/distro", &["host/blueprint", "host/manifest"]),
    ("host/generator", &["host/blueprint", "host/distro"]),
    ("host/files", &["stages-wasm/names"]),
    ("host/registry", &["host/files", "host/manifest"]),
    ("host/store", &["host/files"]),
    ("host/vm", &["native-helpers/protocol"]),
    (
        "host/source",
        &[
            "host/events",
            "host/manifest",
            "host/registry",
            "host/store",
            "host/files",
            "native-helpers/sys",
        ],
    ),
    (
        "host/resolve",
        &[
            "host/distro",
            "host/events",
            "host/files",
            "host/generator",
            "host/manifest",
            "host/source",
            "host/store",
            "native-helpers/sys",
        ],
    ),
    (
        "host/component",
        &["host/capability", "host/files", "native-helpers/protocol"],
    ),
    (
        "host/report",
        &[
            "host/events",
            "host/manifest",
            "host/capability",
            "native-helpers/packages",
        ],
    ),
    (
        "host/build",
        &[
            "host/component",
            "host/events",
            "host/source",
            "host/store",
            "host/manifest",
            "host/capability",
            "host/files",
            "host/vm",
            "native-helpers/packages",
            "native-helpers/protocol",
            // What a mount takes away is said in one way only.
            "native-helpers/sys",
        ],
    ),
    (
        "host/plugin",
        &[
            "host/capability",
            "host/component",
            "host/files",
            "host/manifest",
            "host/registry",
            "stages-wasm/sdk-test",
        ],
    ),
    (
        "host/cli",
        &[
            "host/plugin",
            "stages-wasm/sdk-test",
            "host/blueprint",
            "host/distro",
            "host/generator",
            "host/events",
            "host/manifest",
            "host/capability",
            "host/files",
            "host/store",
            "host/component",
            "host/report",
            "host/resolve",
            // Settings of downloads are read once, in the command line.
            "host/source",
            "host/build",
            "native-helpers/packages",
            "native-helpers/protocol",
        ],
    ),
    (
        "host/composer",
        &[
            "host/blueprint",
            "host/distro",
            "host/events",
            "host/files",
            "host/generator",
            "host/jobs",
            "host/resolve",
            // The worker that it starts ends with it.
            "native-helpers/sys",
        ],
    ),
    ("host/worker", &["host/files", "native-helpers/sys"]),
    ("native-helpers/packages", &[]),
    ("native-helpers/protocol", &[]),
    ("native-helpers/sys", &[]),
    ("native-helpers/solver-sys", &[]),
    (
        "native-helpers/solver",
        &["native-helpers/solver-sys", "native-helpers/sys"],
    ),
    (
        "native-helpers/helper",
        &[
            "native-helpers/sys",
            "native-helpers/protocol",
            "native-helpers/packages",
        ],
    ),
    ("stages-wasm/names", &[]),
    ("stages-wasm/sdk", &["stages-wasm/names"]),
    ("stages-wasm/sdk-test", &[]),
    ("stages-wasm/common", &["stages-wasm/sdk"]),
    (
        "stages-wasm/stages",
        &["stages-wasm/sdk", "stages-wasm/common"],
    ),
    (
        "stages-wasm/assemblers",
        &["stages-wasm/sdk", "stages-wasm/common"],
    ),
    // These run what was built. Of the host only the pure room that packs components is used.
    ("tests", &["host/capability", "stages-wasm/sdk-test"]),
];
