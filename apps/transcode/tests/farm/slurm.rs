// SPDX-License-Identifier: MPL-2.0
//! A Slurm cluster of two nodes on this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use support::Launch;

/// How long the cluster may take for anything.
const BOUND: Duration = Duration::from_secs(120);

pub(crate) struct Cluster {
    folder: PathBuf,
    daemons: Mutex<Vec<(String, Child)>>,
}

fn is_there(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

/// A port that is free now.
fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Cluster {
    /// `None` where it cannot be.
    pub(crate) fn start(folder: &Path) -> Option<Self> {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| {
            use std::os::unix::fs::MetadataExt;
            own.uid() == 0
        });
        if !is_root
            || !["slurmctld", "slurmd", "munged", "sbatch"]
                .iter()
                .all(|name| is_there(name))
        {
            return None;
        }
        std::fs::create_dir_all(folder.join("state")).unwrap();
        std::fs::write(folder.join("munge.key"), [7_u8; 128]).unwrap();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let (host, here) = (host.trim(), folder.display());
        let (control, one, two) = (port(), port(), port());
        let configuration = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={here}/munge.socket\nCryptoType=crypto/munge\n\
             StateSaveLocation={here}/state\nSlurmdSpoolDir={here}/%n\nSlurmctldPort={control}\n\
             SlurmctldPidFile={here}/slurmctld.pid\nSlurmdPidFile={here}/%n.pid\n\
             SlurmctldLogFile={here}/slurmctld.log\nSlurmdLogFile={here}/%n.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\n\
             MpiDefault=none\nSelectType=select/linear\nReturnToService=2\nJobRequeue=1\nSlurmdTimeout=10\n\
             SlurmdParameters=config_overrides\nKillWait=5\n\
             NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs=1\n\
             NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={two} CPUs=1\n\
             PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n"
        );
        // Some versions have dropped what they call otherwise now.
        let configuration = configuration.replace("CryptoType=crypto/munge\n", "");
        std::fs::write(folder.join("slurm.conf"), configuration).unwrap();
        Command::new("chmod")
            .args(["600", &format!("{here}/munge.key")])
            .status()
            .unwrap();
        let cluster = Self {
            folder: folder.to_owned(),
            daemons: Mutex::default(),
        };
        cluster.run("munged", &format!(
            "exec munged --foreground --force --key-file {here}/munge.key --socket {here}/munge.socket \
             --pid-file {here}/munge.pid --log-file {here}/munge.log --seed-file {here}/munge.seed"
        ));
        cluster.wait("munged", || folder.join("munge.socket").exists());
        cluster.run("slurmctld", "exec slurmctld -D");
        for node in ["n1", "n2"] {
            cluster.run(node, &format!("exec slurmd -D -N {node}"));
        }
        cluster.wait("nodes", || {
            cluster
                .ask("sinfo -h -N -o '%N %T'")
                .matches("idle")
                .count()
                == 2
        });
        Some(cluster)
    }

    fn run(&self, name: &str, command: &str) {
        let child = Command::new("sh")
            .args([
                "-c",
                &format!("exec setsid sh -c '{}'", command.replace('\'', "")),
            ])
            .env("SLURM_CONF", self.folder.join("slurm.conf"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.join(format!("{name}.stderr"))).unwrap())
            .spawn()
            .unwrap();
        self.daemons.lock().unwrap().push((name.to_owned(), child));
    }

    fn ask(&self, command: &str) -> String {
        let output = Command::new("sh")
            .args(["-c", command])
            .env("SLURM_CONF", self.folder.join("slurm.conf"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < BOUND, "no {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A program that talks to this cluster.
    pub(crate) fn launch(&self, program: PathBuf) -> Launch {
        Launch::program(program).env("SLURM_CONF", self.folder.join("slurm.conf").as_os_str())
    }

    pub(crate) fn wait_until_busy(&self, node: &str) {
        self.wait("work", || {
            self.ask(&format!("squeue -h -t R -w {node} -o %j"))
                .contains("transcode")
        });
    }

    /// Ends a node with everything that runs there, as a lost machine does.
    pub(crate) fn kill(&self, node: &str) {
        // The processes of a job are no children of its node's daemon: they are found by
        // the spool folder of the node, which their step's daemon has in its environment.
        let jobs = self.ask(&format!("squeue -h -t R -w {node} -o %A"));
        for job in jobs.split_whitespace() {
            for process in std::fs::read_dir("/proc").unwrap().flatten() {
                let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
                let name = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                let is_job = environment
                    .split(|byte| *byte == 0)
                    .any(|variable| variable == format!("SLURM_JOB_ID={job}").as_bytes());
                let is_ours = environment
                    .windows(self.folder.as_os_str().len())
                    .any(|part| part == self.folder.as_os_str().as_encoded_bytes());
                let is_step =
                    String::from_utf8_lossy(&name).contains(&format!("slurmstepd: [{job}"));
                if (is_job && is_ours) || is_step {
                    let id = process.file_name().into_string().unwrap();
                    let _ = Command::new("kill").args(["-9", &id]).status();
                }
            }
        }
        let mut daemons = self.daemons.lock().unwrap();
        for (_, child) in daemons.iter_mut().filter(|(name, _)| name == node) {
            let _ = child.kill();
            let _ = child.wait();
        }
        daemons.retain(|(name, _)| name != node);
    }

    /// The machine comes back when the controller has missed it.
    pub(crate) fn start_node_again(&self, node: &str) {
        self.wait("loss", || {
            self.ask(&format!("sinfo -h -n {node} -o %T"))
                .contains("down")
        });
        self.run(node, &format!("exec slurmd -D -N {node}"));
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("slurmctld.log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, child) in self.daemons.get_mut().unwrap().iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
