# What the job scripts of this directory share; they source it. sbatch starts a script in the
# directory where it was submitted, which must be the directory of the sources.
#
#   KARMA_REQUEUE=1        a job that was stopped on request (USR1, which Slurm sends before the time
#                          limit) is put back into the queue and goes on there
#   KARMA_REQUEUE_MAX=100  but not more often than this
#
# shellcheck shell=sh

job_refuse() { # TEXT...
    echo "$script: $*" >&2
    exit 2
}

job_line() { # WORD...: the sbatch line for this script with these words
    line="${job_variables:+$job_variables }sbatch${job_options:+ $job_options} $script"
    for word in "$@"; do
        case $word in
        '' | *[!A-Za-z0-9_./=:,+@%-]*) word="'$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line $word"
    done
    echo "$line"
}

# SCRIPT ARGUMENT...: refuses what cannot work before MPI starts. For the lines that are printed,
# `usage` holds what must stand behind the script's name, `job_options` the options of sbatch, and
# `job_variables` the environment variables before it.
job_begin() {
    script=$1
    shift
    if [ -z "${SLURM_JOB_ID:-}" ]; then
        [ $# -gt 0 ] || [ -z "$usage" ] || job_refuse "this is a batch job for Slurm; type:" \
            "$(job_line) $usage"
        job_refuse "this is a batch job for Slurm; type: $(job_line "$@")"
    fi
    job_options=${job_options:---ntasks=${SLURM_NTASKS:-1}}
    KARMA_COMMAND=$(job_line "$@" | sed 's/ --restart\( \|$\)/\1/') # it goes on
    export KARMA_COMMAND
    [ -n "$usage" ] || return 0
    case ${1:-} in
    '' | -*) job_refuse "CONFIG is missing; type: $(job_line) $usage" ;;
    esac
    [ -r "$1" ] || job_refuse "there is no configuration file '$1' in $PWD"
}

# Ends the job with the status of what it ran; says why, and how to go on.
job_end() { # STATUS
    if [ "$1" -gt 128 ]; then
        echo "$script: ended by signal $(($1 - 128)); 9 is often a lack of memory" \
            "(sbatch --mem-per-cpu=2G). To go on: $KARMA_COMMAND" >&2
    elif [ "$1" = 5 ] && [ "${KARMA_REQUEUE:-0}" = 1 ]; then
        if [ "${SLURM_RESTART_COUNT:-0}" -ge "${KARMA_REQUEUE_MAX:-100}" ]; then
            echo "$script: requeued $SLURM_RESTART_COUNT times, which is KARMA_REQUEUE_MAX;" \
                "not again" >&2
        else
            echo "$script: stopped on request; the job is requeued and goes on later" >&2
            scontrol requeue "$SLURM_JOB_ID"
        fi
    fi
    exit "$1"
}

# COMMAND...: runs it on all tasks; returns only if it succeeded. Signals to this shell reach the
# command: after USR1 it makes a checkpoint and ends with status 5, and only then wait returns that
# status and not the one of the signal.
job_run() {
    if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then # requeued: it goes on and does not begin anew
        for word; do
            shift
            [ "$word" = --restart ] || set -- "$@" "$word"
        done
    fi
    mpi/launch -n "${SLURM_NTASKS:-1}" "$@" &
    job=$!
    trap 'kill -USR1 $job' USR1
    trap 'kill -TERM $job' TERM
    while wait $job; status=$?; [ $status -gt 128 ] && kill -0 $job 2>/dev/null; do :; done
    trap - USR1 TERM
    [ $status = 0 ] || job_end $status
}
