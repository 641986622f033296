//! The table at the end.

use super::*;
use crate::Summary;
use std::path::PathBuf;

#[test]
fn the_summary_has_a_row_for_each_pipeline_in_the_order_of_the_manifest() {
    let order = ["build", "os", "image", "tar"];
    let summary = Summary::new(order.map(str::to_owned));
    assert_eq!(summary.table(None), "");
    let exported = |name: &str, path: &str| Event::Exported {
        name: name.into(),
        path: PathBuf::from(path),
    };
    for event in [
        pipeline_finished("build", true, true),
        pipeline_started("os", "f4bc", 2),
        Event::StageFinished(stage("os", "org.osbuild.rpm", "1")),
        Event::StageFinished(stage("os", "org.osbuild.noop", "2")),
        pipeline_finished("os", true, false),
        exported("os", "out/os"),
        exported(NOOP, "out/by-id"),
        pipeline_started("tar", "2", 1),
        pipeline_started("image", "1", 1),
        pipeline_finished("image", false, false),
    ] {
        summary.event(&event);
    }
    summary.moved("os", "images/os, 2 GiB".into());
    assert!(!summary.table(None).starts_with(' '));
    insta::assert_snapshot!(summary.table(None), @r"
    Pipeline  Result        Stages  Time       Exported to
    build     cached                           out/by-id
    os        built         2       2 min 5 s  images/os, 2 GiB
    image     failed        0       2 min 5 s
    tar       not finished
    ");
    assert!(
        summary
            .table(Some(40))
            .lines()
            .all(|line| line.chars().count() <= 40)
    );
}
