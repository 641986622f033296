//! The service: the sample that pushes a blueprint, composes it, downloads the image and boots it.
use crate::boot::BUILDING;
use crate::repository::{TOOLS, repository};
use osbuild_wasm_tests::{Program, Scratch, machine, paths};
use std::sync::PoisonError;
use std::time::Duration;

#[test]
fn a_blueprint_that_is_pushed_to_the_service_ends_in_an_image_that_boots() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let demo = Program::of(paths::sample("demo-composer"), "")
        .env("DEMO_REPOSITORY", repository())
        .env("DEMO_DIRECTORY", scratch.root())
        .env(
            "OSBUILD_WASM_PROGRAMS",
            paths::program().parent().expect("directory"),
        )
        .limit(Duration::from_secs(600))
        .run()
        .expect(0);
    assert!(
        demo.all().contains("OSBUILD-WASM-BOOT-OK"),
        "{}",
        demo.all()
    );
    machine::assert_nothing_left(scratch.root());
}
