# The job scripts on a real Slurm, which this test starts for itself on loopback (cluster.sh):
#
#   what karma doctor finds on one node, on two, and under srun without PMIx
#   a training as a job, through mpirun and through srun --mpi=pmix, on one node and on two
#   its log while it runs; the time limit; a requeue on the same node and on another one; what a
#   cancelled job says
#   the CPUs of two jobs on one node, where the site binds nothing and where it gives masks
#   an evaluation as a job array that is merged; what a job says that cannot run
#
# `make test-slurm` runs it. The parts that need no Slurm are tests/cmd/test_slurm.sh.
# TIMEOUT: 3000
. tests/cmd/tap.sh
. tests/slurm/cluster.sh
. tests/slurm/jobs.sh

jobs_begin
quiet='scenarios=[{name: quiet, events: []}]'

machine_cpus=$(mask_of self)
n_cpus=$(env -u OMP_NUM_THREADS nproc)
site_up task/none 2
result $? "a Slurm of two nodes is up"

# ---- the nodes, by the doctor ----
submit --ntasks=2 --nodes=1 slurm/doctor.sbatch --memory 1 --space 1
ends "$id" 0 "karma doctor on one node"
log_has "$id" "^ok +launcher +mpirun of Open MPI, Slurm job $id: 2 ranks on 1 host$" "knows launcher and job"
KARMA_LAUNCHER=srun submit --ntasks=2 --nodes=1 slurm/doctor.sbatch --memory 1 --space 1
ends "$id" 0 "karma doctor through srun"
log_has "$id" "^ok +launcher +srun --mpi=pmix, Slurm job $id: 2 ranks on 1 host$" "knows it, too"
OMPI_MCA_btl=tcp,self submit --ntasks=2 --nodes=2 slurm/doctor.sbatch --memory 1 --space 1
ends "$id" 0 "karma doctor on two nodes"
if unshare --uts --mount true 2>/dev/null; then
    log_has "$id" "^ok +launcher .* 2 ranks on 2 hosts$" "counts the hosts"
    log_has "$id" "^ok +locks +a second lock is refused, on other hosts, too$" "tries a lock between them"
    log_has "$id" "^ok +clock +the hosts differ by [0-9.]+ ms at most$" "compares their clocks"
fi
submit --ntasks=2 --nodes=1 --output=none-%j.log --wrap 'srun --mpi=none -n 2 build/karma doctor; echo "status $?"'
await 60 over "$id"
log_has "$id" "^error +launcher +srun started 2 processes without PMIx, .*Remedy: srun --mpi=pmix" \
    "srun without PMIx is found before MPI fails"
log_has "$id" "^status 1$" "and is an error"

# ---- a training, in four ways ----
want=$("$sources/mpi/launch" -n 2 "$KARMA" train $tiny --set run.dir="$WORK/plain" 2>/dev/null |
    sed -n 's/^digest //p')
submit --ntasks=2 --nodes=1 slurm/train.sbatch $tiny --set run.dir=runs/one
ends "$id" 0 "a training on one node"
same "$(digest_of "$id")" "$want" "has the digest of a training without Slurm"
holds "its log has the job's name and number" test -s "karma-train-$id.log"
times='^train.group |^seconds of each rank|^rank |^-+ |^[0-9]+  +[0-9]' # how episodes are shared out; a table of the ranks
same "$(sed 's/[0-9a-f]\{16\}/HASH/; s/[0-9][0-9.]* MiB/N MiB/' "karma-train-$id.log" |
    grep -Ev "$times" | sort)" \
    "$(printf '%s\n' "digest HASH" "memory of rank 0: N MiB resident at most" \
        "policy written to runs/one/policy/weights.bin")" \
    "which holds the digest, the memory and the place of the policy, each once, and no more"
KARMA_LAUNCHER=srun submit --ntasks=2 --nodes=1 slurm/train.sbatch $tiny --set run.dir=runs/srun
ends "$id" 0 "a training through srun --mpi=pmix"
same "$(digest_of "$id")" "$want" "has the same digest"
KARMA_LAUNCHER=srun submit --ntasks=2 --nodes=1 slurm/train.sbatch $tiny --set run.dir=runs/stopped \
    --set train.updates=100000
