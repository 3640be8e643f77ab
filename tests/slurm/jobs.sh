# Jobs on the Slurm of a test (cluster.sh): submit them, wait for them, read their logs. Sourced after
# tests/cmd/tap.sh and cluster.sh.
#
#   jobs_begin    skips the whole test where there is no Slurm or no MPI; sets $sources and $tiny, makes
#                 $here, a directory to submit from, and goes there
#
# shellcheck shell=sh
jobs_begin() {
    sources=$PWD
    tiny=configs/experiments/tiny.yaml
    if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
        skip "jobs on a real Slurm" "slurmctld, slurmd or munged is missing; 'make test-slurm' installs them"
        done_testing
        exit 0
    fi
    if [ "${MPI:-1}" = 0 ] || [ ! -r /proc/self/status ]; then
        skip "jobs on a real Slurm" "needs MPI and Linux's /proc"
        done_testing
        exit 0
    fi
    SITE=$(mktemp -d /tmp/karma-slurm.XXXXXX) || exit 1
    trap 'site_down; rm -rf "$SITE"' EXIT
    trap 'exit 1' INT TERM HUP
    unset SLURM_JOB_ID SLURM_NTASKS KARMA_COMMAND

    # Jobs are submitted where the sources are; here that is a directory of links, which takes the logs.
    here=$WORK/submitted
    rm -rf "$here"
    mkdir -p "$here/build"
    ln -s "$sources/mpi" "$sources/slurm" "$sources/configs" "$here"
    ln -s "$KARMA" "$here/build/karma"
    cd "$here" || exit 1
}

submit() { # SBATCH-ARGUMENT...: sets $id; all that a log shows of it is $id.log
    id=$(sbatch --parsable "$@" 2>"$WORK/err") || id=
    [ -n "$id" ] || sed 's/^/# sbatch: /' "$WORK/err"
}

field() { # JOB NAME: a field of scontrol show job
    scontrol show job "$1" 2>/dev/null | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1
}

await() { # SECONDS COMMAND...: until the command succeeds; 1 if it never does
    deadline=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $deadline ] || return 1
        sleep 0.2
    done
}

over() { # JOB
    case $(field "$1" JobState) in
    COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL | OUT_OF_MEMORY) return 0 ;;
    esac
    return 1
}

ends() { # JOB STATUS NAME: the job comes to its end, with this exit status
    await 600 over "$1"
    same "$(field "$1" ExitCode)" "$2:0" "$3"
    [ "$(field "$1" ExitCode)" = "$2:0" ] || tail -n 20 ./*"-$1.log" | sed 's/^/# log: /'
}

log_has() { # JOB PATTERN NAME
    grep -Eq -- "$2" ./*"-$1.log"
    tap_status=$?
    result $tap_status "$3"
    [ $tap_status = 0 ] || sed 's/^/# log: /' ./*"-$1.log" | tail -n 20
}

digest_of() { # JOB: what the training wrote
    sed -n 's/^digest //p' ./*"-$1.log" | tail -n 1
}

updating() { # RUN: the training is past its first update
    grep -Eq '^running update ([2-9]|[0-9][0-9])' "$1/status"
}

ours_only() { # JOB NAME: no launcher and no shell adds to what the program says
    ! grep -Eq 'mpirun|Primary job|exit code|^--|srun: error' ./*"-$1.log"
    result $? "$2"
}

ranks_of() { # JOB: the processes of the program
    for proc in /proc/[0-9]*; do
        case $(cat "$proc/comm" 2>/dev/null) in
        karma) tr '\0' '\n' <"$proc/environ" 2>/dev/null | grep -qx "SLURM_JOB_ID=$1" && echo "${proc#/proc/}" ;;
        esac
    done
}

mask_of() { # PROCESS
    sed -n 's/^Cpus_allowed_list:[^0-9]*//p' "/proc/$1/status"
}
