# What the job scripts of this directory share; they source it. sbatch starts a script in the
# directory where it was submitted, which must be the directory of the sources. Settings of the site,
# with what they mean, stand in slurm/env.sh.
#
# A script sets these before job_begin:
#   usage          what must stand behind the script's name; its first word is CONFIG, SPEC or DIR,
#                  which must be there. Empty: the script takes no arguments
#   job_options    options of sbatch for the lines that are printed
#   job_variables  environment variables before sbatch in these lines
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

# SCRIPT ARGUMENT...: refuses what cannot work before MPI starts, then reads the site's settings.
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
    job_check "$@"
    job_settings
}

job_check() { # ARGUMENT...: what must be there is there
    [ -n "$usage" ] || return 0
    wanted=${usage%% *}
    case ${1:-} in
    '' | -*) job_refuse "$wanted is missing; type: $(job_line) $usage" ;;
    esac
    case $wanted in
    DIR) [ -d "$1" ] || job_refuse "there is no directory '$1' in $PWD" ;;
    *) [ -r "$1" ] || job_refuse "there is no configuration file '$1' in $PWD" ;;
    esac
}

job_settings() { # of the site; scratch is made on every node of the job
    site=${KARMA_ENV:-slurm/env.sh}
    [ -r "$site" ] || job_refuse "there is no file '$site' with the settings of this site" \
        "(KARMA_ENV; the default is slurm/env.sh)"
    case $site in # a name without a slash would be looked for in PATH
    */*) ;;
    *) site=./$site ;;
    esac
    # shellcheck disable=SC1090
    . "$site"
    export KARMA_LAUNCHER KARMA_PIN KARMA_LAUNCH_ARGS
    [ -n "${KARMA_SCRATCH:-}" ] || return 0
    TMPDIR=$KARMA_SCRATCH
    if [ "${SLURM_JOB_NUM_NODES:-1}" -gt 1 ]; then
        srun --ntasks-per-node=1 --ntasks="$SLURM_JOB_NUM_NODES" mkdir -p "$TMPDIR"
    else
        mkdir -p "$TMPDIR"
    fi || job_refuse "the scratch directory '$TMPDIR' cannot be made (KARMA_SCRATCH in '$site')"
    export TMPDIR
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
