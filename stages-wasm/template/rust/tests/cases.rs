//! Runs the plugin in its sandbox on the trees in `cases`: needs `osbuild-wasm` on PATH, or its place in OSBUILD_WASM.

#[test]
fn every_case_gives_what_it_says() {
    let plugin = osbuild_stage_test::Plugin::build(env!("CARGO_MANIFEST_DIR")).unwrap();
    osbuild_stage_test::assert_cases("cases", &plugin);
}
