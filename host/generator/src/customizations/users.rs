//! Users and groups.
use crate::GeneratorError;
use crate::manifest::Stage;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use indexmap::IndexMap;
use osbuild_wasm_blueprint::model::{Customizations, Group, User};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What a password is called that crypt(3) has hashed already.
const HASHES: [&str; 3] = ["$6$", "$5$", "$2b$"];

/// Users of a blueprint: those that only have a key, then the others; of several with a name the last one counts, at the
/// place of the first.
pub fn users(customizations: &Customizations) -> Vec<User> {
    let keys = customizations.sshkey.iter().map(|entry| User {
        name: entry.user.clone(),
        key: Some(entry.key.clone()),
        ..User::default()
    });
    let mut users = IndexMap::new();
    for user in keys.chain(customizations.user.iter().cloned()) {
        users.insert(user.name.clone(), user);
    }
    users.into_values().collect()
}

/// The stage that makes groups; none where there are none. Groups that packages brought get the ids that are asked for.
pub fn groups_stage(groups: &[Group]) -> Option<Stage> {
    let mut made = Map::new();
    for group in groups {
        let mut options = Map::new();
        set(&mut options, "gid", group.gid);
        made.insert(group.name.clone(), options.into());
    }
    (!made.is_empty()).then(|| Stage::new("groups", json!({"groups": made, "force": true})))
}

/// The stage that makes users, and after them those of the image type (`of_type`, options of the stage by name); none
/// where there are none. `seed` is that of the request: salts of passwords are made from it.
///
/// # Errors
/// A password cannot be hashed.
pub fn users_stage(
    users: &[User],
    of_type: Option<&IndexMap<String, Value>>,
    seed: i64,
) -> Result<Option<Stage>, GeneratorError> {
    let mut made = Map::new();
    for user in users {
        made.insert(user.name.clone(), user_options(user, seed)?.into());
    }
    for (name, options) in of_type.into_iter().flatten() {
        made.insert(name.clone(), options.clone());
    }
    Ok((!made.is_empty()).then(|| Stage::new("users", json!({"users": made}))))
}

/// The stage that locks root's password.
pub fn lock_root_stage() -> Stage {
    Stage::new("users", json!({"users": {"root": {"password": "!locked"}}}))
}

/// The same users without keys: what a tree can hold whose homes only come to be when the system starts.
pub fn without_keys(users: &[User]) -> Vec<User> {
    users
        .iter()
        .cloned()
        .map(|user| User { key: None, ..user })
        .collect()
}

/// The stage that makes the system put keys in place when it starts for the first time; none where no user has a key.
///
/// # Errors
/// A key or a name has characters that a command of the first boot cannot hold.
pub fn first_boot_keys_stage(users: &[User]) -> Result<Option<Stage>, GeneratorError> {
    let mut commands = Vec::new();
    for user in users {
        let Some(keys) = user.key.as_deref().filter(|keys| !keys.is_empty()) else {
            continue;
        };
        let name = command_text(user, "name", &user.name)?;
        let home = match name {
            "root" => "/var/roothome".to_string(),
            _ => format!("/var/home/{name}"),
        };
        commands.push(format!("mkdir -p {home}/.ssh"));
        for key in keys.lines().map(str::trim).filter(|key| !key.is_empty()) {
            let key = command_text(user, "key", key)?;
            commands.push(format!(
                "sh -c 'echo \"{key}\" >> \"{home}/.ssh/authorized_keys\"'"
            ));
        }
        commands.push(format!("chown {name}:{name} -Rc {home}/.ssh"));
    }
    if commands.is_empty() {
        return Ok(None);
    }
    commands.extend(["/var/home", "/var/roothome"].map(|home| format!("restorecon -rvF {home}")));
    Ok(Some(Stage::new(
        "first-boot",
        json!({"commands": commands}),
    )))
}

/// The text, if it stands for itself between the quotes of a shell in a unit of systemd.
fn command_text<'a>(user: &User, what: &str, text: &'a str) -> Result<&'a str, GeneratorError> {
    match text
        .chars()
        .find(|&character| character.is_control() || "'\"\\$`%".contains(character))
    {
        None => Ok(text),
        Some(character) => Err(GeneratorError::Request(format!(
            "user {:?}: the {what} has the character {character:?}, which a command of the first boot cannot hold; leave it out",
            user.name
        ))),
    }
}

/// A user as the stages `users` and `kickstart` have it. `seed` is that of the request.
///
/// # Errors
/// The password cannot be hashed.
pub fn user_options(user: &User, seed: i64) -> Result<Map<String, Value>, GeneratorError> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut options = Map::new();
    set(&mut options, "uid", user.uid);
    set(&mut options, "gid", user.gid);
    if !user.groups.is_empty() {
        options.insert("groups".into(), json!(user.groups));
    }
    set(&mut options, "description", text(&user.description));
    set(&mut options, "home", text(&user.home).map(without_slash));
    set(&mut options, "shell", text(&user.shell));
    set(&mut options, "password", password(user, seed)?);
    set(&mut options, "key", text(&user.key));
    set(&mut options, "expiredate", user.expiredate);
    set(
        &mut options,
        "force_password_reset",
        user.force_password_reset,
    );
    Ok(options)
}

