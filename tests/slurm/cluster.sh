# A Slurm of its own on this machine, for tests: munged, slurmctld and two slurmd on loopback, without
# systemd. Sourced. Everything lives in the directory $SITE (short, because sockets lie in it) and
# ends with site_down. Works as root and, without the nodes' own host names, as any user.
#
#   site_up TASK_PLUGIN CPUS     nodes n1 and n2 of CPUS each; exports SLURM_CONF
#   site_down                    ends the daemons, by their process numbers
#
# shellcheck shell=sh
PATH=$PATH:/usr/sbin:/sbin

# N TCP ports that nobody listens on or is connected from.
site_ports() { # N
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v n="$1" -v at=$((20000 + $$ % 10000)) '
        function hex(s,    i, v) {
            for (i = 1; i <= length(s); i++) v = v * 16 + index("0123456789ABCDEF", substr(s, i, 1)) - 1
            return v
        }
        split($2, part, ":") == 2 { used[hex(part[2])] = 1 }
        END { for (; n > 0; at++) if (!(at in used)) { print at; n-- } }'
}

site_config() { # TASK_PLUGIN CPUS PORT PORT1 PORT2
    user=$(id -un)
    host=$(hostname -s)
    cat <<C
ClusterName=karma
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$3
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$SITE/munge.socket,cred_expire=5
StateSaveLocation=$SITE/state
SlurmdSpoolDir=$SITE/spool-%n
TmpFS=$SITE/tmp-%n
SlurmctldPidFile=$SITE/slurmctld.pid
SlurmdPidFile=$SITE/slurmd-%n.pid
SlurmctldLogFile=$SITE/slurmctld.log
SlurmdLogFile=$SITE/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=$1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdTimeout=60
SlurmctldTimeout=60
InactiveLimit=0
MinJobAge=3600
KillWait=3
WaitTime=0
JobRequeue=1
UnkillableStepTimeout=60
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$4 CPUs=$2 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$5 CPUs=$2 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
C
}

site_keys() { # munged with a key and a socket of its own
    [ -s "$SITE/munge.key" ] || dd if=/dev/urandom of="$SITE/munge.key" bs=1024 count=1 2>/dev/null
    chmod 400 "$SITE/munge.key"
    munged --socket="$SITE/munge.socket" --key-file="$SITE/munge.key" \
        --pid-file="$SITE/munged.pid" --log-file="$SITE/munged.log" \
        --seed-file="$SITE/munged.seed"
}

# A node with a host name of its own, where this user may make one. Its name must be known, or each
# start of MPI waits for the name service.
site_node() { # NAME
    mkdir -p "$SITE/spool-$1" "$SITE/tmp-$1"
    { cat /etc/hosts 2>/dev/null; echo "127.0.0.1 $1"; } >"$SITE/hosts-$1"
    if unshare --uts --mount true 2>/dev/null; then
        # shellcheck disable=SC2016
        unshare --uts --mount sh -c 'hostname "$1" && { [ ! -e /etc/hosts ] ||
            mount --bind "$2" /etc/hosts; } && exec slurmd -c -N "$1"' sh "$1" "$SITE/hosts-$1"
    else
        slurmd -c -N "$1"
    fi
}

site_up() { # TASK_PLUGIN CPUS
    mkdir -p "$SITE/state"
    chmod 755 "$SITE" # munged wants its socket to be reachable
    # shellcheck disable=SC2046
    site_config "$1" "$2" $(site_ports 3) >"$SITE/slurm.conf"
    export SLURM_CONF="$SITE/slurm.conf"
    site_keys && slurmctld -c && site_node n1 && site_node n2 || return 1
    site_tries=0
    until [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l)" = 2 ]; do
        site_tries=$((site_tries + 1))
        [ $site_tries -lt 300 ] || return 1
        sleep 0.2
    done
}

site_running() { # the daemons that are left; a number is ours only if the process has our files
    for file in "$SITE"/*.pid; do
        [ -r "$file" ] || continue
        pid=$(cat "$file")
        case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
        *slurmctld* | *slurmd* | *munged*) echo "$pid" ;;
        esac
    done
}

site_down() {
    if [ -r "$SITE/slurmctld.pid" ]; then
        scancel --quiet --user="$(id -un)" 2>/dev/null
        site_tries=0
        while [ -n "$(squeue -h -o %i 2>/dev/null)" ] && [ $site_tries -lt 50 ]; do
            site_tries=$((site_tries + 1))
            sleep 0.2
        done
    fi
    pids=$(site_running)
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null
    site_tries=0
    while [ -n "$(site_running)" ] && [ $site_tries -lt 50 ]; do
        site_tries=$((site_tries + 1))
        sleep 0.2
    done
    pids=$(site_running)
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null
    rm -rf "$SITE/state" "$SITE"/spool-* "$SITE"/tmp-*
}
