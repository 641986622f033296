//! Nothing is lost: in each round a compose is accepted, and at a random moment composer, worker or database is killed, or the network
//! between two of them is cut. Whatever comes of it, the compose ends, once, with a whole image or with a reason.
//!
//! `OSBUILD_WASM_KILL_ROUNDS` says how many rounds there are for each database, `OSBUILD_WASM_KILL_SEED` repeats some.
use crate::machine::{Machine, Running};
use crate::network::Network;
use crate::support::Server;
use osbuild_wasm_composer::service::ComposeState;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

/// How many rounds there are unless somebody asks for more.
const ROUNDS: u64 = 4;

/// To whom something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Composer,
    Worker,
    Workers,
    Database,
    DatabaseNetwork,
}

/// xorshift: no more is needed to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    async fn moment(&mut self, most: u64) {
        sleep(Duration::from_millis(self.below(most))).await;
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The programs, and a database that can be killed.
struct Rounds {
    machine: Machine,
    composer: Running,
    worker: Running,
    database: Option<(Server, Network)>,
    random: Random,
}

impl Rounds {
    /// One round: who it was, and what became of the compose.
    async fn round(&mut self) -> Option<(Victim, ComposeState)> {
        let victims = match self.database {
            Some(_) => 5,
            None => 3,
        };
        let victim = [
            Victim::Composer,
            Victim::Worker,
            Victim::Workers,
            Victim::Database,
            Victim::DatabaseNetwork,
        ][usize::try_from(self.random.below(victims)).unwrap()];
        let id = self.machine.ask("name = \"tiny\"\n").await?;
        self.random.moment(2500).await;
        self.strike(victim).await;
        let entry = self.machine.over(id).await;
        match entry.state {
            ComposeState::Finished => self.machine.check_image(&entry),
            _ => {
                let result = entry.job.result.unwrap_or_default();
                let reason = result["job_error"]["reason"].as_str().unwrap_or_default();
                assert!(!reason.is_empty(), "{victim:?}: {result:#}");
                eprintln!("{victim:?}: {result}");
            }
        }
        Some((victim, entry.state))
    }

    /// Something happens, and is over after a moment.
    async fn strike(&mut self, victim: Victim) {
        match victim {
            Victim::Composer => {
                kill(&mut self.composer);
                self.random.moment(1500).await;
                self.composer = self.machine.composer();
            }
            Victim::Worker => {
                kill(&mut self.worker);
                self.random.moment(1500).await;
                self.worker = self.machine.worker(&[]);
            }
            Victim::Workers => {
                self.machine.network.cut();
                self.random.moment(3000).await;
                self.machine.network.mend();
            }
            Victim::Database => {
                let Some((server, _)) = &self.database else {
                    return;
                };
                server.kill();
                self.random.moment(1500).await;
                server.serve();
            }
            Victim::DatabaseNetwork => {
                let Some((_, network)) = &self.database else {
                    return;
                };
                network.cut();
                self.random.moment(3000).await;
                network.mend();
            }
        }
    }
}

fn kill(program: &mut Running) {
    program.0.kill().unwrap();
    program.0.wait().unwrap();
}

async fn rounds(machine: Machine, database: Option<(Server, Network)>) {
    let seed = number("OSBUILD_WASM_KILL_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::try_from(now.unwrap().as_nanos() & u128::from(u64::MAX)).unwrap() | 1
    });
    let (composer, worker) = (machine.composer(), machine.worker(&[]));
    // Several composers share what workers do not do.
    let _other = database.as_ref().map(|_| machine.other_composer());
    let mut rounds = Rounds {
        machine,
        composer,
        worker,
        database,
        random: Random(seed),
    };
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let number = number("OSBUILD_WASM_KILL_ROUNDS").unwrap_or(ROUNDS);
    for _ in 0..number {
        let became = match rounds.round().await {
            Some((victim, state)) => format!("{victim:?}: {state}"),
            None => "not accepted".to_owned(),
        };
        *counts.entry(became).or_default() += 1;
    }
    println!("seed {seed}: {counts:?}");
    let machine = &rounds.machine;
    machine
        .wait_for("the queue does not drain", async || {
            let open = machine.service.open_jobs().await.ok()?;
            open.is_empty().then_some(())
        })
        .await;
    assert!(machine.nothing_is_left().await);
    let mut ended: BTreeMap<String, u32> = BTreeMap::new();
    for line in machine.log("composer.log").lines() {
        if line.contains("the job ended: success") {
            let job = line.split("job=").nth(1).unwrap_or_default();
            let job = job.split_whitespace().next().unwrap_or_default();
            *ended.entry(job.to_owned()).or_default() += 1;
        }
    }
    assert!(!ended.is_empty(), "{}", machine.log("composer.log"));
    let twice: Vec<_> = ended.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "done twice: {twice:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_sqlite() {
    rounds(Machine::new(None).await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_postgres() {
    let Some(server) = Server::start() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "PostgreSQL is not installed"
        );
        eprintln!("skipped: PostgreSQL is not installed");
        return;
    };
    let url = server.database("rounds");
    let machine = Machine::new(Some(&url)).await;
    let directory = machine.at("database");
    std::fs::create_dir(&directory).unwrap();
    let name = ".s.PGSQL.5432";
    let socket = std::path::Path::new(server.socket()).join(name);
    let network = Network::new(directory.join(name), socket);
    let far = url.replace(server.socket(), directory.to_str().unwrap());
    rounds(machine.with_database(far), Some((server, network))).await;
}
