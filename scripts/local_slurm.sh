#!/usr/bin/env bash
# A Slurm of one machine, to try a cluster's set-up and to test it: scripts/local_slurm.sh start|stop DIR
#
# Needs Debian's slurm-wlm and munge. All that it writes is in DIR, and what it started is stopped by its process ids.
# docs/cluster.md says what for. `start` prints what to `export`, so that sbatch and squeue talk to it and to no other cluster.
set -euo pipefail
export PATH="$PATH:/usr/sbin"
if [[ $# != 2 || ! $1 =~ ^(start|stop)$ ]]; then
  echo "expected scripts/local_slurm.sh start DIR, or stop DIR, got ${*:-nothing}" >&2
  exit 1
fi
action=$1
mkdir -p "$2"
directory=$(cd "$2" && pwd)

free_port() {
  python3 -c 'import socket; one = socket.socket(); one.bind(("127.0.0.1", 0)); print(one.getsockname()[1])'
}

stop() {
  for name in slurmd slurmctld munged; do
    pid=$(cat "$directory/$name.pid" 2>/dev/null || true)
    [ -n "$pid" ] && kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
}

# A job that is queued again waits until what it was started with has expired: here 5 s, not two minutes.
start() {
  for program in munged slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || { echo "no $program here; apt-get install slurm-wlm munge" >&2; exit 1; }
  done
  mkdir -p "$directory"/{state,spool}
  chmod 700 "$directory" # munge refuses what others could change
  [ -f "$directory/munge.key" ] || (umask 077; head -c 1024 /dev/urandom >"$directory/munge.key")
  local cores memory user
  cores=$(getconf _NPROCESSORS_ONLN) memory=$(free -m | awk '/^Mem:/ {print int($2 * 0.9)}') user=$(id -un)
  cat >"$directory/slurm.conf" <<CONF
ClusterName=local
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$directory/munge.socket,cred_expire=5
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/slurmctld.log
SlurmdLogFile=$directory/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
MailProg=/bin/true
KillWait=5
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:1
CONF
  export SLURM_CONF=$directory/slurm.conf
  munged --force --key-file="$directory/munge.key" --socket="$directory/munge.socket" --pid-file="$directory/munged.pid" \
    --log-file="$directory/munged.log" --seed-file="$directory/munged.seed"
  slurmctld -f "$SLURM_CONF" >/dev/null 2>&1
  slurmd -f "$SLURM_CONF" >/dev/null 2>&1
  for _ in $(seq 100); do
    if [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; then
      echo "export SLURM_CONF=$SLURM_CONF"
      return
    fi
    sleep 0.2
  done
  echo "Slurm does not answer: $(sinfo 2>&1 | tail -1); see $directory/*.log" >&2
  stop
  exit 1
}

case $action in
  start) start ;;
  stop) stop ;;
esac
