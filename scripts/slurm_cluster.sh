#!/usr/bin/env bash
# A Slurm cluster of one machine, for tests: munged, slurmctld and slurmd with everything they write in one directory.
# Needs Debian's slurmctld, slurmd and munge (apt-get install slurmctld slurmd munge); neither systemd nor cgroups.
# Runs as whoever starts it, root or not, and takes only that user's jobs.
#
#   scripts/slurm_cluster.sh start DIR    # then: export SLURM_CONF=DIR/slurm.conf
#   scripts/slurm_cluster.sh stop DIR     # cancels what runs and ends the three daemons
#
# Partitions: `low` (default) and `high`, whose jobs pre-empt those of `low`. Accounting is off.
set -euo pipefail

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage

free_port() { # one that nobody listens on now
    while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

configure() {
    local host; host=$(hostname -s)
    cat > slurm.conf <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$PWD/munge.socket
CredType=cred/munge
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
StateSaveLocation=$PWD/state
SlurmdSpoolDir=$PWD/spool
SlurmctldPidFile=$PWD/slurmctld.pid
SlurmdPidFile=$PWD/slurmd.pid
SlurmctldLogFile=$PWD/slurmctld.log
SlurmdLogFile=$PWD/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=200000,batch_sched_delay=0
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
KillWait=20
MinJobAge=300
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=low Nodes=$host Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=high Nodes=$host MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
CONF
}

start() {
    mkdir -p "$1" && cd "$1"
    chmod 700 . && mkdir -p state spool
    export SLURM_CONF=$PWD/slurm.conf
    [ ${#PWD} -le 90 ] || { echo "$PWD is too long for a socket's name." >&2; exit 2; }
    (umask 077 && head -c 128 /dev/urandom > munge.key)
    configure
    munged --force --key-file="$PWD/munge.key" --socket="$PWD/munge.socket" --pid-file="$PWD/munged.pid" \
        --log-file="$PWD/munged.log" --seed-file="$PWD/munged.seed" --num-threads=2
    slurmctld -c
    slurmd
    for _ in $(seq 300); do
        [ "$(sinfo --noheader --format=%T --partition=low 2>/dev/null)" = idle ] && return
        sleep 0.2
    done
    echo "The cluster did not come up; see the logs in $PWD." >&2
    stop "$PWD"
    exit 1
}

stop() {
    cd "$1"
    export SLURM_CONF=$PWD/slurm.conf
    timeout 20 scancel --user="$(id -un)" 2>/dev/null || true
    for daemon in slurmd slurmctld munged; do
        [ -s "$daemon.pid" ] || continue
        pid=$(cat "$daemon.pid")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null || true
    done
}

case $1 in
    start | stop) "$1" "$2" ;;
    *) usage ;;
esac
