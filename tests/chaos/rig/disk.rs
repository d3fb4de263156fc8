//! A small disk of its own: a file system in a file. It can be filled, and the power can be cut:
//! then only what was synced is left of it. Needs root and loop devices.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::support::Watchdog;

pub(crate) struct Disk {
    /// Where it is mounted.
    place: PathBuf,
    image: PathBuf,
    _watchdog: Watchdog,
}

impl Disk {
    /// A disk of `bytes` at `place`, whose image is in `images`; what is at `place` moves onto it.
    ///
    /// # Errors
    /// Which step this machine does not allow.
    pub(crate) fn mount(place: &Path, images: &Path, bytes: u64) -> Result<Self, String> {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let image = images.join(format!("{name}.img"));
        let make = || -> io::Result<()> { File::create(&image)?.set_len(bytes) };
        make().map_err(|error| format!("{}: {error}", image.display()))?;
        run("mkfs.ext4", &["-q", "-F", "-m", "0", text(&image)])?;
        let aside = images.join(format!("{name}.new"));
        fs::create_dir_all(&aside).map_err(|error| error.to_string())?;
        let mounted = run("mount", &["-o", "loop", text(&image), text(&aside)]);
        if let Err(error) = mounted {
            let _ = fs::remove_file(&image);
            return Err(error);
        }
        let script = r#"umount -l "$1"; umount -l "$2"; rm -rf "$1" "$2" "$3"* "#;
        let watchdog = Watchdog::new(script, &[text(place), text(&aside), text(&image)]);
        let moved = run("cp", &["-a", &format!("{}/.", text(place)), text(&aside)])
            .and_then(|()| {
                run(
                    "chown",
                    &[&format!("--reference={}", text(place)), text(&aside)],
                )
            })
            .and_then(|()| {
                run(
                    "chmod",
                    &[&format!("--reference={}", text(place)), text(&aside)],
                )
            })
            .and_then(|()| run("umount", &[text(&aside)]))
            .and_then(|()| run("mount", &["-o", "loop", text(&image), text(place)]));
        moved.map(|()| Self {
            place: place.to_owned(),
            image,
            _watchdog: watchdog,
        })
    }

    /// Takes every byte that is left.
    pub(crate) fn fill(&self) {
        let ballast = File::create(self.ballast()).expect("the disk is mounted");
        let mut at = 0;
        for shift in [0, 2, 4, 6, 8, 10] {
            let Ok(free) = statvfs(&self.place).map(|stat| stat.f_bfree * stat.f_frsize) else {
                return;
            };
            // the file system needs some of it to keep account of the rest
            let mut part = (free >> shift) & !4095;
            while part >= 4096 {
                if fallocate(&ballast, FallocateFlags::empty(), at, part).is_ok() {
                    at += part;
                    break;
                }
                part = (part / 2) & !4095;
            }
        }
    }

    /// Gives back what [`Disk::fill`] took.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    /// What a machine finds after its power was cut: what was synced before, and no more. Nobody may
    /// be using it.
    pub(crate) fn cut_power(&mut self) -> Result<(), String> {
        let now = self.image.with_extension("after");
        let _ = fs::remove_file(&now);
        // what is only in the cache of the inner file system is not in its image yet
        run("cp", &["--sparse=always", text(&self.image), text(&now)])?;
        run("umount", &[text(&self.place)])?;
        fs::rename(&now, &self.image).map_err(|error| error.to_string())?;
        run(
            "mount",
            &["-o", "loop", text(&self.image), text(&self.place)],
        )
    }

    fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}", said.trim()))
}
