//! Metadata of repositories of packages.
use super::server::{Reply, Server};
use super::{World, quick};
use crate::download::Limits;
use crate::repository::{RpmRepository, index_within};
use std::time::Duration;

#[test]
fn an_index_that_hardly_comes_is_given_up() {
    let slow = Reply {
        byte_delay: Duration::from_millis(50),
        ..Reply::ok(&[b'x'; 1000])
    };
    let server = Server::start(move |_| slow.clone());
    let repository = RpmRepository {
        base: vec![server.url.clone()],
        ..RpmRepository::default()
    };
    let limits = Limits {
        calls: 1,
        ..quick()
    };
    let world = World::new();
    let found = index_within(&repository, None, false, (&world.context(), &limits));
    let problem = found.unwrap_err();
    assert!(
        problem.contains("less than 1000 bytes per second"),
        "{problem}"
    );
}
