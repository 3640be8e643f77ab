# The job scripts without a Slurm: what they refuse, what they start, what they do with its status.
# They run in a directory of links with a launcher, scontrol and squeue that only tell. The same on a
# real Slurm: `make test-slurm`.
. tests/cmd/tap.sh

sources=$PWD
here=$WORK/here
rm -rf "$here"
mkdir -p "$here/mpi" "$here/bin"
ln -s "$sources/slurm" "$sources/configs" "$here"
cat >"$here/mpi/launch" <<'L'
#!/bin/sh
echo "launch $*"
echo "again $KARMA_COMMAND"
echo "site $KARMA_LAUNCHER,$KARMA_PIN,$KARMA_LAUNCH_ARGS,$TMPDIR,${OF_THE_SITE:-}"
[ -z "${SLOW:-}" ] || { trap 'echo got USR1; exit 5' USR1; : >ready; while :; do sleep 0.1; done; }
exit "${STATUS:-0}"
L
printf '#!/bin/sh\necho "scontrol $*"\n' >"$here/bin/scontrol"
chmod +x "$here/mpi/launch" "$here/bin/scontrol"
cd "$here" || exit 1
PATH=$here/bin:$PATH
export TMPDIR=/tmp
unset KARMA_ENV KARMA_LAUNCHER KARMA_PIN KARMA_LAUNCH_ARGS KARMA_SCRATCH SLURM_TMPDIR
unset KARMA_COMMAND KARMA_REQUEUE KARMA_REQUEUE_MAX EPISODES PARTS SLURM_JOB_ID SLURM_NTASKS \
    SLURM_RESTART_COUNT SLURM_ARRAY_TASK_ID
tiny=configs/experiments/tiny.yaml

# ---- outside a job ----
for script in train eval eval_array tune quickstart ablation report doctor; do
    exits 2 "$script.sbatch outside of Slurm is refused" sh "slurm/$script.sbatch"
    says err "^slurm/$script.sbatch: this is a batch job for Slurm; type: (EPISODES=50 PARTS=[^ ]* )?sbatch .*slurm/$script.sbatch" \
        "$script.sbatch: with the line to type"
    same "$(wc -l <"$WORK/err") $(wc -c <"$WORK/out")" "1 0" "$script.sbatch: and nothing more"
done
run sh slurm/eval_array.sbatch $tiny
says err "type: EPISODES=50 PARTS=results/runs/NAME/parts sbatch --array=0-3 slurm/eval_array.sbatch $tiny\$" \
    "the line of an array has the variables that it needs"
run sh slurm/train.sbatch $tiny --set 'scenarios=[{name: quiet}]'
says err "type: sbatch slurm/train.sbatch $tiny --set 'scenarios=\[\{name: quiet\}\]'\$" \
    "the line has the words that were given, quoted"
(cd "$WORK" && run sh "$sources/slurm/train.sbatch" && [ "$rc" = 2 ]) &&
    grep -q "there is no slurm/job.sh in .*: submit from the directory of the sources" "$WORK/err"
result $? "a script that was submitted elsewhere says where it belongs"

# ---- inside a job ----
export SLURM_JOB_ID=77 SLURM_NTASKS=4
for script in train eval tune; do
    exits 2 "$script.sbatch without CONFIG" sh "slurm/$script.sbatch"
    says err "CONFIG is missing; type: sbatch --ntasks=4 slurm/$script.sbatch CONFIG --set run.dir=" "a sentence"
    exits 2 "$script.sbatch with an option first" sh "slurm/$script.sbatch" --set train.seed=1
    says err "CONFIG is missing" "a sentence"
    exits 2 "$script.sbatch with a CONFIG that is not there" sh "slurm/$script.sbatch" none.yaml
    says err "there is no configuration file 'none.yaml' in $here" "a sentence"
    same "$(cat "$WORK/out")" "" "$script.sbatch: MPI was not started"
    exits 0 "$script.sbatch" sh "slurm/$script.sbatch" $tiny --set run.dir=a
    says out "^launch -n 4 build/karma $script $tiny --set run.dir=a$" "starts all tasks"
    says out "^again sbatch --ntasks=4 slurm/$script.sbatch $tiny --set run.dir=a$" \
        "and tells the program how it goes on"
done
exits 0 "quickstart.sbatch" sh slurm/quickstart.sbatch
same "$(grep -c '^launch -n 4 build/karma ' "$WORK/out")" 4 "has four steps"

exits 0 "doctor.sbatch" sh slurm/doctor.sbatch --dir a
says out "^launch -n 4 build/karma doctor .*--dir a$" "looks at all tasks"

