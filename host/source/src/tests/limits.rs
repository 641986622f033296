//! How much a source may take.

use super::server::{Reply, Server};
use super::{World, curl, quick, sha256, source};
use crate::curl::fetch_within;
use crate::{Allowance, fetch};
use std::time::{Duration, Instant};

/// 4 MiB of zeros, compressed by xz.
const ZEROS: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj//8RAWxdAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7kHoLTL8U6PAFLsX7JiopNL6MN2X+m44wjEVPgWRjFdYrid/i2lH8MasDedElk4ulcU7IE2PdEDKtfDW1G6eXDdoi3llestk3haR1v+0uIEGxCy4g/XACP0E6vJiiUcR89jyThcJ6nI1/sKMuF0ZWYin4qkfIndfcZwAaYTZj92K/VkA/EJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1IrdM0eWyBC+d1TPfgpZAk7gMsqbN+1O/DEvS5fqg8+S2ZCkBMO/xCT+HF4WfgLzf+VKEYPqfx83vuaMC5WwI+F84OBwGXEJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1IrdM0eWyBC+d1TPfgpZAk7gMsqbN+1O/DEvEgn5lif/xABKwDsc1On/b6ufDEan7eNMW5wnqcjX+woy4XRlZiKfiqR8id19xnABphNmP3Yr9WQD8QlU/j1kTYxBaWw7m/BcE1HDNGREaqtYB26zrEnGFxZhulmUli+6XasWeTlWwUI+cfarfz7Uit0zR5bIEL53VM9+ClkCTuAyyps37U78MS9Ll+qDz5LZkKQEw7/EJP4cXhZ+AvN/5UoRg+p/Hze+5owLlbAj4Xzg4HAZcQlU/j1kTYxBaWw7m/BcE1HDNGREaqtYB26zrEnGFxZhulmUli+6XasWeTlWwUI+cfarfz7Uit0zR5bIEL53VM9+ClkCTuAyyps37U78MS9Ll+qDz5LZkKQEw7/EJP4cXhZ+AvN/5UoRg+p/Hze+5owLlbAj4Xzg4HAZcQlUQ8/soAB3AAFAEHqpi0AAGtsRXzSCWHbAAHEBYCAgALTUy1YscRn+wIAAAAABFla";

fn at_most(bytes: u64) -> Allowance<'static> {
    Allowance {
        bytes,
        ..Allowance::EVERYTHING
    }
}

#[test]
fn a_length_beyond_every_limit_is_refused_at_once() {
    let server = Server::start(|_| Reply {
        announce: Some(1 << 62),
        ..Reply::ok(b"hello")
    });
    let error = World::new().error(&sha256(b"hello"), &format!("{}/file", server.url));
    assert!(error.contains("the limit of 68719476736 bytes"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_body_without_end_is_cut_at_the_limit_and_not_fetched_again() {
    let server = Server::start(|_| Reply {
        announce: None,
        ..Reply::ok(&[b'x'; 300_000])
    });
    let world = World::new();
    let items: Vec<_> = (0..4)
        .map(|number: u8| (sha256(&[number]), format!("\"{}/{number}\"", server.url)))
        .collect();
    let context = world.context_with(at_most(700_000));
    let found = fetch_within(&curl(&items), &context, &quick());
    let reached = |item: &&crate::Item| {
        let error = item.result.as_ref().unwrap_err();
        error.contains("the limit of 700000 bytes for this source is reached")
    };
    // Two of them came, and had another checksum; what was fetched again counts too.
    assert!(found.iter().filter(reached).count() >= 2, "{found:?}");
    assert!(server.requests().len() <= 6, "{}", server.requests().len());
    assert!(world.scratch().is_empty());
}

#[test]
fn files_of_this_machine_count_too() {
    let world = World::new();
    let path = world.dir.path().join("file");
    std::fs::write(&path, [0; 1000]).unwrap();
    let items = [(sha256(&[0; 1000]), format!("\"file://{}\"", path.display()))];
    let found = fetch_within(&curl(&items), &world.context_with(at_most(999)), &quick());
    let error = found[0].result.clone().unwrap_err();
    assert!(error.contains("the limit of 999 bytes"), "{error}");
}

#[test]
fn an_inline_item_is_not_unpacked_beyond_the_limit() {
    let world = World::new();
    let key = sha256(&vec![0; 4 << 20]);
    let items = format!(r#"{{{key:?}: {{"encoding": "lzma+base64", "data": {ZEROS:?}}}}}"#);
    let inline = source("org.osbuild.inline", &items);
    let outcome = fetch(&inline, &world.context_with(at_most(1 << 20)));
    assert!(
        outcome.output.contains("more than 1048576 bytes"),
        "{}",
        outcome.output
    );
    assert!(world.scratch().is_empty() && !world.file(&key).exists());
    let outcome = fetch(&inline, &world.context_with(at_most(4 << 20)));
    assert!(outcome.success, "{}", outcome.output);
}

#[test]
fn inline_items_share_the_limit_of_their_source() {
    let world = World::new();
    let other = sha256(b"another content");
    let key = sha256(&vec![0; 4 << 20]);
    let item = format!(r#"{{"encoding": "lzma+base64", "data": {ZEROS:?}}}"#);
    let inline = source(
        "org.osbuild.inline",
        &format!("{{{other:?}: {item}, {key:?}: {item}}}"),
    );
    let outcome = fetch(&inline, &world.context_with(at_most(5 << 20)));
    assert!(
        outcome.output.contains("Checksum mismatch"),
        "{}",
        outcome.output
    );
    assert!(
        outcome.output.contains("more than 1048576 bytes"),
        "{}",
        outcome.output
    );
}

#[test]
fn a_source_ends_with_its_time_and_says_so() {
    let server = Server::start(|_| Reply {
        delay: Duration::from_secs(5),
        ..Reply::ok(b"hello")
    });
    let world = World::new();
    let time = Duration::from_millis(200);
    let mut context = world.context_with(Allowance {
        time: Some(time),
        ..Allowance::EVERYTHING
    });
    context.deadline = Instant::now().checked_add(time);
    let item = (sha256(b"hello"), format!("{:?}", server.url));
    let outcome = fetch(&curl(&[item]), &context);
    assert!(
        outcome.output.ends_with(
            "was interrupted; the policy gives this source 0.2 s: `time` of its `limits`"
        ),
        "{}",
        outcome.output
    );
}