await 300 updating runs/stopped
scancel --signal=USR1 --batch "$id"
ends "$id" 5 "srun --mpi=pmix: USR1 to the batch script ends the training with status 5"
log_has "$id" "^stopped on request after update [0-9]+ of 100000; to go on: sbatch " "and a sentence"
# Two nodes on one machine: shared memory would take them for one.
OMPI_MCA_btl=tcp,self submit --ntasks=2 --nodes=2 slurm/train.sbatch $tiny --set run.dir=runs/two
ends "$id" 0 "a training on two nodes"
same "$(digest_of "$id")" "$want" "has the same digest"

# ---- what cannot run says so before MPI starts ----
submit --ntasks=1 slurm/train.sbatch
ends "$id" 2 "a job without CONFIG fails"
log_has "$id" "^slurm/train.sbatch: CONFIG is missing; type: sbatch " "with a sentence"
ours_only "$id" "and nothing else"

# ---- two one-task jobs on one node ----
for i in 1 2; do
    KARMA_PROGRESS_S=0.2 submit --ntasks=1 --nodelist=n1 slurm/train.sbatch $tiny \
        --set run.dir="runs/pair$i" --set train.updates=100000
    eval "pair$i=$id"
done
await 300 updating runs/pair1 && await 300 updating runs/pair2
result $? "two jobs on one node train at the same time"
same "$(field "$pair1" BatchHost) $(field "$pair2" BatchHost)" "n1 n1" "on the same one"
for job in $pair1 $pair2; do
    for rank in $(ranks_of "$job"); do mask_of "$rank"; done
done >"$WORK/masks"
same "$(wc -l <"$WORK/masks")" 2 "each has one rank"
same "$(sort -u "$WORK/masks")" "$machine_cpus" "a site that binds nothing: neither is bound to core 0"

# ---- the log of a training that runs ----
log_has "$pair1" "^train  [0-9,]+/100,000 .* eta [0-9].* env-steps/s  reward" \
    "the log tells how far it is while the job runs"
same "$(field "$pair1" JobState)" RUNNING "which it still does"
if [ -e runs/pair1/lock ]; then
    submit --ntasks=1 slurm/train.sbatch $tiny --set run.dir=runs/pair1 --set train.updates=100000
    await 300 over "$id"
    [ "$(field "$id" JobState)" = FAILED ]
    result $? "a second training of the same run directory is refused"
    log_has "$id" "runs/pair1.*(in use|locked|belongs|another|held|owns|owned)" "with a sentence that names it"
    same "$(field "$pair1" JobState)" RUNNING "and the first goes on"
else
    skip "a second training of the same run directory is refused" "run directories have no lock"
fi

# ---- stopped on request ----
scancel --signal=USR1 --batch "$pair1"
ends "$pair1" 5 "USR1 to the batch script ends the training with status 5"
log_has "$pair1" "^stopped on request after update [0-9]+ of 100000; to go on: sbatch --ntasks=1 slurm/train.sbatch $tiny --set run.dir=runs/pair1 " \
    "and a sentence with the sbatch line"
ours_only "$pair1" "and no word of the launcher"

# ---- cancelled ----
scancel "$pair2"
await 60 over "$pair2"
log_has "$pair2" "^ended by SIGTERM after update [0-9]+ of 100000; to go on from the checkpoint of update [0-9]+: sbatch --ntasks=1 slurm/train.sbatch $tiny --set run.dir=runs/pair2 " \
    "scancel: the log names the checkpoint and the sbatch line"
same "$(grep -c 'to go on' "karma-train-$pair2.log")" 1 "scancel: said once"

# ---- requeued when it was stopped, on the same node or another ----
KARMA_REQUEUE=1 KARMA_PROGRESS_S=0 submit --ntasks=2 --nodelist=n1 slurm/train.sbatch $tiny \
    --set run.dir=runs/again --set "$quiet" --set train.updates=60
await 300 updating runs/again
scancel --signal=USR1 --batch "$id"
await 300 grep -q "the job is requeued" "karma-train-$id.log"
ends "$id" 0 "KARMA_REQUEUE=1: a training that was stopped comes back and ends"
want=$("$sources/mpi/launch" -n 2 "$KARMA" train $tiny --set run.dir="$WORK/sixty" --set "$quiet" \
    --set train.updates=60 2>/dev/null | sed -n 's/^digest //p')