fn without_slash(home: String) -> String {
    match home.strip_suffix('/') {
        Some("") | None => home,
        Some(home) => home.into(),
    }
}

fn set(options: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        options.insert(name.into(), value.into());
    }
}

/// The hash of a user's password (a hash already, it stays as it is), or nothing if there is none. The salt is made from
/// the seed and the user's name: two users with the same password have different hashes, and nothing of the password is in it.
///
/// # Errors
/// The password cannot be hashed.
pub fn password(user: &User, seed: i64) -> Result<Option<String>, GeneratorError> {
    let Some(password) = user.password.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if HASHES.iter().any(|prefix| password.starts_with(prefix)) {
        return Ok(Some(password.into()));
    }
    let source = Sha256::digest(format!("salt\0{seed}\0{}", user.name));
    // Twelve bytes are sixteen letters, the longest salt there is; crypt(3) has `.` where this alphabet has `+`.
    let salt = BASE64.encode(&source[..12]).replace('+', ".");
    let hash = sha_crypt::Sha512Params::new(sha_crypt::ROUNDS_DEFAULT)
        .and_then(|params| {
            sha_crypt::sha512_crypt_b64(password.as_bytes(), salt.as_bytes(), &params)
        })
        .map_err(|_| {
            GeneratorError::Request(format!(
                "user {:?}: the password cannot be hashed; give its hash, as `mkpasswd -m sha-512` prints it",
                user.name
            ))
        })?;
    Ok(Some(format!("$6${salt}${hash}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_blueprint::model::SshKey;

    fn user(name: &str, key: &str) -> User {
        User {
            name: name.into(),
            key: Some(key.into()),
            ..User::default()
        }
    }

    fn options(stage: Option<Stage>) -> Value {
        stage
            .and_then(|stage| stage.options().cloned())
            .unwrap_or_default()
    }

    #[test]
    fn a_later_user_of_a_name_replaces_the_earlier_one() {
        let customizations = Customizations {
            sshkey: vec![SshKey {
                user: "ada".into(),
                key: "ssh-rsa A".into(),
            }],
            user: vec![User {
                name: "ada".into(),
                uid: Some(7),
                ..User::default()
            }],
            ..Customizations::default()
        };
        let stage = users_stage(&users(&customizations), None, 0).expect("a stage");
        assert_eq!(options(stage), json!({"users": {"ada": {"uid": 7}}}));
    }

    #[test]
    fn a_password_is_hashed_with_a_salt_of_its_own_unless_it_is_a_hash() {
        let hashed = |name: &str, password: &str, seed| {
            let user = User {
                name: name.into(),
                password: Some(password.into()),
                ..User::default()
            };
            options(users_stage(&[user], None, seed).expect("a stage"))["users"][name]["password"]
                .as_str()
                .map(str::to_owned)
        };
        for hash in ["$6$salt$x", "$5$salt$x", "$2b$12$x"] {
            assert_eq!(hashed("ada", hash, 0).as_deref(), Some(hash));
        }
        assert_eq!(hashed("ada", "", 0), None);
        let hash = hashed("ada", "secret", 0).expect("a hash");
        assert_eq!(sha_crypt_of("secret", &hash), hash);
        assert_ne!(hashed("bob", "secret", 0), Some(hash.clone()));
        assert_ne!(hashed("ada", "secret", 1), Some(hash));
    }

    fn sha_crypt_of(password: &str, hash: &str) -> String {
        let salt = hash.split('$').nth(2).expect("a salt");
        let params = sha_crypt::Sha512Params::new(5000).expect("rounds");
        let hash = sha_crypt::sha512_crypt_b64(password.as_bytes(), salt.as_bytes(), &params);
        format!("$6${salt}${}", hash.expect("a hash"))
    }

    #[test]
    fn keys_of_the_first_boot_cannot_leave_their_quotes() {
        let stage = first_boot_keys_stage(&[user("ada", "ssh-rsa A ada\nssh-rsa B ada\n")]);
        let expected = [
            "mkdir -p /var/home/ada/.ssh",
            "sh -c 'echo \"ssh-rsa A ada\" >> \"/var/home/ada/.ssh/authorized_keys\"'",
            "sh -c 'echo \"ssh-rsa B ada\" >> \"/var/home/ada/.ssh/authorized_keys\"'",
            "chown ada:ada -Rc /var/home/ada/.ssh",
            "restorecon -rvF /var/home",
            "restorecon -rvF /var/roothome",
        ];
        assert_eq!(
            options(stage.expect("a stage")),
            json!({"commands": expected})
        );
        for key in ["a'b", "a\"b", "a$(b)", "a`b`", "a\\b", "a%b", "a\u{7}b"] {
            assert!(first_boot_keys_stage(&[user("ada", key)]).is_err(), "{key}");
        }
    }
}