# ---- the report of an ablation, and the array that makes its runs ----
exits 2 "report.sbatch without DIR" sh slurm/report.sbatch
says err "DIR is missing; type: sbatch --ntasks=4 slurm/report.sbatch DIR$" "a sentence"
exits 2 "report.sbatch with a DIR that is not there" sh slurm/report.sbatch none
says err "there is no directory 'none' in $here" "a sentence"
exits 0 "report.sbatch" sh slurm/report.sbatch configs --out b
says out "^launch -n 1 build/karma report configs --out b$" "hands its arguments on, to one rank"
exits 2 "ablation.sbatch without SPEC" sh slurm/ablation.sbatch
says err "SPEC is missing; type: sbatch --ntasks=4 slurm/ablation.sbatch SPEC$" "a sentence"
exits 2 "ablation.sbatch with a SPEC that is not there" sh slurm/ablation.sbatch none.yaml
says err "there is no configuration file 'none.yaml'" "a sentence"
exits 0 "ablation.sbatch, a task of an array" env SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_JOB_ID=70 \
    sh slurm/ablation.sbatch $tiny --group 2
says out "^launch -n 4 build/karma ablate $tiny --group 2$" "takes runs like every other task"
says out "^again sbatch --ntasks=4 slurm/ablation.sbatch $tiny --group 2$" "and says how it goes on"
exits 5 "ablation.sbatch, stopped on request" env KARMA_REQUEUE=1 STATUS=5 SLURM_ARRAY_TASK_ID=3 \
    sh slurm/ablation.sbatch $tiny
says out "^scontrol requeue 77$" "requeues its own task"
holds "ablation.sbatch is an array with a throttle" grep -Eq '^#SBATCH --array=0-[0-9]+%[0-9]+$' slurm/ablation.sbatch

# ---- settings of the site ----
exits 0 "slurm/env.sh as it is" sh slurm/train.sbatch $tiny
says out "^site ,,,/tmp,$" "changes nothing"
exits 0 "variables before sbatch" env KARMA_LAUNCHER=srun KARMA_PIN=cores KARMA_LAUNCH_ARGS=-v \
    sh slurm/train.sbatch $tiny
says out "^site srun,cores,-v,/tmp,$" "win over slurm/env.sh"
cat >site.sh <<'S'
export OF_THE_SITE=modules
KARMA_LAUNCHER=mpirun
KARMA_SCRATCH=$PWD/scratch/$SLURM_JOB_ID
KARMA_REQUEUE=1
S
exits 5 "a file of the site" env KARMA_ENV=site.sh STATUS=5 sh slurm/train.sbatch $tiny
says out "^site mpirun,,,$here/scratch/77,modules$" "is read in place of slurm/env.sh"
says out "^scontrol requeue 77$" "may ask for requeues"
holds "and the scratch directory was made" test -d scratch/77
exits 2 "a file of the site that is not there" env KARMA_ENV=none.sh sh slurm/train.sbatch $tiny
says err "^slurm/train.sbatch: there is no file 'none.sh' with the settings of this site" "a sentence"
exits 2 "a scratch directory that cannot be made" env KARMA_SCRATCH=/proc/none sh slurm/train.sbatch $tiny
says err "the scratch directory '/proc/none' cannot be made" "a sentence"
same "$(cat "$WORK/out")" "" "MPI was not started"

# ---- arrays ----
exits 2 "eval_array.sbatch without an array" sh slurm/eval_array.sbatch $tiny
says err "add --array=0-3 to sbatch" "a sentence"
export SLURM_ARRAY_TASK_ID=3
exits 2 "eval_array.sbatch without CONFIG" env EPISODES=5 PARTS=p sh slurm/eval_array.sbatch
says err "CONFIG is missing" "a sentence"
exits 2 "eval_array.sbatch without PARTS" env EPISODES=5 sh slurm/eval_array.sbatch $tiny
says err "PARTS is not set; put PARTS=DIRECTORY before sbatch" "a sentence"
for bad in '' 0 five 1.5 -3; do
    exits 2 "eval_array.sbatch with EPISODES='$bad'" env PARTS=p EPISODES=$bad sh slurm/eval_array.sbatch $tiny
    says err "EPISODES is '$bad'; put EPISODES=N before sbatch" "a sentence"
done
same "$(cat "$WORK/out")" "" "eval_array.sbatch: MPI was not started"
exits 0 "eval_array.sbatch" env EPISODES=5 PARTS=p sh slurm/eval_array.sbatch $tiny
says out " --out p/3 .*--set eval.separation=\"\" .*--set eval.episodes=5 --set eval.first=15$" \
    "measures its part, whose separation is not checked"
exits 2 "eval.sbatch as an array is refused" sh slurm/eval.sbatch $tiny
says err "use slurm/eval_array.sbatch" "a sentence"
exits 2 "tune.sbatch as an array is refused" sh slurm/tune.sbatch $tiny
says err "ask for more tasks instead: --ntasks=33" "a sentence"
unset SLURM_ARRAY_TASK_ID

