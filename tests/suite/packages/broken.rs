//! Metadata that is broken in every way: one line about it, and the next run with a good mirror works.
use super::repository::{Package, Server, write};
use super::{depsolve, fails};
use osbuild_wasm_tests::Scratch;
use std::fs;
use std::path::Path;

/// Writes other metadata of a repository, which its index vouches for.
fn vouched(repository: &Path, content: &str) {
    let (primary, index) = (
        repository.join("repodata/primary.xml"),
        repository.join("repodata/repomd.xml"),
    );
    let before = Server::hash(&primary);
    fs::write(&primary, content).unwrap();
    let text = fs::read_to_string(&index).unwrap();
    fs::write(&index, text.replace(&before, &Server::hash(&primary))).unwrap();
}

/// What happens to a repository.
type Damage = Box<dyn Fn(&Path)>;

/// Changes a file of the metadata.
fn changed(name: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> impl Fn(&Path) {
    move |repository: &Path| {
        let path = repository.join("repodata").join(name);
        fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
    }
}

fn half(mut content: Vec<u8>) -> Vec<u8> {
    content.truncate(content.len() / 2);
    content
}

fn flipped(mut content: Vec<u8>) -> Vec<u8> {
    let middle = content.len() / 2;
    content[middle] ^= 1;
    content
}

fn nothing(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

#[test]
fn broken_metadata_is_told_in_one_line_and_a_good_mirror_works_after_it() {
    let page = |_| b"<html><body>Please log in</body></html>".to_vec();
    let other = "its content has sha256:";
    let no_index = "the repository demo: repodata/repomd.xml is not the index of a repository";
    let no_list = "the repository demo: repodata/primary.xml: ";
    let cases: [(&str, Damage); 12] = [
        (other, Box::new(changed("primary.xml", half))),
        (other, Box::new(changed("primary.xml", flipped))),
        (other, Box::new(changed("primary.xml", nothing))),
        ("another mirror", Box::new(changed("primary.xml", page))),
        (no_index, Box::new(changed("repomd.xml", half))),
        ("it is empty", Box::new(changed("repomd.xml", nothing))),
        (
            "it names no `primary`",
            Box::new(changed("repomd.xml", page)),
        ),
        (
            no_index,
            Box::new(changed("repomd.xml", |_| vec![0xff; 20])),
        ),
        (
            no_list,
            Box::new(|path| vouched(path, "<metadata><package><name>a</na")),
        ),
        (
            no_list,
            Box::new(|path| vouched(path, "<html><body>x</body></html>")),
        ),
        (no_list, Box::new(|path| vouched(path, ""))),
        (
            no_list,
            Box::new(|path| vouched(path, "\u{1}\u{2}no text at all")),
        ),
    ];
    for (number, (expected, damage)) in cases.iter().enumerate() {
        for is_known in [false, true] {
            let scratch = Scratch::new();
            let path = scratch.path("repo");
            write(&path, &[Package::new("a", "1")]);
            let server = Server::new(&path);
            let options = format!("[demo]\nbaseurl={}\n", server.url());
            let file = scratch.write("demo.repo", options);
            let run = || depsolve(&scratch, &file, "a").run();
            if is_known {
                run().expect(0);
                write(&path, &[Package::new("a", "2")]);
            }
            damage(&path);
            println!("case {number}");
            fails(run(), 1, expected);
            write(&path, &[Package::new("a", "3")]);
            run().expect(0).says("a-3-1.noarch");
        }
    }
}