same "$(digest_of "$id")" "$want" "with the digest of an undisturbed one"
log_has "$id" "^stopped on request after update" "its log keeps what the first start wrote"
log_has "$id" "resumed after update" "and has the second"
same "$(field "$id" Restarts)" 1 "it was requeued once"

KARMA_PROGRESS_S=0 submit --ntasks=2 slurm/train.sbatch $tiny --set run.dir=runs/moved --set "$quiet" \
    --set train.updates=60 --set train.checkpoint_every=1
await 300 updating runs/moved
first=$(field "$id" BatchHost)
scontrol update NodeName="$first" State=DRAIN Reason=test
scontrol requeue "$id"
ends "$id" 0 "a job that is requeued on another node ends"
second=$(field "$id" BatchHost)
same "$first $second" "$(printf '%s\n' "n1 n2" "n2 n1" | grep "^$first")" "on the other node"
same "$(digest_of "$id")" "$want" "with the same digest"
log_has "$id" "resumed after update" "it went on from a checkpoint"
scontrol update NodeName="$first" State=RESUME

# ---- the time limit ----
submit --ntasks=2 --time=1 --signal=B:USR1@50 slurm/train.sbatch $tiny --set run.dir=runs/limit \
    --set train.updates=100000
ends "$id" 5 "USR1 before the time limit ends the training with status 5"
log_has "$id" "^stopped on request after update" "and a sentence"
ours_only "$id" "and no word of the launcher"
line=$(sed -n 's/.*to go on: //p' "karma-train-$id.log")
id=$(sh -c "$line --set train.checkpoint_every=2" 2>/dev/null | sed 's/[^0-9]*//')
await 300 grep -q "resumed after update" "karma-train-$id.log"
result $? "the sbatch line that it names goes on"
scancel "$id"

# ---- an evaluation in parts, with a separation that they have too few episodes for ----
separation=configs/experiments/separation_ddos.yaml
set -- $separation --set run.dir=runs/separation --set game.horizon=4 --set eval.split=dev --set eval.resamples=100
EPISODES=2 PARTS=runs/parts submit --ntasks=1 --array=0-2%2 slurm/eval_array.sbatch "$@"
for i in 0 1 2; do
    await 600 over "${id}_$i"
    same "$(field "${id}_$i" ExitCode)" "0:0" "part $i of an evaluation ends with status 0"
    holds "part $i: the log is named by array and task" test -s "karma-eval-${id}_$i.log"
done
run "$KARMA" eval "$@" --set eval.episodes=6 --out runs/merged --merge runs/parts/*/eval.csv
merged=$rc
run "$KARMA" eval "$@" --set eval.episodes=6 --out runs/whole
same "$merged" "$rc" "the parts merged: the verdict of the separation is that of one evaluation"
holds "the parts merged: the same bytes" cmp runs/merged/eval.csv runs/whole/eval.csv
submit --ntasks=1 --array=0-0 slurm/eval_array.sbatch "$@"
await 300 over "${id}_0"
same "$(field "${id}_0" ExitCode)" "2:0" "an array without PARTS fails"
holds "with a sentence" grep -q "PARTS is not set; put PARTS=DIRECTORY before sbatch" "karma-eval-${id}_0.log"
submit --ntasks=1 --array=0-0 slurm/eval.sbatch "$@"
await 300 over "${id}_0"
same "$(field "${id}_0" ExitCode)" "2:0" "an array of whole evaluations fails"

# ---- a site that gives each job a mask of CPUs ----
site_down
if [ "$n_cpus" -lt 2 ]; then
    skip "a site that gives each job its CPUs" "this machine has one CPU"
elif ! site_up task/affinity "$n_cpus"; then
    skip "a site that gives each job its CPUs" "slurmd does not start with task/affinity here"
else
    for i in 1 2; do
        submit --ntasks=1 --nodelist=n1 slurm/train.sbatch $tiny --set run.dir="runs/mask$i" \
            --set train.updates=100000
        eval "pair$i=$id"
    done
    await 300 updating runs/mask1 && await 300 updating runs/mask2
    result $? "task/affinity: two jobs on one node train at the same time"
    for job in $pair1 $pair2; do
        for rank in $(ranks_of "$job"); do mask_of "$rank"; done
    done >"$WORK/masks"
    same "$(sort -u "$WORK/masks" | grep -c '^[0-9]*$')" 2 "task/affinity: each has a CPU of its own"
fi
done_testing