# ---- the status of what ran ----
exits 1 "a failed step ends the quickstart" env STATUS=1 sh slurm/quickstart.sbatch
same "$(grep -c '^launch' "$WORK/out")" 1 "at the first step"
same "$(cat "$WORK/err")" "" "without a word of the script"
exits 137 "a step that was killed" env STATUS=137 sh slurm/train.sbatch $tiny
says err "^slurm/train.sbatch: ended by signal 9; .*To go on: sbatch --ntasks=4 slurm/train.sbatch $tiny" \
    "a sentence"
exits 5 "stopped on request" env STATUS=5 sh slurm/train.sbatch $tiny
same "$(cat "$WORK/err")" "" "is told by the program alone"
exits 0 "with --restart" sh slurm/train.sbatch $tiny --restart --set run.dir=a
says out "^launch -n 4 build/karma train $tiny --restart --set run.dir=a$" "it begins anew"
says out "^again sbatch --ntasks=4 slurm/train.sbatch $tiny --set run.dir=a$" \
    "but the command that goes on has no --restart"
exits 0 "with --restart, requeued" env SLURM_RESTART_COUNT=1 sh slurm/train.sbatch $tiny --restart \
    --set run.dir=a
says out "^launch -n 4 build/karma train $tiny --set run.dir=a$" "it goes on"
exits 5 "stopped on request, KARMA_REQUEUE=1" env KARMA_REQUEUE=1 STATUS=5 sh slurm/train.sbatch $tiny
says out "^scontrol requeue 77$" "requeues the job"
for status in 0 1 137; do
    run env KARMA_REQUEUE=1 STATUS=$status sh slurm/train.sbatch $tiny
    ! grep -q scontrol "$WORK/out"
    result $? "status $status requeues nothing"
done
exits 5 "after KARMA_REQUEUE_MAX times" env KARMA_REQUEUE=1 KARMA_REQUEUE_MAX=3 SLURM_RESTART_COUNT=3 \
    STATUS=5 sh slurm/train.sbatch $tiny
says err "requeued 3 times, which is KARMA_REQUEUE_MAX; not again" "it stays stopped"
! grep -q scontrol "$WORK/out"
result $? "and is not requeued"

# USR1 to the script's shell, which Slurm sends, reaches the launcher, whose status counts.
SLOW=1 sh slurm/train.sbatch $tiny >"$WORK/out" 2>"$WORK/err" </dev/null &
job=$!
tries=0
until [ -e ready ] || [ $tries -ge 300 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
kill -USR1 $job
rc=0
wait $job || rc=$?
same "$rc $(tail -n 1 "$WORK/out")" "5 got USR1" "USR1 is handed on and the status of the step counts"

# ---- what stands in the scripts ----
cd "$sources" || exit 1
for script in slurm/*.sbatch; do
    name=$(basename "$script")
    holds "$name appends to its log" grep -q '^#SBATCH --open-mode=append$' "$script"
    holds "$name may be requeued" grep -q '^#SBATCH --requeue$' "$script"
    holds "$name is warned before its time limit" grep -q '^#SBATCH --signal=B:USR1@120$' "$script"
    log=$(sed -n 's/^#SBATCH --output=//p' "$script")
    if [ "$name" = eval_array.sbatch ] || [ "$name" = ablation.sbatch ]; then
        same "$log" "%x-%A_%a.log" "$name: a log for each task of the array"
    else
        same "$log" "%x-%j.log" "$name: a log for each job"
    fi
    [ "$name" = quickstart.sbatch ] || [ "$name" = doctor.sbatch ] ||
        holds "$name says what must stand behind it" grep -Eq "^usage='(CONFIG|SPEC|DIR)" "$script"
    job=$(sed -n 's/^#SBATCH --job-name=//p' "$script")
    if git rev-parse --git-dir >/dev/null 2>&1; then
        holds "$name: git ignores its log" git check-ignore "$job-12.log"
    else
        skip "$name: git ignores its log" "no git here"
    fi
    case $name in
    quickstart.sbatch | doctor.sbatch | ablation.sbatch | report.sbatch) continue ;;
    esac
    same "$(grep '^#  .*sbatch .*CONFIG\|^#  .*\.yaml' "$script" | grep -vc 'run\.dir=')" 0 \
        "$name: every example names a run directory"
done

# ---- the shell of all of them ----
if command -v shellcheck >/dev/null; then
    exits 0 "shellcheck: the scripts of jobs and the launcher" shellcheck -s sh -e SC3013 slurm/*.sh slurm/*.sbatch mpi/launch
    exits 0 "shellcheck: the tests of Slurm" shellcheck -s sh -S warning -e SC2034,SC2154 tests/slurm/*.sh
else
    skip "shellcheck" "it is not installed"
fi
for script in slurm/*.sh slurm/*.sbatch mpi/launch; do
    sh -n "$script" || echo "$script"
done >"$WORK/out" 2>&1
same "$(cat "$WORK/out")" "" "the shell reads each script to its end"
done_testing
