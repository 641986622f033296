//! Machines with somebody at their serial console.
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for: machines are emulated, and with other tests at the same time.
const PATIENCE: Duration = Duration::from_secs(300);

/// After how long a line is typed once more.
const AGAIN: Duration = Duration::from_secs(10);

/// A disk of a machine.
pub struct Disk<'a> {
    /// What the machine finds it by, in /sys/block/*/serial.
    pub name: &'a str,
    pub file: &'a Path,
    /// Bytes of a sector.
    pub sector: u32,
}

/// A machine that runs; ends with this value.
pub struct Machine {
    process: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    said: String,
}

impl Machine {
    /// Boots from the first of these disks, none of which is changed.
    pub fn boot(disks: &[Disk<'_>]) -> Self {
        let mut command = Command::new("qemu-system-x86_64");
        command.args("-accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none".split(' '));
        command.args("-no-reboot -serial stdio -monitor none -nic none".split(' '));
        for (index, disk) in disks.iter().enumerate() {
            let Disk { name, file, sector } = disk;
            let drive = format!(
                "file={},if=none,id=d{index},format=raw,snapshot=on",
                file.display()
            );
            let mut device = format!("virtio-blk-pci,drive=d{index},serial={name}");
            _ = write!(
                device,
                ",logical_block_size={sector},physical_block_size={sector}"
            );
            command.args(["-drive", &drive, "-device", &device]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("qemu");
        let keys = process.stdin.take().expect("its input");
        let mut output = process.stdout.take().expect("its output");
        let (give, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if give.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            keys,
            screen,
            said: String::new(),
        }
    }

    /// Waits until the console shows a text, and returns all that it showed.
    pub fn shows(&mut self, text: &str) -> &str {
        let started = Instant::now();
        while !self.said.contains(text) {
            let left = PATIENCE.saturating_sub(started.elapsed());
            assert!(
                self.hears(left),
                "{text:?} does not come, but:\n{}",
                self.said
            );
        }
        &self.said
    }

    /// Types a line until the console shows a text: what is typed before a program has switched echoing off is lost.
    pub fn types_until(&mut self, line: &str, text: &str) {
        let started = Instant::now();
        while !self.said.contains(text) {
            assert!(
                started.elapsed() < PATIENCE,
                "{text:?} does not come, but:\n{}",
                self.said
            );
            let typed = self.keys.write_all(format!("{line}\n").as_bytes());
            let typed = typed.and_then(|()| self.keys.flush());
            assert!(typed.is_ok(), "it is off:\n{}", self.said);
            while !self.said.contains(text) && self.hears(AGAIN) {}
        }
    }

    /// Waits for more; false when nothing comes for so long or the machine is off.
    fn hears(&mut self, patience: Duration) -> bool {
        let heard = self.screen.recv_timeout(patience);
        if let Ok(bytes) = &heard {
            self.said.push_str(&String::from_utf8_lossy(bytes));
        }
        heard.is_ok()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
